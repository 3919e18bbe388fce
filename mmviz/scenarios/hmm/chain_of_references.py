"""Each object of HMM keeps the next one: the chain, and what one missing link brings.

What the cover letter wants a reader to be able to say: a valid range has a struct hmm, a struct hmm
has an mm_struct that is allocated, and who walks the address space is a user of it.  Behind these
stand six links, each the matter of a patch.  A process looks its struct hmm up and exits, a driver
closes its device, a worker ends a lookup, all at once.  With every link in place nobody meets
memory that is gone.  Take any one of them away, and somebody does.

Promise: Whoever uses an object of HMM has a link to it, and nothing goes that has a link.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    One mirror, one range, which is listed at the start.  Lifetimes alone: a chain without a gap
    says nothing of stale entries (flag_is_no_sequence).
    The process finds its struct hmm as a second registration does, and gives it back at once; where
    it finds none it would make one (create_meets_dying).
    hmm_free() unregisters the notifier and then clears mm->hmm, as in v5.2, or the reference on the
    mm_struct would have nobody to miss it here; mm_without_grab has both orders.
    What is done under hmm->lock, mirrors_sem or page_table_lock is one step.
    NoLookupLock: not a reference that is missing but a lock; so no bad state shows it beforehand.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca> the cover letter, with the rules
    mm/hmm.c, v5.3: hmm_get_or_create(), hmm_free(), hmm_release(), hmm_range_unregister()
    kernel/fork.c: mmput(), __mmdrop(); mm/mmap.c: exit_mmap()
"""

from typing import Any

from mmviz.engine import Case, Struct, Verdict, World, at_end, atomic, expecting, field
from mmviz.engine.case import Actor, Property
from mmviz.kernel.hmm import CountedMm, Hmm
from mmviz.kernel.hmm_of_mm import MirroringHmm
from mmviz.kernel.hmm_range import AddressSpace, HmmRange
from mmviz.kernel.rcu import SrcuCallbacks
from mmviz.scenarios.hmm import patch


class ChainedHmm(MirroringHmm, Hmm):
    """A struct hmm with its count, its mirrors and its ranges."""


class ChainedMm(AddressSpace, CountedMm):
    """An mm_struct with its counts, its mapping, mm->hmm and the notifier on its list."""


class Mirror(Struct):
    """A driver's struct hmm_mirror."""

    registered: bool = True

    @atomic("include/linux/list.h")
    def list_del(self, hmm: ChainedHmm) -> None:
        """Take the mirror off the list in struct hmm."""
        hmm.mirrors -= 1
        self.registered = False


class Chain(World):
    """A process that is mirrored, while a range of it is looked up."""

    mm: ChainedMm
    hmm: ChainedHmm
    range: HmmRange = field(default_factory=lambda: HmmRange(valid=True))
    mirror: Mirror = field(default_factory=Mirror)
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)


def range_has_no_hmm(k: Chain) -> bool:
    """A valid range is listed in a struct hmm that was freed."""
    return k.range.valid and k.hmm.freed


def range_has_no_user(k: Chain) -> bool:
    """A range is looked up in an address space without users: its mappings go at any moment."""
    return k.range.valid and (k.mm.freed or k.mm.mm_users == 0)


def mirror_has_no_hmm(k: Chain) -> bool:
    """A registered mirror is listed in a struct hmm that was freed."""
    return k.mirror.registered and k.hmm.freed


def mm_names_freed_hmm(k: Chain) -> bool:
    """mm->hmm names a struct hmm that was freed: whoever looks next works on other memory."""
    return not k.mm.freed and k.mm.hmm is not None and k.mm.hmm.freed


@at_end
def something_is_leaked(k: Chain) -> bool:
    """Struct hmm or mm_struct is never freed: memory is lost with every process."""
    return not (k.mm.freed and k.hmm.freed)


