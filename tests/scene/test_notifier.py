"""The view of notifiers: on every case that has it, and word for word on known runs."""

import pytest

from mmviz.engine import World, field, parse_schedule
from mmviz.kernel.notifier.interval import IntervalSubscriptions, MmuIntervalNotifier
from mmviz.kernel.sync.locks import SpinLock
from mmviz.scene.check import problems
from mmviz.scene.layout import PANE
from mmviz.scene.notifier import notifier
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR
from tests.scene.played import of_each_case, searched_case, shown
from tests.scene.toys import case_of

ADDRESS = "Address space (0x1000)"
LONG = 1_000


def view_and_run(scenario, name, schedule):
    """Return the view of a case, and a run of one of its schedules, by name or written out."""
    searched = searched_case(scenario, name)
    written = searched.case.schedules.get(schedule, schedule)
    return notifier(searched), searched.run(parse_schedule(searched.case, written))


def lines(view, run, k, start):
    """Return the lines of the text that begin with `start`."""
    return [line for line in view.text(run, k).splitlines() if line.startswith(start)]


def shape(scene):
    """Return what every frame shares: the size of the sheet, and the places of the marks."""
    places = [(type(m), m.x, m.y) for m in (*scene.boxes, *scene.texts)]
    return scene.width, scene.height, places, [line.points for line in scene.lines]


@of_each_case
def test_the_text_has_the_sentences_of_the_picture(played):
    for _, scene, words in played.frames("notifier"):
        for text in scene.texts:
            if text.live and text.text.count(" ") > 1 and text.text[0] != "…":
                assert "…" in text.text or text.text in words


@of_each_case
def test_the_names_the_steps_and_the_sentences_are_in_the_pane_at_once(played):
    for _, scene, _ in played.frames("notifier"):
        assert scene.width <= PANE
        assert [t.text for t in scene.texts if t.text.startswith("✗") and "…" in t.text] == []


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
    view, run = view_and_run(
        "invalidate_page/sequence_and_counter", "SequenceAndCounter", "it has come and gone"
    )
    starts = [f.index for f in run.frames if "mmu_notifier_invalidate_range_start" in f.label]
    ends = [f.index for f in run.frames if "mmu_notifier_invalidate_range_end" in f.label]
    is_open = [bool(view.accounts.account(frame).windows) for frame in run.frames]

    assert (starts, ends) == ([3], [12])
    assert [k for k, each in enumerate(is_open) if each] == list(range(3, 12))
    assert lines(view, run, 5, ADDRESS) == [f"{ADDRESS}: invalidated by CPU0 since step 3"]
    assert lines(view, run, 12, ADDRESS) == [f"{ADDRESS}: no invalidation is open"]


def test_overlapping_windows_are_listed_apart():
    view, run = view_and_run(
        "invalidate_page/one_number_alone", "OddWhileBusyTwoInvalidators", "even while both run"
    )

    assert lines(view, run, 10, ADDRESS) == [
        f"{ADDRESS}: invalidated by CPU0 since step 1, CPU1 since step 6"
    ]
    assert lines(view, run, 22, ADDRESS) == [f"{ADDRESS}: invalidated by CPU1 since step 6"]


def test_a_sample_is_stale_from_the_step_that_begins_an_invalidation():
    view, run = view_and_run(
        "invalidate_page/sequence_and_counter", "SequenceAndCounter", "it has come and gone"
    )
    lane = "Sample, fresh or stale: GPU of notifier: "

    assert lines(view, run, 2, lane) == [f"{lane}sampled mmu_invalidate_seq 0 in step 1, fresh"]
    assert lines(view, run, 3, lane) == [
        f"{lane}sampled mmu_invalidate_seq 0 in step 1, stale since step 3 (CPU0's invalidation); "
        "mmu_invalidate_seq is still 0"
    ]
    assert lines(view, run, 16, lane)[0].endswith("detected in step 16: retry")
    assert lines(view, run, 19, lane) == [f"{lane}sampled mmu_invalidate_seq 1 in step 19, fresh"]


def test_a_sample_taken_during_an_invalidation_is_stale():
    view, run = view_and_run(
        "invalidate_page/one_number_alone", "OddWhileBusyTwoInvalidators", "even while both run"
    )
    words = lines(view, run, 14, "Sample")[0]
    passed = [text for text in view.scene(run, 14).texts if text.text == "pass"]

    assert "✗ sampled sequence 2 in step 11, stale at once" in words
    assert "(CPU0's invalidation open since step 1); the check in step 14 passed anyway" in words
    assert [text.role for text in passed] == ["bad"]


def test_the_result_of_a_check_without_a_lock_becomes_stale():
    view, run = view_and_run(
        "invalidate_page/sequence_and_counter", "CheckOutsideLock", "the answer gets old"
    )

    assert lines(view, run, 3, "Sample")[0].endswith("the check in step 3 passed, without a lock")
    assert lines(view, run, 4, "Sample")[0].endswith(
        "without a lock; CPU0's invalidation in step 4 came later"
    )


