"""Each exercise holds what it says: what is given fails, what is right is accepted, and quickly."""

import linecache
import time
from dataclasses import replace
from itertools import count

import pytest

import mmviz
from mmviz.engine import MmvizError, Model, UnknownName, replay
from mmviz.engine.run import parse_schedule
from mmviz.kernel.sync.locks import Mutex, SpinLock
from mmviz.lessons.answers import class_of, variant_of
from mmviz.lessons.exercise import CODE, SCHEDULE, STEP, exercise, exercises, sentence
from mmviz.lessons.judge import is_right, judge, searched
from mmviz.lessons.sources import method_of
from mmviz.scenarios import cases_of

THREADS = ("sva", "iommu_group", "invalidate_page", "hmm", "exclusive")
EVERY = [
    (name, seed) for name, each in exercises().items() for seed in range(len(each.variants) + 1)
]
CODED = [(name, seed) for name, seed in EVERY if exercise(name, seed).asks == CODE]
PLAIN = [name for name, each in exercises().items() if each.asks == CODE]
MOST_SECONDS = 2.0
CELLS = count(1)


def pasted(text):
    """Run code as an empty notebook does, and return its class `Mine`."""
    file = f"<ipython-input-{next(CELLS)}-pasted>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    names = {"__name__": "__main__"}
    exec(compile(text, file, "exec"), names)
    return names["Mine"]


def roles(case):
    """What each actor of a case does, whatever the variant."""
    return {name: getattr(actor, "role", actor) for name, actor in case.actors.items()}


def nothing(asked):
    """An answer whose methods do nothing."""
    lines = []
    for name in asked.writes:
        code = method_of(asked.given, name).__code__
        arguments = ", ".join(code.co_varnames[: code.co_argcount])
        lines += [f"    async def {name}({arguments}):", "        pass", ""]
    return f"import mmviz\n\n\nclass Mine({asked.words}.given):\n" + "\n".join(lines)


@pytest.mark.parametrize("thread", THREADS)
def test_a_thread_has_a_bug_to_find_a_bug_to_remove_and_a_fix_that_costs_less(thread):
    mine = [each for name, each in exercises().items() if name.startswith(f"{thread}/")]
    assert len(mine) >= 3
    assert any(each.asks in (SCHEDULE, STEP) for each in mine)
    assert any(each.asks == CODE and each.cheaper is None for each in mine)
    assert any(each.cheaper is not None for each in mine)


@pytest.mark.parametrize(("name", "seed"), CODED)
def test_the_given_code_runs_as_pasted_and_is_not_right_and_the_solution_is(name, seed):
    asked = exercise(name, seed)
    given = judge(pasted(asked.code), quick=True)
    assert not given.error
    assert not given.right
    failing = given.failing
    assert (failing is not None and failing.run is not None) or given.cost.verdict == "no"
    assert judge(pasted(asked.solution()), quick=True).right


@pytest.mark.parametrize("name", PLAIN)
def test_to_do_nothing_is_rejected_with_a_run(name):
    asked = exercise(name)
    card = judge(class_of(nothing(asked), asked), quick=True)
    assert not card.right
    assert card.error or card.failing is not None


def locks_of(asked):
    """The paths of the locks of an exercise's world, with what takes each."""
    for struct in Model(asked.failing).ledger.structs:
        path = struct.__dict__["name"]
        takes = {Mutex: "mutex_lock", SpinLock: "spin_lock"}
        for kind, step in takes.items():
            if isinstance(struct, kind) and "." in path and path.replace(".", "").isidentifier():
                yield path, step


@pytest.mark.parametrize("name", PLAIN)
def test_to_lock_everything_out_is_rejected_with_a_run(name):
    asked = exercise(name)
    for path, step in locks_of(asked):
        text = nothing(asked).replace("pass", f"await k.{path}.{step}()")
        card = judge(class_of(text, asked), quick=True)
        assert not card.right
        assert card.error or card.failing.run


@pytest.mark.parametrize("name", PLAIN)
def test_every_right_fix_of_the_catalogue_is_accepted(name):
    asked = exercise(name)
    case = asked.case_of(asked.case)
    for each in cases_of(asked.race):
        same = each.world == case.world
        safe = each.is_held and not (each.deadlock or each.livelock)
        safe = safe and all(verdict == "Never" for verdict in each.expect.values())
        if not safe or not same or roles(each) != roles(case):
            continue
        try:
            variant = asked.variant(each.name)
            found = searched(asked.cast(variant, each.name))
        except MmvizError:
            assert each.name in asked.excluded, each.name
            continue
        assert is_right(found, asked) or each.name in asked.excluded, each.name


