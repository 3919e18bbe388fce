from mmviz.scenarios import find
from mmviz.scene.searched import SearchedCase
from mmviz.scene.words import promises
from tests.scene.toys import STORY


def test_counterexamples_come_first_in_the_order_of_the_case_and_safe_runs_last():
    case = find("invalidate_page/range_start_only", "RangeStartOnly")
    names = list(SearchedCase(case).runs())
    labels = [name.partition(":")[0].replace(" ", "_") for name in names]
    failing = [label for label in labels if label in case.bad_states]

    assert list(dict.fromkeys(failing)) == [p for p in case.bad_states if p in failing]
    assert labels[: len(failing)] == failing
    assert names[-1] == "safe run"


def test_a_safe_run_finishes_and_violates_nothing(searched):
    run = searched.run(searched.runs()["safe run"])

    assert (run.finished, run.violated) == (True, ())


def test_in_a_safe_case_a_safe_run_comes_first():
    case = find("iommu_group/release_order", "ReleaseUnderMutex")

    assert next(iter(SearchedCase(case).runs())) == "safe run"


def test_a_deadlock_is_a_run_of_its_own():
    case = find("iommu_group/release_order", "ReleaseTakesMutex")

    assert next(iter(SearchedCase(case).runs())) == "deadlock: no actor can step"


def test_a_livelock_is_a_run_that_returns_to_an_earlier_state():
    case = find("exclusive/retry_loop", "EndlessTouching")
    searched = SearchedCase(case)
    loop = searched.report.livelock
    run = searched.run(searched.runs()["livelock: one round of the loop"])
    before, after = (run.frames[k].values for k in (len(loop.prefix), len(run.schedule)))

    assert dict(before) == dict(after)
    assert promises(case, run.frames)[0].broken == -1
    assert promises(case, run.frames, loop)[0].failure.startswith(
        f"Livelock in steps {len(loop.prefix) + 1} to {len(run.schedule)}. "
    )


def test_the_stage_has_room_for_every_value_any_run_may_show(searched):
    for frame in searched.run(STORY).frames:
        for path, value in frame.values.items():
            known = [str(one) for one in searched.reach.values[path]]
            assert str(value) in known