def test_a_driver_without_a_sequence_has_no_sample():
    view, run = view_and_run(
        "invalidate_page/sequence_and_counter", "CounterOnly", "it has come and gone"
    )

    assert "no earlier sample; the check in step 15 passed" in lines(view, run, 15, "Sample")[0]


def test_a_grace_period_blocked_by_the_readers_it_found():
    view, run = view_and_run(
        "hmm/ranges_on_stack", "LocklessGracePeriod", "CPU0*3 CPU1 CPU0 CPU1*2 CPU0"
    )

    assert lines(view, run, 5, "Grace period") == [
        "Grace period: CPU0: pending since step 5: waits for CPU1 (reader since step 4)"
    ]
    assert lines(view, run, 5, "Reader of RCU") == [
        "Reader of RCU: CPU1 in rcu: inside since step 4: must not sleep"
    ]
    assert lines(view, run, 7, "Grace period")[0].endswith("its readers have left, so it can end")
    assert lines(view, run, 8, "Grace period")[0].endswith("lasted from step 5 to step 8")


def test_a_callback_under_a_spinlock_must_not_sleep_and_others_may():
    view, run = view_and_run("invalidate_page/told_under_ptl", "SequenceWithUnmap", "CPU0*4")
    words = [lines(view, run, k, "Inside a callback") for k in range(5)]

    assert not any(words[:4])  # its first step in the callback is the fourth
    assert any("must not sleep: in cpu.ptl (step 2)" in line for line in words[4])
    view, run = view_and_run(
        "invalidate_page/sequence_and_counter", "SequenceAndCounter", "it has come and gone"
    )
    assert "invalidate_range_start() since step 4; may sleep" in view.text(run, 4)
    assert "invalidate_range_start()" not in view.text(run, 3)


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        ("invalidate_page/reaper_must_not_wait", "TryingCallback"),
        ("invalidate_page/range_end_unpaired", ""),
        ("hmm/eagain_leaves_count", "CountLeftBehind"),
        ("invalidate_page/told_under_ptl", ""),
    ],
)
def test_an_actor_is_inside_a_callback_from_its_first_step_in_it_to_its_last(scenario, name):
    searched = searched_case(scenario, name)
    view, seen = notifier(searched), set()
    for schedule in searched.runs().values():
        run = searched.run(schedule)
        for k, frame in enumerate(run.frames):
            for actor, (function, since) in view.accounts.account(frame).inside.items():
                first = run.frames[since]
                assert first.actor == actor
                assert 0 < since <= k
                assert frame.actor == actor or function in {
                    line.function for line in frame.next[actor].lines
                }
                seen.add(actor)
    assert seen


def test_a_long_run_is_shown_in_pages_that_count_the_others():
    searched = searched_case("exclusive/retry_loop", "EndlessTouching")
    view, lasso = notifier(searched), searched.report.livelock
    turns = LONG // len(lasso.cycle) + 1
    run = searched.run((*lasso.prefix, *lasso.cycle * turns))
    last = len(run.schedule)
    scenes = [view.scene(run, k) for k in (0, last // 2, last)]

    assert last >= LONG
    assert len({shape(scene)[:2] for scene in scenes}) == 1
    assert all(problems(scene) == [] for scene in scenes)
    assert not any("earlier" in text.text for text in scenes[0].texts)
    for scene in scenes[1:]:
        first = next(int(t.text) for t in scene.texts if t.text.isdigit() and t.y == _axis(scene))
        assert f"… {first - 1} earlier steps" in [text.text for text in scene.texts]


def _axis(scene):
    """Return the line of the step numbers."""
    return next(text.y for text in scene.texts if text.text == "Step")


class Inner(MmuIntervalNotifier):
    """A driver in no scenario: it notifies its readers under a spinlock."""

    lock: SpinLock = field(default_factory=SpinLock)

    async def invalidate(self, event: str, owner: str) -> None:
        await self.lock.spin_lock()
        await self.mmu_interval_set_seq()
        await self.lock.spin_unlock()


class Unseen(World):
    """A world in no scenario."""

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


def test_a_new_world_gets_the_view_from_its_kernel_objects():
    searched = SearchedCase(case_of(Unseen, CPU=unmap, DEV=lookup))
    view = notifier(searched)
    run = searched.run(("DEV", *["CPU"] * 3, "DEV"))
    sample = "Sample, fresh or stale: DEV of inner: read section begun in step 1"

    assert lines(view, run, 2, sample) == [
        f"{sample}, stale since step 2 (CPU's invalidation); no callback has recorded it"
    ]
    assert lines(view, run, 4, sample) == [f"{sample}, stale since step 2 (CPU's invalidation)"]
    assert lines(view, run, 3, "Inside") == [
        "Inside a callback: CPU invalidate(): "
        "invalidate() since step 3; must not sleep: in inner.lock (step 3)"
    ]
    assert lines(view, run, 5, sample)[0].endswith("detected in step 5: retry")
    assert [t for t in view.scene(run, 5).texts if t.text == "retry" and t.role != CLEAR]
