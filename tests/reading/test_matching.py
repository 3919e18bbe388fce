"""What a case says of a diagram: that it can happen and what breaks, or why it cannot."""

import random
import time
from pathlib import Path

import pytest

import mmviz
from mmviz.cli import main
from mmviz.engine import MmvizError, Run, UnknownName, replay
from mmviz.reading.diagram import Diagram, Step
from mmviz.reading.matching import match
from mmviz.scenarios import every_case
from mmviz.writing.diagram import titled

MAILED = (Path(__file__).parent / "diagrams" / "seed004.txt").read_text("utf-8")
ORDER = "iommu_group/release_order"
FREED = "device_attached_to_freed_domain"


def judged(case):
    return mmviz.diagram(MAILED, f"{ORDER}:{case}").match


def test_the_mailed_diagram_is_feasible_as_proposed():
    found = judged("DelistThenRelease")

    assert (found.verdict, found.line) == ("feasible", None)
    assert found.violated == (FREED,)
    run = replay(found.case, found.schedule)
    assert run.violated == (FREED,)
    assert [run.frames[k].actor for k in found.at if k] == ["CPU0", "CPU0", *["CPU1"] * 3, "CPU0"]
    assert [each.step for each in found.unmatched] == [3]  # the model takes the group from VFIO


@pytest.mark.parametrize(
    ("case", "line", "step"),
    [
        ("ReleaseUnderMutex", 6, "iommu_release_device(b)"),
        ("AsMailedUnderMutex", 4, "iommu_device_use_default_domain(b)"),
    ],
)
def test_it_is_infeasible_as_merged_where_the_mutex_is_held(case, line, step):
    found = judged(case)

    assert (found.verdict, found.line) == ("infeasible", line)
    assert step in found.reason
    assert "mutex_lock(group.mutex) waits: held by CPU0" in found.reason
    assert replay(found.case, found.schedule).blocked()["CPU1"]


def test_the_catalogue_recognises_it():
    found = mmviz.diagram(MAILED).match

    assert (found.case.scenario, found.verdict) == (ORDER, "feasible")
    assert found.unmatched == ()


def test_other_functions_are_claimed_by_no_case():
    found = mmviz.diagram("CPU0: frob_it()\nCPU1: unfrob_it()\nCPU0: mutex_lock(&a)\n")

    assert found.match is None
    assert "nothing is claimed" in str(found)
    assert found.json()["race"] is None


def test_what_is_near_is_named():
    found = mmviz.diagram(MAILED.replace("iommu_domain_free", "iommu_domain_fre"), ORDER).match
    (missing,) = found.unmatched

    assert missing.near == ("iommu_domain_free",)


def test_a_harmless_order_is_said_to_be():
    text = "CPU0: iommu_release_device(a)\nCPU0: iommu_group_put(g)\nCPU1: iommu_domain_free(v)"

    found = mmviz.diagram(text, f"{ORDER}:DelistThenRelease").match

    assert found.verdict == "harmless"
    assert not replay(found.case, found.schedule).violated


def drawn(case, seed):
    """Return a run of a case as a diagram that leaves out some steps, and the run."""
    rnd, run, names = random.Random(seed), Run(case), list(case.actors)
    while len(run.schedule) < 20 and run.enabled():
        run.step(rnd.choice(run.enabled()))
    shown: dict[tuple[str, str], bool] = {}  # what is drawn once is drawn each time
    steps = []
    for f in run.frames[1:]:
        function = f.label.partition("(")[0]
        if shown.setdefault((f.actor, function), rnd.random() < 0.6):
            steps.append(Step(names.index(f.actor) + 1, f.label, function, [], [f.index], 0))
    return Diagram(names, [], steps), run


def test_what_happened_is_feasible():
    for seed, case in enumerate(random.Random(5).sample(list(every_case()), 30)):
        diagram, run = drawn(case, seed)
        if not diagram.steps:
            continue
        found = match(diagram, case)

        assert found.verdict in {"feasible", "harmless"}, (case.id, run.schedule)
        assert found.unmatched == ()
        names = [found.actors[step.column - 1] for step in diagram.steps]
        frames = replay(case, found.schedule).frames
        assert list(found.at) == sorted(found.at)
        for step, name, k in zip(diagram.steps, names, found.at, strict=True):
            inside = [line.function for line in frames[k].before.next[name].lines]
            assert frames[k].actor == name
            assert step.function in [*inside, frames[k].label.partition("(")[0]]
        last = max(step.rows[0] for step in diagram.steps)
        moved = {frame.actor for frame in run.frames[1 : last + 1]}
        if moved <= set(names) and any(frame.violated for frame in run.frames[: last + 1]):
            assert found.verdict == "feasible"  # what did break something is not harmless


