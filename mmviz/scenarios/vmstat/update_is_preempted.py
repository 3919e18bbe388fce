"""An update of a per-CPU counter is preempted half-way.

Each CPU counts for itself, so that no lock is needed: a task reads the counter of its CPU, adds to
it, and writes it back.  If another task gets the CPU in between and updates the same counter, one
of the two updates is lost.  If the task is moved to another CPU in between, it writes there what it
has read here.  To forbid the move alone does not help against the other task on the same CPU.

Promise: No update of a counter is lost.

Memory model: sequentially consistent; a CPU's counter is written by tasks on that CPU only.

Simplified:
    Two tasks with one update each, both on CPU0 at the start; one of them may be moved once.
    Tasks on one CPU alternate as they like unless one has disabled preemption.
    No interrupts, no thresholds, no folding into the global counter.
    What the model calls this_cpu_read() is __this_cpu_read(), without its debug check.

Sources:
    c68ed7945701 (v5.15) mm/vmstat: protect per cpu variables with preempt disable on RT
    mm/vmstat.c __mod_zone_page_state(), mod_zone_state()
    include/linux/percpu-defs.h this_cpu_add(); include/linux/preempt.h migrate_disable()
"""

from typing import Protocol

from mmviz.engine import Map, Race, World, at_end
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.percpu import PerCpu, Placement
from mmviz.scenarios.vmstat import PREEMPT_DISABLE_ON_RT, UNPROTECTED_ON_RT


class Machine(World):
    """Two CPUs, where the tasks are, and a counter on each CPU."""

    cpus: Placement
    vm_stat_diff: PerCpu[int]


def machine() -> Machine:
    """Build the machine with both tasks on CPU0."""
    cpus = Placement(Map({"A": "CPU0", "B": "CPU0"}))
    return Machine(cpus, PerCpu(cpus, Map({"CPU0": 0, "CPU1": 0})))


@at_end
def update_is_lost(k: Machine) -> bool:
    """Two updates have been made, and the counters of all CPUs add up to something else."""
    return sum(k.vm_stat_diff.copy.values()) != 2


class Update(Protocol):
    """How a task adds one."""

    async def add(self, k: Machine) -> None: ...


async def task_a(k: Machine, update: Update) -> None:
    """Task A counts a page."""
    await update.add(k)


async def task_b(k: Machine, update: Update) -> None:
    """Task B counts a page."""
    await update.add(k)


async def scheduler(k: Machine) -> None:
    """The scheduler may move task A to the other CPU."""
    await k.cpus.migration_cpu_stop("A", "CPU1")


# Two updates on one CPU, and one move.
race = Race(
    world=machine,
    actors={"A": task_a, "B": task_b, "scheduler": scheduler},
    daemons=("scheduler",),
    bad=(update_is_lost,),
)


@race.case(
    "V1/a",
    "on PREEMPT_RT before v5.15: read, add, write",
    sometimes=[update_is_lost],
    source=UNPROTECTED_ON_RT,
    states=28,
)
class ReadAddWrite:
    """Between reading and writing another task may run, or this one may be moved."""

    async def add(self, k: Machine) -> None:
        """Read the counter of this CPU, and write one more."""
        count = await k.vm_stat_diff.this_cpu_read()
        await k.vm_stat_diff.this_cpu_write(count + 1)


@race.case(
    "V1/b",
    "tempting: forbid the move to another CPU",
    sometimes=[update_is_lost],
    source=constructed("migrate_disable() keeps the CPU, but not to itself"),
    states=66,
)
class MigrateDisable(ReadAddWrite):
    """The task stays on its CPU, and the other task runs there in between."""

    async def add(self, k: Machine) -> None:
        await k.cpus.migrate_disable()
        await super().add(k)
        await k.cpus.migrate_enable()


@race.case(
    "V1/c",
    "as merged in v5.15: preemption is disabled during the update",
    source=PREEMPT_DISABLE_ON_RT,
    states=46,
)
class PreemptDisable(ReadAddWrite):
    """Nothing else runs on the CPU between reading and writing."""

    async def add(self, k: Machine) -> None:
        await k.cpus.preempt_disable()
        await super().add(k)
        await k.cpus.preempt_enable()


@race.case(
    "V1/d",
    "one instruction: this_cpu_add()",
    source=constructed("nothing comes between reading and writing where both are one instruction"),
    states=10,
)
class OneInstruction(ReadAddWrite):
    """The add is one instruction on the counter of whatever CPU the task is on."""

    async def add(self, k: Machine) -> None:
        await k.vm_stat_diff.this_cpu_add(1)


race.dial(
    "OneInstruction",
    "this_cpu_add",
    sometimes=[update_is_lost],
    why="as a load and a store it is the generic this_cpu_add(): the other task adds in between",
)
