"""A parent and a child that both write, after a fork that met an exclusive entry."""

from mmviz.engine import field
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.fault import write
from mmviz.kernel.mm.fork import ChildTask, dup_mmap
from mmviz.scenarios.exclusive.worlds.fork import Machine


class Family(Machine):
    """The machine of a fork, with the page under an exclusive entry from the start."""

    child_task: ChildTask = field(default_factory=ChildTask)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parent.pte = Pte(self.page, exclusive=True)


async def fork(k: Family) -> None:
    """The parent forks, then writes to its page."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await k.child_task.wake_up_new_task()
    await write(k.parent, copy=k.parents_copy)


async def child(k: Family) -> None:
    """The child writes to its page."""
    await k.child_task.schedule_tail()
    await write(k.child, copy=k.childs_copy)