@pytest.mark.parametrize("wrong", [5, None, b"CPU0", ["CPU0"]])
def test_a_diagram_is_text(wrong):
    with pytest.raises(MmvizError, match="a diagram is text, not"):
        mmviz.diagram(wrong)


def test_a_race_that_is_not_there_is_an_error():
    with pytest.raises(UnknownName, match="did you mean"):
        mmviz.diagram(MAILED, "iommu_group/release_ordr")


def test_a_wait_without_end_is_what_the_diagram_says():
    text = (
        "CPU0                          CPU1\n----                          ----\n"
        "                              hmm_range_valid(range)\n"
        "hmm_invalidate_range_end(r)\nwake_up_all(&hmm->wq)\n"
        "                              prepare_to_wait(&hmm->wq)\n"
        "                              schedule()\n"
    )
    found = mmviz.diagram(text, "hmm/look_then_sleep:LookThenSleep").match

    assert (found.verdict, found.violated) == ("feasible", ("deadlock",))


def test_what_a_column_draws_later_is_not_filled_in_before():
    text = (
        "CPU0                     CPU1\n----                     ----\n"
        "mutex_lock(&g->mutex)\nlist_del(a)\n"
        "                         iommu_detach_group(d)\n"
        "                         iommu_domain_free(d)\n"
        "release_device(a)\nmutex_unlock(&g->mutex)\n"
    )
    found = mmviz.diagram(text, f"{ORDER}:DelistThenRelease").match

    assert (found.verdict, found.line) == ("infeasible", 5)


@pytest.mark.parametrize(
    "text",
    [
        "CPU0: mutex_lock(&m)\nCPU1: kfree(obj)\nCPU1: mutex_unlock(&m)\nCPU0: obj_touch(obj)\n",
        "CPU0: lock(A)\nCPU1: lock(B)\nCPU0: lock(B)\nCPU1: lock(A)\n",
        "T1: rcu_read_lock()\nT2: synchronize_rcu()\nT2: kfree(p)\nT1: rcu_read_unlock()\n",
    ],
)
def test_what_any_diagram_may_hold_is_no_sign_of_a_race(text):
    assert mmviz.diagram(text).match is None


def test_the_last_line_of_an_export_names_the_case():
    run = replay(mmviz.find("teardown/reset_times_out", "WaiterFrees"), "CPU0*2 kworker")
    found = mmviz.diagram(titled(run))

    assert found.match.case is run.case
    assert found.match.schedule == run.schedule
    assert found.rows[-1].kind == "prose"


SWAPPED_IN = """\
CPU0                                 CPU1
----                                 ----
do_swap_page()
  swap_read_folio(folio, entry)
                                     do_swap_page()
                                       swap_read_folio(folio, entry)
  swap_free(entry)
  set_pte_at()
                                       pte_same() passes
                                       set_pte_at()
"""


@pytest.mark.parametrize("names", ["CPU0 CPU1", "CPU1 CPU0", "T1   T2  "])
def test_an_order_is_harmless_only_if_it_is_so_whichever_actors_the_columns_are(names):
    one, other = names.split()
    text = SWAPPED_IN.replace("CPU1", "#").replace("CPU0", f"{one:4}").replace("#", other)
    found = mmviz.diagram(text)

    assert (found.match.verdict, found.match.violated) == ("feasible", ("write_lost",))
    assert replay(found.case, found.schedule).violated == ("write_lost",)
    assert "with its columns the other way round it breaks nothing" in found.match.reason
    assert ("CPU0 is CPU1, CPU1 is CPU0" in str(found)) == (one == "CPU0")


def test_what_may_break_something_with_other_steps_between_is_feasible():
    found = mmviz.diagram(SWAPPED_IN).match

    assert "with other steps between its rows it breaks nothing" in found.reason


def test_the_columns_of_an_export_are_the_actors_that_they_name():
    run = replay(mmviz.find("swap/skip_swapcache", "SkipSwapcache"), "CPU0*5 CPU1*3 CPU0*3 kswapd")
    found = mmviz.diagram(titled(run)).match

    assert (found.actors, found.schedule) == (("CPU0", "CPU1", "kswapd"), run.schedule)


ATTACH = """\
CPU0                                    CPU1
iommu_release_device(dev)
  iommu_group_remove_device(dev)
    mutex_lock(&group->mutex)
    list_del(&device->list)
    mutex_unlock(&group->mutex)
                                        iommu_attach_group(domain, group)
                                          mutex_lock(&group->mutex)
                                          __iommu_attach_group()
                                          mutex_unlock(&group->mutex)
  ops->release_device(dev)
"""


