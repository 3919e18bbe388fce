"""Interrupts that are off, and who has to wait for that."""

from mmviz.engine import Struct, atomic, current


class Interrupts(Struct):
    """Which CPUs take no interrupts at the moment.

    Attributes:
        off: the actors that have them off.

    Source: include/linux/irqflags.h; kernel/smp.c, on_each_cpu_mask().
    Simplified: an interrupt to all is answered in one step, when nobody has them off; the kernel
    waits for each CPU by itself, those that turn them off later have answered already.
    """

    off: frozenset[str] = frozenset()

    @atomic("include/linux/irqflags.h")
    def local_irq_save(self) -> None:
        """Take no interrupts from here on."""
        self.off |= {current().name}

    @atomic("include/linux/irqflags.h")
    def local_irq_restore(self) -> None:
        """Take interrupts again."""
        self.off -= {current().name}

    @atomic("kernel/smp.c", when=lambda interrupts: not interrupts.off)
    def on_each_cpu_mask(self) -> None:
        """Interrupt every CPU, as x86 flushes TLBs, and wait until all have answered."""
