"""CPUs whose interrupts are off, and a call that waits for their answer."""

from mmviz.engine import Struct, atomic, current


class Interrupts(Struct):
    """The CPUs that take no interrupts at the moment.

    Attributes:
        off: the actors that have them off.

    Source: include/linux/irqflags.h; kernel/smp.c, on_each_cpu_mask().
    Simplified: an interrupt to all CPUs is answered in one step, when no actor has its interrupts
    off; the kernel waits for each CPU separately, and a CPU that turns them off later may have
    answered already.
    """

    off: frozenset[str] = frozenset()

    @atomic("include/linux/irqflags.h")
    def local_irq_save(self) -> None:
        """Turn this CPU's interrupts off."""
        self.off |= {current().name}

    @atomic("include/linux/irqflags.h")
    def local_irq_restore(self) -> None:
        """Turn this CPU's interrupts on again."""
        self.off -= {current().name}

    @atomic("kernel/smp.c", when=lambda interrupts: not interrupts.off)
    def on_each_cpu_mask(self) -> None:
        """Interrupt every CPU, as a TLB flush without broadcast does, and wait for all answers."""
