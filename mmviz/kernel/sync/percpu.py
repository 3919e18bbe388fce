"""Per-CPU variables, and tasks that are moved to another CPU between two instructions."""

from typing import Generic, TypeVar

from mmviz.engine import Map, Struct, atomic, current

V = TypeVar("V")


def _may_run(where: "Placement | PerCpu[V]") -> bool:
    """Return whether the acting task's CPU is not kept by another task."""
    cpus = where if isinstance(where, Placement) else where.cpus
    name = current().name
    here = cpus.cpu[name]
    return all(other == name or cpus.cpu[other] != here for other in cpus.preempt_off)


class Placement(Struct):
    """Which task is on which CPU, and which tasks cannot be preempted.

    Attributes:
        cpu: task -> the CPU it is on.
        preempt_off: the tasks that have disabled preemption: no other task runs on their CPU.
        migrate_off: the tasks that stay on their CPU, where others may run in between.

    Source: include/linux/preempt.h; kernel/sched/core.c, migration_cpu_stop(), v6.15.
    Simplified: tasks on one CPU alternate as they like unless one has disabled preemption; no
    interrupts; disabling does not nest.
    """

    cpu: Map[str, str]
    preempt_off: frozenset[str] = frozenset()
    migrate_off: frozenset[str] = frozenset()

    @atomic("include/linux/preempt.h", when=_may_run)
    def preempt_disable(self) -> None:
        """Keep the CPU: no other task runs on it, and this one is not moved."""
        self.preempt_off |= {current().name}

    @atomic("include/linux/preempt.h")
    def preempt_enable(self) -> None:
        """Allow other tasks on the CPU again."""
        self.preempt_off -= {current().name}

    @atomic("include/linux/preempt.h", when=_may_run)
    def migrate_disable(self) -> None:
        """Stay on this CPU; other tasks may still run on it in between."""
        self.migrate_off |= {current().name}

    @atomic("include/linux/preempt.h")
    def migrate_enable(self) -> None:
        """Allow to be moved again."""
        self.migrate_off -= {current().name}

    @atomic(
        "kernel/sched/core.c",
        when=lambda cpus, task, _cpu: task not in cpus.preempt_off | cpus.migrate_off,
    )
    def migration_cpu_stop(self, task: str, cpu: str) -> None:
        """Move a task that can be preempted to another CPU."""
        self.cpu[task] = cpu


class PerCpu(Struct, Generic[V]):
    """A per-CPU variable: each CPU has its own copy, and a task uses the one of its CPU.

    Attributes:
        cpus: where the tasks are. Never changes.
        copy: CPU -> value.

    Source: include/linux/percpu-defs.h, this_cpu_read(), this_cpu_add(); include/linux/percpu.h.
    Simplified: this_cpu_add() is one instruction, as on x86; the checks of __this_cpu_read() for
    disabled preemption are left out.
    """

    cpus: Placement
    copy: Map[str, V]

    @atomic("include/linux/percpu-defs.h", when=_may_run)
    def this_cpu_read(self) -> V:
        """Read the copy of the CPU that the task is on now."""
        return self.copy[self.cpus.cpu[current().name]]

    @atomic("include/linux/percpu-defs.h", when=lambda percpu, _value: _may_run(percpu))
    def this_cpu_write(self, value: V) -> None:
        """Write the copy of the CPU that the task is on now, which may be another one by now."""
        self.copy[self.cpus.cpu[current().name]] = value

    @atomic("include/linux/percpu-defs.h", when=lambda percpu, _value: _may_run(percpu))
    def this_cpu_add(self, value: V) -> None:
        """Add to the copy of the CPU that the task is on now, in one instruction."""
        cpu = self.cpus.cpu[current().name]
        self.copy[cpu] = self.copy[cpu] + value  # type: ignore[operator]

    @atomic("include/linux/percpu-defs.h")
    def per_cpu(self, cpu: str) -> V:
        """Read the copy of a CPU from any CPU."""
        return self.copy[cpu]
