"""Each object of HMM keeps the next one alive: the chain, and the effect of a missing link.

The rule that the cover letter wants to be able to state: a valid range has a struct hmm, a struct
hmm has an mm_struct that is allocated, and code that walks the address space is a user of it.
Behind these stand six links, each the subject of a patch.  A process looks its struct hmm up and
exits, a driver closes its device, a worker ends a lookup, all at once.  With every link in place no
step touches memory that is gone.  Take one away, and some step does, with one exception: with the
order of v5.3's hmm_free(), the notifier's own reference keeps the mm_struct as long as struct hmm
needs it.

Promise: Code that uses an object of HMM has a link to it; no object with a link is freed.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    One mirror, one range, which is listed at the start.
    Lifetimes alone: a chain without a gap says nothing of stale entries (flag_is_no_sequence).
    The process finds its struct hmm as a second registration does, and gives it back at once; where
    it finds none it would make one (create_meets_dying).
    hmm_free() clears mm->hmm, unlinks the notifier and drops the mm_struct in the SRCU callback, as
    in v5.3.  NoMmStructReference has v5.2's order, unlink and then clear, because only there a step
    misses the reference on the mm_struct; mm_without_grab has both orders.
    What is done under hmm->lock, mirrors_sem or page_table_lock is one step.
    NoLookupLock: the link is a lock, not a reference; so no bad state shows its absence before the
    use after free.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca> the cover letter, with the rules
    mm/hmm.c, v5.3: hmm_get_or_create(), hmm_free(), hmm_free_rcu(), hmm_release(),
    hmm_range_unregister()
    mm/hmm.c, v5.2: hmm_free(), for the order of NoMmStructReference
    8a9320b7ec5d (v5.3): hmm_free() clears mm->hmm before it unlinks the notifier
    kernel/fork.c: mmput(), __mmdrop(); mm/mmap.c: exit_mmap()
"""

from functools import partial

from mmviz.engine import Race, Struct, World, at_end, atomic, field
from mmviz.kernel.hmm.hmm import CountedMm, Hmm
from mmviz.kernel.hmm.hmm_of_mm import MirroringHmm
from mmviz.kernel.hmm.range import AddressSpace, HmmRange
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.rcu import SrcuCallbacks
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


def chain(refs: int = 2, mm_users: int = 2, mm_count: int = 3) -> Chain:
    """Build the chain with as many references as there are links.

    Args:
        refs: of struct hmm: the mirror's and the range's.
        mm_users: the process and the range.
        mm_count: of mm_struct: its users', the notifier's and struct hmm's.
    """
    hmm = ChainedHmm(refs=refs, name="hmm")
    mm = ChainedMm(mm_users=mm_users, mm_count=mm_count)
    k = Chain(mm, hmm)
    mm.hmm = mm.notifier = hmm
    hmm.mm = mm
    hmm.ranges = (k.range,)
    return k


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
    """mm->hmm names a struct hmm that was freed: the next lookup works on other memory."""
    return not k.mm.freed and k.mm.hmm is not None and k.mm.hmm.freed


@at_end
def something_is_leaked(k: Chain) -> bool:
    """Struct hmm or mm_struct is never freed: memory is lost with every process."""
    return not (k.mm.freed and k.hmm.freed)


class AllLinks:
    """Every link is there."""

    async def mm_get_hmm(self, k: Chain) -> bool:
        """L4: the pointer is followed under the lock under which it is cleared."""
        return await k.mm.mm_get_hmm() is not None

    async def hmm_put(self, k: Chain) -> None:
        """Put a reference on struct hmm; the last put frees it."""
        if await k.hmm.kref_put():
            await self.hmm_free(k)

    async def hmm_free(self, k: Chain) -> None:
        """Clear mm->hmm, unlink the notifier, free."""
        await k.mm.forget(k.hmm)
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await self.free_memory(k)

    async def free_memory(self, k: Chain) -> None:
        """L6: struct hmm is freed when no callback can still refer to it."""
        await k.srcu.call_srcu(k.hmm)

    async def hmm_free_rcu(self, k: Chain) -> None:
        """The grace period is over: free struct hmm, and put what it kept alive."""
        await self.put_mm_struct(k)
        await k.hmm.kfree()

    async def put_mm_struct(self, k: Chain) -> None:
        """L2: struct hmm had a reference on the mm_struct."""
        await k.mm.mmdrop()

    async def mmput(self, k: Chain) -> None:
        """A user leaves; the last one ends the address space, and tells the notifiers first."""
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


async def do_exit(k: Chain, links: AllLinks) -> None:
    """The process opens the device again, closes it at once, and exits."""
    if await links.mm_get_hmm(k):
        await links.hmm_put(k)
    await links.mmput(k)


async def hmm_mirror_unregister(k: Chain, links: AllLinks) -> None:
    """The driver closes the device that was open before."""
    await k.mirror.list_del(k.hmm)
    await links.put_of_mirror(k)


