"""The view of notifiers: for every case that has some, and word for word on known runs."""

from mmviz.engine import World, field, parse_schedule
from mmviz.kernel.interval_notifier import IntervalSubscriptions, MmuIntervalNotifier
from mmviz.kernel.locks import SpinLock
from mmviz.scene.check import problems
from mmviz.scene.notifier import notifier
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.theme import CLEAR
from tests.scene.played import rehearsed, shown
from tests.scene.toys import case_of

ADDRESS = "Address space (0x1000)"
LONG = 1_000


def staged(scenario, name, schedule):
    """Return the view of a case, and a run of one of its schedules, by name or written out."""
    rehearsal = rehearsed(scenario, name)
    written = rehearsal.case.schedules.get(schedule, schedule)
    return notifier(rehearsal), rehearsal.run(parse_schedule(rehearsal.case, written))


def told(view, run, k, start):
    """Return the lines of the text twin that begin with some words."""
    return [line for line in view.text(run, k).splitlines() if line.startswith(start)]


def shape(scene):
    """Return what must not change from frame to frame: the sheet, and every mark's place."""
    places = [(type(m), m.x, m.y) for m in (*scene.boxes, *scene.texts)]
    return scene.width, scene.height, places, [line.points for line in scene.lines]


def test_the_text_says_what_the_picture_says(played):
    for _, scene, words in played.frames("notifier"):
        for text in scene.texts:
            if text.live and text.text.count(" ") > 1 and text.text[0] != "⋮":
                assert "…" in text.text or text.text in words


def test_most_races_about_notifiers_have_the_view_and_others_do_not():
    with_view = [
        shown("notifier", *each)[0] is not None
        for each in (
            ("invalidate_page/sequence_and_counter", "SequenceAndCounter"),
            ("exclusive/owner_filter", "UnmapOwn"),
            ("sva/release_runs_twice", "PutsEachTime"),
            ("exclusive/entry_ledger",),
            ("iommu_group/release_order",),
        )
    ]

    assert with_view == [True, True, True, False, False]


def test_a_window_opens_with_range_start_and_closes_with_range_end():
    view, run = staged(
        "invalidate_page/sequence_and_counter", "SequenceAndCounter", "it has come and gone"
    )
    starts = [f.index for f in run.frames if "mmu_notifier_invalidate_range_start" in f.label]
    ends = [f.index for f in run.frames if "mmu_notifier_invalidate_range_end" in f.label]
    is_open = [bool(view.accounts.account(frame).windows) for frame in run.frames]

    assert (starts, ends) == ([3], [12])
    assert [k for k, each in enumerate(is_open) if each] == list(range(3, 12))
    assert told(view, run, 5, ADDRESS) == [f"{ADDRESS}: invalidated by CPU0 since step 3"]
    assert told(view, run, 12, ADDRESS) == [f"{ADDRESS}: no invalidation is open"]


def test_two_windows_that_overlap_are_told_apart():
    view, run = staged(
        "invalidate_page/one_number_alone", "OddWhileBusyTwoInvalidators", "even while both run"
    )

    assert told(view, run, 10, ADDRESS) == [
        f"{ADDRESS}: invalidated by CPU0 since step 1, CPU1 since step 6"
    ]
    assert told(view, run, 22, ADDRESS) == [f"{ADDRESS}: invalidated by CPU1 since step 6"]


def test_a_sample_is_stale_from_the_step_that_begins_an_invalidation():
    view, run = staged(
        "invalidate_page/sequence_and_counter", "SequenceAndCounter", "it has come and gone"
    )
    lane = "Sample, fresh or stale: GPU of notifier: "

    assert told(view, run, 2, lane) == [f"{lane}sampled mmu_invalidate_seq 0 in step 1, fresh"]
    assert told(view, run, 3, lane) == [
        f"{lane}sampled mmu_invalidate_seq 0 in step 1, stale since step 3 (CPU0's invalidation); "
        "mmu_invalidate_seq still is 0"
    ]
    assert told(view, run, 16, lane)[0].endswith("found out in step 16: tries again")
    assert told(view, run, 19, lane) == [f"{lane}sampled mmu_invalidate_seq 1 in step 19, fresh"]


def test_a_number_that_looks_fresh_inside_an_invalidation_is_called_stale():
    view, run = staged(
        "invalidate_page/one_number_alone", "OddWhileBusyTwoInvalidators", "even while both run"
    )
    words = told(view, run, 14, "Sample")[0]
    passed = [text for text in view.scene(run, 14).texts if text.text == "pass"]

    assert "✗ sampled sequence 2 in step 11, stale at once" in words
    assert "CPU0's invalidation is open since step 1; passed in step 14 all the same" in words
    assert [text.role for text in passed] == ["bad"]


