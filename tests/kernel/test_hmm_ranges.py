"""HMM's ranges and mirrors, and the two counts of an mm."""

import pytest

from mmviz.engine import World, field
from mmviz.kernel.hmm.invalidate import CountingHmm, FlaggedHmm
from mmviz.kernel.hmm.mirror import HmmMirror, MirroredHmm, PoisonedSem
from mmviz.kernel.hmm.range import AddressSpace, HeldHmm, HeldRange, HmmRange, PoisonedHmm

from .acting import act, steps

VA = "0x1000"


class Counted(World):
    mm: AddressSpace = field(default_factory=AddressSpace)


class Ranged(World):
    hmm: CountingHmm = field(default_factory=CountingHmm)
    flagged: FlaggedHmm = field(default_factory=FlaggedHmm)
    range: HmmRange = field(default_factory=HmmRange)


class Held(World):
    hmm: HeldHmm = field(default_factory=HeldHmm)
    range: HeldRange = field(default_factory=HeldRange)
    poison: PoisonedHmm = field(default_factory=PoisonedHmm)


class Mirrors(World):
    hmm: MirroredHmm = field(default_factory=MirroredHmm)
    mirror: HmmMirror = field(default_factory=HmmMirror)
    poison: MirroredHmm = field(default_factory=lambda: MirroredHmm(mirrors_sem=PoisonedSem()))

    def __post_init__(self):
        self.mirror.hmm, self.mirror.listed = self.hmm, True


# -- the counts of an mm --


def test_users_and_references_are_counted_separately():
    run = act(Counted, "A*3", A=steps("mm.mmgrab", "mm.mmput", "mm.mmdrop"))

    assert run.frames[2].answer is True  # the last user
    assert (run.tip.world.mm.mm_users, run.tip.world.mm.mm_count) == (0, 1)
    assert not run.tip.world.mm.freed


def test_the_last_put_frees_the_struct_and_the_next_use_is_reported():
    run = act(Counted, "A*2", A=steps("mm.mmdrop", "mm.mmget_not_zero"))

    assert run.frames[1].world.mm.freed
    assert run.tip.violated == ("use_after_free",)


def test_mmget_not_zero_refuses_after_the_last_user():
    run = act(Counted, "A*2", A=steps("mm.mmput", "mm.mmget_not_zero"))
    assert run.tip.answer is False

    assert act(Counted, "A*2", A=steps("mm.mmput", "mm.mmget")).violated == (
        "refcount_resurrected",
    )
    assert act(Counted, "A*2", A=steps("mm.mmput", "mm.mmput")).violated == ("refcount_underflow",)


def test_an_exit_frees_the_mappings_and_leaves_the_struct():
    run = act(Counted, "A*2", A=steps("mm.exit_mmap", "mm.find_vma"))

    assert run.tip.violated == ("use_after_free",)
    assert not run.tip.world.mm.freed


# -- ranges --


async def register(k):
    await k.hmm.hmm_range_register(k.range)


async def register_flagged(k):
    await k.flagged.hmm_range_register(k.range)


def test_a_range_is_valid_when_it_is_listed_unless_an_invalidation_is_counted():
    begin = steps("hmm.hmm_invalidate_range_start")

    assert act(Ranged, "R", R=register).tip.world.range.valid
    assert not act(Ranged, "B R", B=begin, R=register).tip.world.range.valid
    assert act(Ranged, "B R", B=begin, R=register_flagged).tip.world.range.valid


def test_the_last_end_makes_every_listed_range_valid_again():
    both = steps("hmm.hmm_invalidate_range_start", "hmm.hmm_invalidate_range_end")

    assert not act(Ranged, "R A", R=register, A=both).tip.world.range.valid
    assert not act(Ranged, "R A B A", R=register, A=both, B=both).tip.world.range.valid
    assert act(Ranged, "R A B A B", R=register, A=both, B=both).tip.world.range.valid


def test_a_waiter_for_a_range_is_blocked_until_it_is_valid():
    async def wait(k):
        await k.hmm.hmm_range_wait_until_valid(k.range)

    begin = steps("hmm.hmm_invalidate_range_start", "hmm.hmm_invalidate_range_end")
    run = act(Ranged, "B R", B=begin, R=register, W=wait)

    assert "W" in run.blocked()
    run.step("B")
    assert "W" in run.enabled()


def test_after_a_release_no_listed_range_is_valid():
    run = act(Ranged, "R A", R=register, A=steps("hmm.hmm_release"))

    assert run.tip.world.hmm.dead
    assert not run.tip.world.range.valid


@pytest.mark.parametrize("uses", ["look", "unregister"])
def test_following_a_poisoned_range_stops_the_machine(uses):
    async def late(k):
        await k.range.set_hmm(k.poison)
        hmm = await k.range.read_hmm()
        await (hmm.read_dead() if uses == "look" else hmm.hmm_range_unregister(k.range))

    assert act(Held, "A*3", A=late).violated == ("follows_poisoned_pointer",)


# -- mirrors --


def test_the_semaphore_is_freed_with_its_struct_hmm():
    run = act(Mirrors, "A*2", A=steps("hmm.kfree", "hmm.mirrors_sem.down_write"))

    assert run.violated == ("use_after_free",)


def test_a_second_list_del_of_a_mirror_is_reported():
    twice = act(Mirrors, "A*2", A=steps("mirror.list_del", "mirror.list_del"))
    assert twice.violated == ("follows_poisoned_pointer",)

    assert not act(Mirrors, "A*2", A=steps("mirror.list_del_init", "mirror.list_del_init")).violated


def test_only_one_xchg_returns_the_pointer():
    run = act(Mirrors, "A B", A=steps("mirror.xchg_hmm"), B=steps("mirror.xchg_hmm"))

    assert [frame.answer is None for frame in run.frames[1:]] == [False, True]


def test_following_a_poisoned_mirror_stops_the_machine():
    async def again(k):
        await k.mirror.set_hmm(k.poison)
        hmm = await k.mirror.read_hmm()
        await hmm.mirrors_sem.down_write()

    assert act(Mirrors, "A*3", A=again).violated == ("follows_poisoned_pointer",)
