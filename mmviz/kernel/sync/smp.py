"""Function calls between CPUs: send an interrupt, let each CPU answer, wait for all answers."""

from mmviz.engine import Struct, atomic, current, warn
from mmviz.kernel.sync.irq import Interrupts


class CallFunction(Struct):
    """A function that a CPU has others run, by inter-processor interrupt.

    A subclass says in `func` what each CPU runs.  A CPU is named as the actor that runs on it.

    Attributes:
        irq: the CPUs that take no interrupts at the moment. Never changes.
        info: what the function is to act on.
        csd: (sender, CPU) for each CPU that has not answered yet: CSD_FLAG_LOCK.

    Source: kernel/smp.c, smp_call_function_many_cond(), __flush_smp_call_function_queue(),
    csd_lock_wait(), v6.15.
    Simplified: one call of a sender at a time, as it waits; calls of the same function by two
    senders would share `info`, so there is one object for each sender.
    """

    irq: Interrupts
    info: str = ""
    csd: frozenset[tuple[str, str]] = frozenset()

    def func(self, cpu: str) -> None:
        """Do what the call is for on a CPU, inside the handler's step."""

    @atomic("kernel/smp.c")
    def smp_call_function_many(self, info: str, *cpus: str) -> None:
        """Queue the function for each CPU and send the interrupts; no CPU has run it yet."""
        sender = current().name
        if sender in self.irq.off:
            warn(
                "lockdep_complains",
                f"{sender} waits for other CPUs with its interrupts off: they may wait for it",
            )
        self.info = info
        self.csd |= {(sender, cpu) for cpu in cpus if cpu != sender}

    @atomic(
        "kernel/smp.c",
        when=lambda call, cpu: (
            cpu not in call.irq.off and any(target == cpu for _, target in call.csd)
        ),
    )
    def generic_smp_call_function_single_interrupt(self, cpu: str) -> None:
        """The CPU takes the interrupt, runs the function, and tells the sender."""
        self.func(cpu)
        self.csd = frozenset(pair for pair in self.csd if pair[1] != cpu)

    @atomic(
        "kernel/smp.c",
        when=lambda call: all(sender != current().name for sender, _ in call.csd),
    )
    def csd_lock_wait(self) -> None:
        """Wait until every CPU that was sent an interrupt has run the function."""

    async def on_each_cpu_mask(self, info: str, *cpus: str) -> None:
        """Have CPUs run the function, this one too if it is among them, and wait for them.

        Source: kernel/smp.c, on_each_cpu_cond_mask().
        """
        await self.smp_call_function_many(info, *cpus)
        await self.run_here(*cpus)
        await self.csd_lock_wait()

    @atomic("kernel/smp.c")
    def run_here(self, *cpus: str) -> None:
        """Run the function on this CPU, too, if it is among those asked."""
        if current().name in cpus:
            self.func(current().name)


async def take_interrupts(call: CallFunction, cpu: str) -> None:
    """A CPU takes the interrupts of a call whenever they are on."""
    while True:
        await call.generic_smp_call_function_single_interrupt(cpu)