class AllLinks:
    """Every link is there."""

    refs, mm_users, mm_count = 2, 2, 3

    def world(self) -> Chain:
        """Build the chain with as many references as there are links."""
        hmm = ChainedHmm(refs=self.refs, name="hmm")
        mm = ChainedMm(mm_users=self.mm_users, mm_count=self.mm_count)
        k = Chain(mm, hmm)
        mm.hmm = mm.notifier = hmm
        hmm.ranges = (k.range,)
        return k

    async def mm_get_hmm(self, k: Chain) -> bool:
        """L4: the pointer is followed under the lock under which it is cleared."""
        return await k.mm.mm_get_hmm() is not None

    async def hmm_put(self, k: Chain) -> None:
        if await k.hmm.kref_put():
            await k.mm.mmu_notifier_unregister_no_release(k.hmm)
            await k.mm.forget(k.hmm)
            await self.put_mm_struct(k)
            await self.free_memory(k)

    async def put_mm_struct(self, k: Chain) -> None:
        """L2: struct hmm had a reference on the mm_struct."""
        await k.mm.mmdrop()

    async def free_memory(self, k: Chain) -> None:
        """L6: struct hmm goes when no callback can still have it."""
        await k.srcu.call_srcu(k.hmm)

    async def mmput(self, k: Chain) -> None:
        if not await k.mm.mmput():
            return
        await k.srcu.srcu_read_lock()
        if await k.mm.hlist_for_each_entry_rcu() is not None:
            await k.hmm.hmm_release()
        await k.srcu.srcu_read_unlock()
        await k.mm.exit_mmap()
        await k.mm.mmdrop()

    async def put_of_range(self, k: Chain) -> None:
        """L1: the range had a reference on struct hmm."""
        await self.hmm_put(k)

    async def mmput_of_range(self, k: Chain) -> None:
        """L3: the range was a user of the address space."""
        await self.mmput(k)

    async def put_of_mirror(self, k: Chain) -> None:
        """L5: the mirror had a reference on struct hmm."""
        await self.hmm_put(k)

    async def do_exit(self, k: Chain) -> None:
        """The process opens the device once more, closes it at once, and exits."""
        if await self.mm_get_hmm(k):
            await self.hmm_put(k)
        await self.mmput(k)

    async def hmm_mirror_unregister(self, k: Chain) -> None:
        """The driver closes the device that was open before."""
        await k.mirror.list_del(k.hmm)
        await self.put_of_mirror(k)

    async def hmm_vma_fault(self, k: Chain) -> None:
        """A worker looks the range up and takes it off the list."""
        await k.mm.find_vma()
        await k.hmm.hmm_range_unregister(k.range)
        await self.mmput_of_range(k)
        await self.put_of_range(k)

    async def srcu_invoke_callbacks(self, k: Chain) -> None:
        """A kernel worker runs the callback of struct hmm."""
        await k.srcu.rcu_cblist_dequeue()
        await k.hmm.kfree()


class NoRangeReference(AllLinks):
    refs = 1

    async def put_of_range(self, k: Chain) -> None:
        """The range has none."""


class NoMmStructReference(AllLinks):
    mm_count = 2

    async def put_mm_struct(self, k: Chain) -> None:
        """Struct hmm has none."""


class NoUser(AllLinks):
    mm_users = 1

    async def mmput_of_range(self, k: Chain) -> None:
        """The range is none."""


class NoLookupLock(AllLinks):
    async def mm_get_hmm(self, k: Chain) -> bool:
        hmm = await k.mm.read_once_hmm()
        return hmm is not None and await hmm.kref_get_unless_zero()


class NoMirrorReference(AllLinks):
    refs = 1

    async def put_of_mirror(self, k: Chain) -> None:
        """The mirror has none."""


class NoGracePeriod(AllLinks):
    async def free_memory(self, k: Chain) -> None:
        await k.hmm.kfree()


BAD: tuple[Property, ...] = (
    "use_after_free",
    range_has_no_hmm,
    range_has_no_user,
    mirror_has_no_hmm,
    mm_names_freed_hmm,
    something_is_leaked,
)


def case(links: AllLinks, variant: str, title: str, states: int, *fails: str, **more: Any) -> Case:
    """Exit, close and end a lookup at once."""
    actors: dict[str, Actor] = {
        "CPU0": links.do_exit,
        "CPU1": links.hmm_mirror_unregister,
        "kworker": links.hmm_vma_fault,
    }
    if not isinstance(links, NoGracePeriod):
        actors["SRCU"] = links.srcu_invoke_callbacks
    return Case(
        name=type(links).__name__,
        id=f"HMM-00/{variant}",
        title=title,
        world=links.world,
        actors=actors,
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        NoRangeReference(),
        "L1",
        "without L1: a range has no reference on struct hmm",
        400,
        "use_after_free",
        "range_has_no_hmm",
    ),
    case(
        NoMmStructReference(),
        "L2",
        "without L2: struct hmm has no reference on the mm_struct",
        325,
        "use_after_free",
    ),
    case(
        NoUser(),
        "L3",
        "without L3: a range is no user of the address space",
        374,
        "use_after_free",
        "range_has_no_user",
    ),
    case(
        NoLookupLock(),
        "L4",
        "without L4: mm->hmm is followed under no lock",
        439,
        "use_after_free",
    ),
    case(
        NoMirrorReference(),
        "L5",
        "without L5: a mirror has no reference on struct hmm",
        437,
        "use_after_free",
        "mirror_has_no_hmm",
    ),
    case(
        NoGracePeriod(),
        "L6",
        "without L6: struct hmm is freed at once, whoever is in a callback",
        317,
        "use_after_free",
    ),
    case(
        AllLinks(),
        "L1-L6",
        "all six links, as merged v5.3",
        369,
        shipped=("v5.3", "v5.3"),
        proposed=patch(0),
    ),
)
