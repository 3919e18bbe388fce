"""What students try and what they are told: answers that slipped through, words that misled."""

import json
import textwrap
from collections.abc import Mapping
from typing import Any, Literal

import pytest

import mmviz
from mmviz.lessons.answers import class_of
from mmviz.lessons.arguments import fits, misfit
from mmviz.lessons.exercise import exercise, exercises
from mmviz.lessons.judge import judge, searched
from mmviz.lessons.played import played
from tests.commands import run

GROW = """
await k.kvm.kvcalloc(k.tmp)
await k.mmu_lock.spin_lock()
await k.kvm.memcpy(k.tmp, k.old)
await k.kvm.adjust_back_pointers(k.tmp)
await k.kvm.swap(k.tmp)
await k.mmu_lock.spin_unlock()
await k.kvm.kvfree(k.old)
"""


def text(name, method, body):
    code = textwrap.indent(body.strip("\n"), "        ")
    return (
        f"{exercise(name).code.split('class Mine')[0]}class Mine(mmviz.exercise({name!r}).given):\n"
        f"    async def {method}:\n{code}\n"
    )


def card(name, method, body):
    return judge(class_of(text(name, method, body), exercise(name)))


SLIPPED = {
    "a move without a folio never happens": (
        "swap/check_it",
        "is_still_right(self, k, folio)",
        "return folio is not None and await k.mm.folio_test_swapcache(folio)",
    ),
    "the key is in the cache while it is valid": (
        "mlx5/hold_it_shorter",
        "dereg(self, k)",
        """
await store(k)
await k.mr.umem_mutex.mutex_lock()
await k.mr.mlx5r_umr_revoke_mr()
await k.mr.mark_gone()
await k.mr.umem_mutex.mutex_unlock()
""",
    ),
    "what is returned was not read": ("amd_iommu/two_words", "fetch_pte(self, k)", "return 3, 3"),
    "one word is returned twice": (
        "amd_iommu/two_words",
        "fetch_pte(self, k)",
        "mode = await k.pgtable.read_mode()\nreturn mode, mode",
    ),
    "a callback that may sleep ends under the lock": (
        "invalidate_page/start_before_walk",
        "follow_pte_pmd(self, k)",
        """
await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD])
await k.dax.ptl.spin_lock()
await k.dax.wrprotect()
await k.mirror.mmu_notifier_invalidate_range_end()
await k.dax.ptl.spin_unlock()
""",
    ),
    "the entry is changed without its lock": (
        "invalidate_page/start_before_walk",
        "follow_pte_pmd(self, k)",
        """
await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD])
await k.dax.wrprotect()
await k.mirror.mmu_notifier_invalidate_range_end()
""",
    ),
    "the page is never used": ("kvm/who_is_registered", "may_use(self, k)", "return False"),
    "the cache is changed without its lock": (
        "mlx5/hold_it_shorter",
        "dereg(self, k)",
        """
await k.mr.umem_mutex.mutex_lock()
await k.mr.mlx5r_umr_revoke_mr()
await k.mr.mark_gone()
await k.mr.umem_mutex.mutex_unlock()
await k.cache.push_mkey()
""",
    ),
}


@pytest.mark.parametrize("slipped", SLIPPED)
def test_what_slipped_through_once_is_no_right_answer(slipped):
    found = card(*SLIPPED[slipped])
    assert not found.error
    assert not found.right
    assert found.run is not None


@pytest.mark.parametrize("entry", ["None", "'quiet'", "k.mm"])
def test_a_value_that_a_step_does_not_take_is_refused(entry):
    body = f"await k.smmu.arm_smmu_write_ctx_desc({entry})\nawait flush(k)"
    found = card("sva/quiet_end", "release(self, k)", body)
    assert "and the step takes Pgd or 'not present' or 'not present, faults" in found.error


def test_no_answer_of_the_catalogue_gives_a_step_what_it_does_not_take():
    for name in ("sva/quiet_end", "kvm/grow", "swap/check_it", "vtd/replace"):
        asked = exercise(name)
        for case, variant in asked.known_answers():
            steps = searched(asked.cast(variant, case)).search.model.locations
            found = [
                each.step for known in steps for each in known.values() if each.step is not None
            ]
            assert found
            assert not any(map(misfit, found))


def test_what_fits_a_type():
    assert fits(1, bool)  # C does not tell them apart
    assert fits(None, int | None)
    assert fits("anything", Any)
    assert fits({}, Mapping[str, int])
    assert not fits("1", int)
    assert not fits("c", Literal["a", "b"])
    assert not fits(True, Literal[1])


# -- messages ------------------------------------------------------------------------------


@pytest.mark.parametrize("raises", ["SystemExit(0)", "StopAsyncIteration"])
def test_code_that_raises_ends_neither_the_judge_nor_the_command(raises, capsys, tmp_path):
    found = card("kvm/grow", "grow(self, k)", f"raise {raises}")
    assert f"an actor raised {raises.partition('(')[0]}" in found.error
    assert "array_under_another_lock" not in found.error  # it was not raised there
    mine = tmp_path / "mine.py"
    mine.write_text(text("kvm/grow", "grow(self, k)", f"raise {raises}"))
    assert run(capsys, "judge", str(mine))[0] == 1


