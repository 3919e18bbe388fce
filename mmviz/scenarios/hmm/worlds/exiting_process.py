"""A mirrored process that exits while a worker of the driver looks a range of it up."""

from mmviz.engine import World, field
from mmviz.kernel.hmm.range import AddressSpace, HmmRange, RangedHmm
from mmviz.kernel.sync.locks import Mutex


class Mirrored(World):
    """A process that is mirrored: struct hmm has a reference on its mm_struct."""

    mm: AddressSpace = field(default_factory=lambda: AddressSpace(mm_users=1, mm_count=2))
    hmm: RangedHmm = field(default_factory=RangedHmm)
    range: HmmRange = field(default_factory=HmmRange)
    update: Mutex = field(default_factory=lambda: Mutex(name="driver->update"))


async def mmput(k: Mirrored) -> None:
    """A user leaves; the last one ends the address space."""
    if not await k.mm.mmput():
        return
    await k.hmm.hmm_release()
    await k.update.mutex_lock()  # mirror->ops->release()
    await k.update.mutex_unlock()
    await k.mm.exit_mmap()
    await k.mm.mmdrop()