@pytest.mark.parametrize("name", PLAIN)
def test_every_solution_is_right(name):
    asked = exercise(name)
    for answer in asked.solutions:
        found = searched(asked.cast(variant_of(asked, answer), "Mine"))
        assert is_right(found, asked), answer


@pytest.mark.parametrize(("name", "seed"), CODED)
def test_a_misconception_is_wrong_here_and_right_on_its_own_machine(name, seed):
    asked = exercise(name, seed)
    for each in asked.misconceptions:
        variant = variant_of(asked, each.wrong)
        assert not is_right(searched(asked.cast(variant, "Wrong")), asked), each.name
        free = {"outcomes": (), "alone": {}}  # which are about the actors of this machine
        there = replace(asked, **free | dict(each.under), _hinted=[])
        assert is_right(searched(there.cast(variant, "Right")), there), each.name


@pytest.mark.parametrize(("name", "seed"), [each for each in EVERY if each not in CODED])
def test_what_is_to_be_found_is_found_by_search_and_near_it_is_wrong(name, seed):
    asked = exercise(name, seed)
    answer = asked.solution()
    if asked.asks == SCHEDULE:
        right = judge(answer, asked)
        assert right.points == {"breaks it": True, "shortest": True}
        assert not judge(parse_schedule(asked.failing, answer)[:-1], asked).right
    else:
        right = judge(int(answer), asked)
        for other in (int(answer) - 1, int(answer) + 1):
            card = judge(other, asked)
            assert not card.right
            assert card.failing.run.case is asked.failing
        early = judge(int(answer) - 1, asked).failing.run
        assert asked.goal not in early.violated
    assert right.right
    assert judge("CPU9" if asked.asks == SCHEDULE else 0, asked).right is False


@pytest.mark.parametrize("name", exercises())
def test_an_exercise_is_judged_in_two_seconds(name):
    asked = exercise(name)
    before = time.process_time()
    if asked.asks == CODE:
        judge(asked.given)
        judge(class_of(asked.solution(), asked))
    else:
        judge(asked.solution() if asked.asks == SCHEDULE else int(asked.solution()), asked)
    assert time.process_time() - before < 2 * MOST_SECONDS


@pytest.mark.parametrize("name", exercises())
def test_what_a_reader_reads_is_there(name):
    asked = exercise(name)
    assert len(asked.hints) >= 2
    assert asked.hint().startswith(asked.hints[0])
    assert [asked.hint() for _ in asked.hints][-1].startswith(asked.hints[-1])
    assert asked.variants
    assert all(sentence(each)[0].isupper() for each in (*asked.jobs, *asked.outcomes))
    assert asked.asks != CODE or asked.jobs
    assert asked.title in str(asked)
    text = f"{asked.task} {asked.title} {' '.join(asked.hints)}".lower()
    assert not {"nobody", "somebody", "whoever", "for ever"} & set(text.replace(",", "").split())


@pytest.mark.parametrize(("name", "seed"), [each for each in EVERY if each[1]])
def test_what_a_seed_changes_matters(name, seed):
    plain, other = exercise(name), exercise(name, seed)
    assert (plain.code, plain.solution(), *plain.failing.actors.values()) != (
        other.code.replace(f", seed={seed}", ""),
        other.solution().replace(f", seed={seed}", ""),
        *other.failing.actors.values(),
    )
    assert exercise(name, seed) is other


def test_names_and_seeds_that_are_none_are_refused():
    with pytest.raises(UnknownName, match="did you mean iommu_group/break_it"):
        mmviz.exercise("iommu_group/breakit")
    with pytest.raises(MmvizError, match="seed"):
        mmviz.exercise("iommu_group/break_it", seed="x")
    assert mmviz.exercise("iommu_group/break_it", seed=-1).name == "iommu_group/break_it"


def test_a_run_of_a_card_replays():
    card = judge(exercise("iommu_group/one_critical_section").given)
    failing = card.failing
    assert replay(failing.case, failing.schedule).violated
    assert str(card.run) in card.story