async def hmm_vma_fault(k: Chain, links: AllLinks) -> None:
    """A worker looks the range up and takes it off the list."""
    await k.mm.find_vma()
    await k.hmm.hmm_range_unregister(k.range)
    await links.mmput_of_range(k)
    await links.put_of_range(k)


async def srcu_invoke_callbacks(k: Chain, links: AllLinks) -> None:
    """A kernel worker runs the callback of struct hmm."""
    await k.srcu.rcu_cblist_dequeue()
    await links.hmm_free_rcu(k)


# The process exits, the driver closes and a worker ends a lookup, all at once.
race = Race(
    "HMM-00",
    world=chain,
    actors={
        "CPU0": do_exit,
        "CPU1": hmm_mirror_unregister,
        "kworker": hmm_vma_fault,
        "SRCU": srcu_invoke_callbacks,
    },
    bad=(
        "use_after_free",
        range_has_no_hmm,
        range_has_no_user,
        mirror_has_no_hmm,
        mm_names_freed_hmm,
        something_is_leaked,
    ),
)


@race.case(
    "L1",
    "without L1: a range has no reference on struct hmm",
    world=partial(chain, refs=1),
    sometimes=["use_after_free", range_has_no_hmm],
    states=270,
    source=constructed("v5.3 without one link; v5.2 had this one, too"),
)
class NoRangeReference(AllLinks):
    """A range has no reference on struct hmm."""

    async def put_of_range(self, k: Chain) -> None:
        """The range has none."""


@race.case(
    "L2 (cleared first)",
    "without L2, in v5.3's order: the notifier's reference keeps the mm_struct long enough",
    world=partial(chain, mm_count=2),
    states=207,
    source=constructed("no step of this model misses the reference in v5.3's order"),
)
class NoMmStructReferenceClearedFirst(AllLinks):
    """Struct hmm has no reference on the mm_struct, and clears mm->hmm before it unlinks."""

    async def put_mm_struct(self, k: Chain) -> None:
        """Struct hmm has none."""


@race.case(
    "L2",
    "without L2: struct hmm has no reference on the mm_struct; in v5.2's order",
    world=partial(chain, mm_count=2),
    sometimes=["use_after_free"],
    states=219,
    source=constructed("v5.3 without one link, which v5.2 lacked, and with v5.2's hmm_free()"),
)
class NoMmStructReference(NoMmStructReferenceClearedFirst):
    """Struct hmm has no reference on the mm_struct, and clears mm->hmm after it has unlinked."""

    async def hmm_free(self, k: Chain) -> None:
        """Unlink the notifier, clear mm->hmm, free."""
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.forget(k.hmm)
        await self.free_memory(k)


@race.case(
    "L3",
    "without L3: a range is not a user of the address space",
    world=partial(chain, mm_users=1),
    sometimes=["use_after_free", range_has_no_user],
    states=230,
    source=constructed("v5.3 without one link, which v5.2 lacked"),
)
class NoUser(AllLinks):
    """A range is not a user of the address space."""

    async def mmput_of_range(self, k: Chain) -> None:
        """The range is not a user."""


@race.case(
    "L4",
    "without L4: mm->hmm is followed under no lock",
    sometimes=["use_after_free"],
    states=243,
    source=constructed("v5.3 without one link, which v5.2 lacked"),
)
class NoLookupLock(AllLinks):
    """mm->hmm is followed under no lock."""

    async def mm_get_hmm(self, k: Chain) -> bool:
        """Load the pointer, and then ask the count of what it named."""
        hmm = await k.mm.read_once_hmm()
        return hmm is not None and await hmm.kref_get_unless_zero()


@race.case(
    "L5",
    "without L5: a mirror has no reference on struct hmm",
    world=partial(chain, refs=1),
    sometimes=["use_after_free", mirror_has_no_hmm],
    states=233,
    source=constructed("v5.3 without one link; v5.2 had this one, too"),
)
class NoMirrorReference(AllLinks):
    """A mirror has no reference on struct hmm."""

    async def put_of_mirror(self, k: Chain) -> None:
        """The mirror has none."""


@race.case(
    "L6",
    "without L6: struct hmm is freed at once, also under a running callback",
    actors={"CPU0": do_exit, "CPU1": hmm_mirror_unregister, "kworker": hmm_vma_fault},
    sometimes=["use_after_free"],
    states=211,
    source=constructed("v5.3 without one link, which v5.2 lacked"),
)
class NoGracePeriod(AllLinks):
    """Struct hmm is freed at once."""

    async def free_memory(self, k: Chain) -> None:
        """Free at once what v5.3 frees after a grace period."""
        await self.hmm_free_rcu(k)


race.case(
    "L1-L6",
    "all six links, as merged in v5.3",
    name="AllLinks",
    of=AllLinks,
    states=218,
    source=shipped("v5.3", "v5.3", said=patch(0)),
)
