"""The small model that most slips are made in: a counter, its lock, and two CPUs."""

from typing import Any

from mmviz.engine import Case, Struct, World, at_end, atomic, field
from mmviz.kernel.sync.locks import SpinLock


class Mm(Struct):
    count: int = 0
    users: int = 0

    @atomic("driver")
    def load(self) -> int:
        """Read the count."""
        return self.count

    @atomic("driver")
    def store(self, count: int) -> None:
        """Write the count."""
        self.count = count


class Small(World):
    mm: Mm = field(default_factory=Mm)
    ptl: SpinLock = field(default_factory=SpinLock)


@at_end
def count_lost(k: Small) -> bool:
    """An increment got lost."""
    return k.mm.count != 2


async def increment(k: Small) -> None:
    await k.ptl.spin_lock()
    count = await k.mm.load()
    await k.mm.store(count + 1)
    await k.ptl.spin_unlock()


def case(
    cpu0: Any = increment, cpu1: Any = increment, world: Any = Small, bad: Any = (count_lost,)
) -> Case:
    return Case(name="Small", world=world, actors={"CPU0": cpu0, "CPU1": cpu1}, bad=bad)