def test_a_race_that_exits_is_told_with_its_line(capsys, tmp_path):
    race = tmp_path / "leaves.py"
    race.write_text(
        "from mmviz.engine import Race, World\n\n\nclass Nothing(World):\n    pass\n\n\n"
        "async def leave(k, how):\n    raise SystemExit(0)\n\n\n"
        "race = Race(world=Nothing, actors={'CPU0': leave}, bad=())\n\n\n"
        "@race.case('L', 'leaves')\nclass Leaves:\n    pass\n"
    )
    status, out, err = run(capsys, "check", str(race))
    assert status
    assert "leaves.py line 9" in out + err


def test_a_member_that_is_no_method_has_no_address_in_its_message():
    code = text("kvm/grow", "grow(k)", "pass").replace("    async", "    @staticmethod\n    async")
    error = judge(class_of(code, exercise("kvm/grow"))).error
    assert "Mine.grow is a staticmethod, which is no method" in error


def test_what_matters_looks_at_each_line_of_the_reader_s_own():
    found = card("kvm/grow", "grow(self, k)", GROW)
    assert found.lines.sentence == "each of 7 lines is needed: without it something above fails"
    found = card(
        "collapse/look_again",
        "is_unchanged(self, k, table, page)",
        "return await k.mm.pmdp_get_lockless() is table",
    )
    assert found.right
    assert found.lines.sentence.startswith("the only line that takes a step is needed")


def test_a_lock_that_can_be_left_out_is_left_out_with_its_unlock():
    taken = f"await k.mr.umem_mutex.mutex_lock()\nawait k.mr.umem_mutex.mutex_unlock()\n{REVOKE}"
    found = card("mlx5/hold_it_shorter", "dereg(self, k)", taken)
    assert found.right
    assert "(await k.mr.umem_mutex.mutex_lock()) and its unlock" in found.lines.sentence


REVOKE = """
await k.mr.umem_mutex.mutex_lock()
await k.mr.mlx5r_umr_revoke_mr()
await k.mr.mark_gone()
await k.mr.umem_mutex.mutex_unlock()
await store(k)
"""


# -- what is to be found -------------------------------------------------------------------


def test_a_schedule_that_is_stuck_is_shown_as_far_as_it_goes():
    found = judge("CPU1*9", exercise("amd_iommu/break_it"))
    assert "is blocked" in found.error
    assert not found.right
    assert found.run.schedule == ("CPU1",) * 7
    assert "poll_sem(iommu)" in found.story


def test_a_card_of_a_schedule_has_no_row_without_a_sentence():
    found = str(judge("CPU1", exercise("amd_iommu/break_it")))
    assert "does its job?" in found
    assert "safe?" not in found
    assert "what matters?" not in found


@pytest.mark.parametrize(
    "name", [each.name for each in exercises().values() if each.asks != "code"]
)
def test_what_the_actors_run_is_shown_where_a_run_is_asked_for(name, capsys):
    shown = run(capsys, "exercise", name)[1]
    for part in played(exercise(name).failing):
        assert part in shown
        assert part in exercise(name)._repr_markdown_()


def test_code_is_shown_with_what_it_inherits_and_calls_and_without_the_reason_why_it_fails():
    parts = played(mmviz.find("mlx5/fix_becomes_report", "MutexOverAll"))
    shown = "\n".join(parts)
    assert shown.count("async def dereg(") == 1
    assert "async def allocate(" in shown  # of the class it derives from
    assert "async def store(" in shown  # which it calls
    assert "CPU2 has rb_lock" not in shown
    parts = played(mmviz.find("mremap/table_is_gone", "LookTwice"))
    assert "\n".join(parts).count("async def move(") == 2  # it calls super()


def test_an_assignment_says_all_that_is_asked_and_known(capsys, tmp_path):
    prediction = "collapse/gup_fast_in_old_table:PmdAgain?value@2"
    words = ["amd_iommu/break_it", "swap/check_it", prediction]
    assert run(capsys, "assignment", *words, "-o", str(tmp_path))[0] == 0
    cells = json.loads((tmp_path / "races.ipynb").read_text())["cells"]
    shown = "\n".join("".join(cell["source"]) for cell in cells)
    assert "class NumberUnderLock" in shown
    for _, demand in exercise("swap/check_it").demands:
        assert demand in shown
    assert "   1  CPU0  local_irq_save(mm):" in shown
    assert "Now mm.pmd = " in shown


@pytest.mark.parametrize(
    ("name", "seed", "said"),
    [
        ("kvm/break_it", 1, "holds only"),
        ("vtd/tear_it", 3, "while the entry is present"),
        ("mlx5/deadlock", 1, "CPU2 rb_lock"),
        ("hmm/short_mutex", 1, "when CPU1 frees it"),
        ("hmm/the_second_waits", 1, "has CPU1 to know"),
        ("iommu_group/one_critical_section", 4, "CPU1 moves the listed"),
        ("swap/aba", 2, "looks the folio up"),
    ],
)
def test_a_variant_says_nothing_that_is_not_true_of_it(name, seed, said):
    found = exercise(name, seed)
    assert said not in " ".join([found.task, *found.hints])
