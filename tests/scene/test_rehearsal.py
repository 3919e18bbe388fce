from mmviz.scenarios import find
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.words import promises
from tests.scene.toys import STORY


def test_what_breaks_comes_first_in_the_order_of_the_case_then_named_runs_then_a_good_one():
    case = find("invalidate_page/range_start_only", "RangeStartOnly")
    names = list(Rehearsal(case).runs())
    broken = [name.partition(":")[0].replace(" ", "_") for name in names if ":" in name]

    assert list(dict.fromkeys(broken)) == [p for p in case.properties if p in broken]
    assert names[-1] == "a run that goes well"


def test_a_run_that_goes_well_ends_and_breaks_nothing(rehearsal):
    run = rehearsal.run(rehearsal.runs()["a run that goes well"])

    assert (run.finished, run.violated) == (True, ())


def test_where_nothing_breaks_the_good_run_comes_first():
    case = find("iommu_group/release_order", "ReleaseUnderMutex")

    assert next(iter(Rehearsal(case).runs())) == "a run that goes well"


def test_a_deadlock_is_a_run_of_its_own():
    case = find("iommu_group/release_order", "ReleaseTakesMutex")

    assert next(iter(Rehearsal(case).runs())) == "stuck: nobody can move"


def test_a_livelock_is_a_run_that_comes_round():
    case = find("exclusive/retry_loop", "EndlessTouching")
    rehearsal = Rehearsal(case)
    loop = rehearsal.report.livelock
    run = rehearsal.run(rehearsal.runs()["livelock: once round, and on for ever"])
    before, after = (run.frames[k].values for k in (len(loop.prefix), len(run.schedule)))

    assert dict(before) == dict(after)
    assert promises(case, run.frames)[0].broken == -1
    assert promises(case, run.frames, loop)[0].failure.startswith(
        f"Livelock: after step {len(run.schedule)} all is as it was after step {len(loop.prefix)},"
    )


def test_the_stage_has_room_for_every_value_any_run_may_show(rehearsal):
    for frame in rehearsal.run(STORY).frames:
        for path, value in frame.values.items():
            known = [str(one) for one in rehearsal.reach.values[path]]
            assert str(value) in known