def test_a_column_of_which_the_case_has_only_the_locks_is_not_its_code():
    found = mmviz.diagram(ATTACH).match

    assert found.verdict == "unknown"
    assert found.reason == "it fits only in part: lines 7 and 9 are not its code"
    assert not found.violated


def test_no_order_is_harmless_of_which_a_row_is_missing():
    text = (
        "CPU0                                     CPU1\n"
        "iommu_group_get(dev)\n"
        "                                         iommu_group_remove_device(dev)\n"
        "                                         iommu_group_put(group)\n"
        "iommu_attach_device(domain, dev)\n"
    )
    found = mmviz.diagram(text).match

    assert (found.verdict, found.line) == ("unknown", None)
    assert "fits only in part: line 5 is not its code" in found.reason


def test_a_feasible_order_says_which_rows_are_missing():
    assert "line 4 is not its code" in judged("DelistThenRelease").reason


@pytest.mark.parametrize("last", ["ops->release_device", "release_device", "release_device()"])
def test_a_function_is_named_by_a_name_alone(last):
    text = (
        "CPU0                                  CPU1\n"
        "iommu_release_device\n"
        "  iommu_group_remove_device\n"
        "                                      iommu_detach_group\n"
        "                                      iommu_domain_free\n"
        f"  {last}\n"
    )
    found = mmviz.diagram(text).match
    fixed = mmviz.diagram(text, f"{ORDER}:ReleaseUnderMutex").match

    assert (found.verdict, found.unmatched, found.violated) == ("feasible", (), (FREED,))
    assert (fixed.verdict, fixed.line) == ("infeasible", 4)


def test_what_samples_the_sequence_later_says_nothing_of_a_sample_before():
    text = (
        "vCPU                                  munmap\n"
        "----                                  ------\n"
        "mmu_seq = mmu_notifier_seq\n"
        "hva_to_pfn()\n"
        "                                      invalidate_range_start()\n"
        "                                      unmap()\n"
        "                                      invalidate_range_end()\n"
        "mmu_notifier_retry()\n"
        "map()\n"
    )
    found = mmviz.diagram(text).match

    assert found.verdict == "unknown"
    assert "lines 3 and 4 are not its code" in found.reason


AGAIN = """\
CPU0                                 CPU1
----                                 ----
do_swap_page()
  swap_read_folio(folio, entry)      do_swap_page()
                                       swap_read_folio(folio, entry)
  set_pte_at()
  swap_free(entry)
  set_pte(swap entry)
                                       pte_same() passes
                                       set_pte_at()
"""


def test_the_line_to_blame_is_the_first_after_which_there_is_no_run():
    found = mmviz.diagram(AGAIN).match
    before = "".join(AGAIN.splitlines(keepends=True)[: found.line - 1])

    assert (found.verdict, found.line) == ("infeasible", 10)
    assert "even with lines 6 and 7, both under mm.ptl, in the order of the code" in found.reason
    assert mmviz.diagram(before, f"{found.case.scenario}:{found.case.name}").match.verdict in {
        "feasible",
        "harmless",
    }


@pytest.mark.parametrize("race", [None, "hmm/flag_is_no_sequence"])
def test_a_few_functions_of_many_races_take_no_second(race):
    text = (
        "Thread A                          | Thread B\n"
        "hmm_range_fault()                 |\n"
        "                                  | mmu_interval_notifier invalidate()\n"
        "                                  |   mmu_interval_set_seq()\n"
        "mmu_interval_read_retry()         |\n"
        "program device page table         |\n"
    )
    mmviz.diagram(SWAPPED_IN)  # what is imported once is not counted
    start = time.process_time()
    found = mmviz.diagram(text, race)

    assert time.process_time() - start < 1.5
    assert found.match.verdict == "unknown"


def test_who_goes_on_although_its_lock_is_held_is_asked_about():
    text = (
        "CPU0                  CPU1\n"
        "mutex_lock(&f->m)\n"
        "                      mutex_lock(&f->m)\n"
        "{}"
        "                      frob(f)\n"
        "mutex_unlock(&f->m)\n"
    )
    said = "Line 3 takes f->m, which CPU0 holds since line 2, and goes on at line 4"

    assert said in str(mmviz.diagram(text.format("")))
    assert "goes on" not in str(mmviz.diagram(text.format("mutex_unlock(&f->m)\n")))


def test_a_refused_diagram_has_no_skeleton(tmp_path, capsys):
    file = tmp_path / "blank.txt"
    file.write_text(" \n")

    assert main(["diagram", str(file), "--skeleton"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no skeleton of a diagram that cannot be read" in err