def test_an_answer_that_no_lock_guards_gets_old():
    view, run = staged(
        "invalidate_page/sequence_and_counter", "CheckOutsideLock", "the answer gets old"
    )

    assert told(view, run, 3, "Sample")[0].endswith("passed in step 3, under no lock")
    assert told(view, run, 4, "Sample")[0].endswith(
        "under no lock; CPU0's invalidation of step 4 came after that"
    )


def test_a_driver_without_a_sequence_remembers_nothing():
    view, run = staged(
        "invalidate_page/sequence_and_counter", "CounterOnly", "it has come and gone"
    )

    assert "remembers nothing from before; passed in step 15" in told(view, run, 15, "Sample")[0]


def test_a_grace_period_waits_for_the_readers_it_found():
    view, run = staged("hmm/ranges_on_stack", "LocklessGracePeriod", "CPU0*3 CPU1 CPU0 CPU1*2 CPU0")

    assert told(view, run, 5, "Grace period") == [
        "Grace period: CPU0: pending since step 5: waits for CPU1 (reader since step 4)"
    ]
    assert told(view, run, 5, "Reader of RCU") == [
        "Reader of RCU: CPU1 in rcu: inside since step 4: must not sleep"
    ]
    assert told(view, run, 7, "Grace period")[0].endswith("waits for no reader, may end")
    assert told(view, run, 8, "Grace period")[0].endswith("was from step 5 to step 8")


def test_a_callback_under_a_spinlock_must_not_sleep_and_others_may():
    view, run = staged("invalidate_page/told_under_ptl", "SequenceWithUnmap", "CPU0*4")
    words = [told(view, run, k, "Inside a callback") for k in range(5)]

    assert any("must not sleep: in cpu.ptl (step 2)" in line for line in words[3])
    view, run = staged(
        "invalidate_page/sequence_and_counter", "SequenceAndCounter", "it has come and gone"
    )
    assert "invalidate_range_start() since step 3; may sleep" in view.text(run, 4)


def test_a_long_run_is_shown_in_pages_that_say_what_they_leave_out():
    rehearsal = rehearsed("exclusive/retry_loop", "EndlessTouching")
    view, lasso = notifier(rehearsal), rehearsal.report.livelock
    turns = LONG // len(lasso.cycle) + 1
    run = rehearsal.run((*lasso.prefix, *lasso.cycle * turns))
    last = len(run.schedule)
    scenes = [view.scene(run, k) for k in (0, last // 2, last)]

    assert last >= LONG
    assert len({shape(scene)[:2] for scene in scenes}) == 1
    assert all(problems(scene) == [] for scene in scenes)
    assert not any("earlier" in text.text for text in scenes[0].texts)
    for scene in scenes[1:]:
        first = next(int(t.text) for t in scene.texts if t.text.isdigit() and t.y == _axis(scene))
        assert f"⋮ {first - 1} earlier steps" in [text.text for text in scene.texts]


def _axis(scene):
    """Return where the numbers of the steps stand."""
    return next(text.y for text in scene.texts if text.text == "Step")


class Inner(MmuIntervalNotifier):
    """A driver of nobody's: it tells its readers under a spinlock."""

    lock: SpinLock = field(default_factory=SpinLock)

    async def invalidate(self, event: str, owner: str) -> None:
        await self.lock.spin_lock()
        await self.mmu_interval_set_seq()
        await self.lock.spin_unlock()


class Unseen(World):
    """A world that is in no scenario."""

    inner: Inner = field(default_factory=Inner)
    subs: IntervalSubscriptions = field(default_factory=IntervalSubscriptions)

    def __post_init__(self) -> None:
        self.subs.intervals = (self.inner,)


async def unmap(k: Unseen) -> None:
    await k.subs.invalidate_range_start("MMU_NOTIFY_CLEAR")
    await k.subs.mmu_notifier_invalidate_range_end()


async def lookup(k: Unseen) -> None:
    await k.inner.mmu_interval_read_begin()
    await k.inner.mmu_interval_read_retry()


def test_a_scenario_nobody_has_seen_gets_the_view_from_the_kernels_pieces():
    rehearsal = Rehearsal(case_of(Unseen, CPU=unmap, DEV=lookup))
    view = notifier(rehearsal)
    run = rehearsal.run(("DEV", *["CPU"] * 3, "DEV"))
    sample = "Sample, fresh or stale: DEV of inner: read section begun in step 1"

    assert told(view, run, 2, sample) == [
        f"{sample}, stale since step 2 (CPU's invalidation); no callback has noted it"
    ]
    assert told(view, run, 4, sample) == [f"{sample}, stale since step 2 (CPU's invalidation)"]
    assert told(view, run, 3, "Inside") == [
        "Inside a callback: CPU invalidate(): "
        "invalidate() since step 2; must not sleep: in inner.lock (step 3)"
    ]
    assert told(view, run, 5, sample)[0].endswith("found out in step 5: tries again")
    assert [t for t in view.scene(run, 5).texts if t.text == "retry" and t.role != CLEAR]
