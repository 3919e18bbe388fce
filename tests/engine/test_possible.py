"""Is this possible? against a search that only follows runs; and what a reader may write."""

import random

import pytest

import mmviz
from mmviz.engine import Graph, MmvizError, Model, ModelError, Run, Verdict, spoken
from mmviz.engine.condition import Unreadable, condition
from mmviz.engine.possible import possible
from mmviz.engine.ways import different_runs
from mmviz.scenarios import find
from mmviz.scene.searched import SearchedCase
from tests.engine.toys import Counter, case

CASE = ("iommu_group/release_order", "DelistThenRelease")
CASES = [
    CASE,
    ("exclusive/fork_in_window", "CheckOutsideMmapLock"),
    ("invalidate_page/sequence_and_counter", "CounterOnly"),
    ("sva/exit_during_dma", "ClearEntry"),
    ("swap/skip_swapcache", "CountAgain"),
    ("hmm/create_meets_dying", "PublishThenFail"),
    ("teardown/reset_times_out", "WaiterFrees"),
]


def found():
    return find(*CASE)


# -- against brute force ---------------------------------------------------------------------


def distances(model):
    """Return the fewest steps to each state, by following runs."""
    far = {model.start: 0}
    queue = [model.start]
    for state in queue:
        for after in moves(model, state):
            if after not in far:
                far[after] = far[state] + 1
                queue.append(after)
    return far


def moves(model, state):
    each = (model.successor(state, p) for p in range(len(model.actors)))
    return [after for after in each if after is not None]


def is_avoided(model, wanted):
    """Tell whether a run ends, idles or goes round without one of the wanted states."""
    if model.start in wanted:
        return False
    left, seen = [model.start], {model.start}
    for state in left:
        for after in moves(model, state):
            if after not in wanted and after not in seen:
                seen.add(after)
                left.append(after)
    threads = model.threads()
    while left:
        still = []
        for state in left:
            may_end = not any(model.successor(state, p) is not None for p in threads)
            if may_end:
                return True
            if any(after in seen for after in moves(model, state)):
                still.append(state)
        if len(still) == len(left):
            return True  # what is left is a loop, or leads into one
        seen, left = set(still), still
    return False


def one_condition(model, chance):
    """Return a random condition, and what it means of a state."""
    slots = [
        slot
        for slot, bits in enumerate(model.bits)
        if bits.mask and slot not in model.internal and len(set(words_of(model, slot))) > 1
    ]
    slot = chance.choice(slots)
    path, word = model.ledger.paths[slot], chance.choice(words_of(model, slot))
    kind = chance.randrange(4)
    if kind == 0:
        return f"{path} == {word}", lambda state: spoken(value(model, state, slot)) == word
    if kind == 1:
        return f'{path} is not "{word}"', lambda state: spoken(value(model, state, slot)) != word
    p = chance.randrange(len(model.actors))
    name = model.actors[p]
    if kind == 2:
        return f"{name} is done", lambda state: model.is_done(state, p)
    return f"not {name} done", lambda state: not model.is_done(state, p)


def words_of(model, slot):
    return [spoken(each) for each in model.bits[slot].values.values()]


def value(model, state, slot):
    return model.cells(state)[slot]


@pytest.mark.parametrize(("scenario", "name"), CASES, ids=lambda word: word)
def test_an_answer_is_that_of_brute_force(scenario, name):
    searched = SearchedCase(find(scenario, name))
    model, chance = searched.model, random.Random(11)
    far = distances(model)
    for _ in range(25):
        parts = [one_condition(model, chance) for _ in range(chance.randrange(1, 4))]
        joint = chance.choice(["and", "or"])
        text = f" {joint} ".join(words for words, _ in parts)
        judge = all if joint == "and" else any
        wanted = {s for s in far if judge(test(s) for _, test in parts)}
        answer = possible(model, text)
        if not wanted:
            assert (answer.verdict, answer.schedule) == (Verdict.NEVER, None), text
            assert not answer
            continue
        assert answer.schedule is not None, text
        run = Run(searched.case, model)
        for actor in answer.schedule:
            run.step(actor)
        assert run.tip.state in wanted, text
        assert len(answer.schedule) == min(far[state] for state in wanted), text
        always = Verdict.SOMETIMES if is_avoided(model, wanted) else Verdict.ALWAYS
        assert answer.verdict is always, text


# -- what a reader may write -----------------------------------------------------------------

SAME = [
    "domain V.freed and not device_attached_to_freed_domain",
    "domain V.freed == yes and not (device_attached_to_freed_domain)",
    "DOMAIN V.FREED is True AND not Device_attached_to_freed_domain",
    "not (domain V.freed is not yes or device_attached_to_freed_domain)",
    "  domain V.freed   =   'yes' and((not device_attached_to_freed_domain))",
]


@pytest.mark.parametrize("text", SAME)
def test_a_condition_can_be_written_in_several_ways(text):
    answer = mmviz.possible(found(), text)
    assert (answer.verdict, answer.schedule) == (Verdict.SOMETIMES, ("CPU1",) * 4)
    assert str(answer) == (
        "Sometimes: a shortest run takes 4 steps: CPU1*4.\n"
        "mmviz.replay(mmviz.find('iommu_group/release_order', 'DelistThenRelease'), 'CPU1*4')"
    )


ANSWERS = {
    "group.refs < 1": 16,
    "group.refs <= 0": 16,
    "1 == 1 or group.refs == 0": None,
    "group.refs >= 2 and CPU0 is done": -1,
    "group.devices contains device b and not group.devices contains device a": 2,
    "device a.domain == device b.domain and device a.domain is domain D": 2,
    "device a.domain != IOMMU[01:00.0]": 5,
    "CPU0 at list_del": 1,
    "CPU0 is not at mutex_lock and CPU1 at iommu_domain_free()": 4,
    "CPU1 is blocked": 1,
    "CPU1 is not blocked": 0,
    "deadlock": -1,
    "group.refs = 7": -1,
    "use_after_free": 9,
    "group.mutex.owner is CPU0": 1,
    "group.mutex.owner == none": 0,
    "group.mutex.owner == NULL": 0,
}


@pytest.mark.parametrize("text", [text for text, steps in ANSWERS.items() if steps is not None])
def test_a_condition_says_what_it_reads_like(text):
    answer = possible(found(), text)
    assert (-1 if answer.schedule is None else len(answer.schedule)) == ANSWERS[text]


WRONG = {
    "": "a condition is missing",
    "1 == 1": r"character 1 of '1 == 1': there is no field, actor or bad state '1'",
    "group.ref == 0": r"no field, actor or bad state 'group\.ref'; did you mean group\.refs",
    "CPU0 is done an CPU1 is done": r"character 14 of .*: 'an' is not expected; write `and`",
    "CPU0": "write `CPU0 is done`, `CPU0 is blocked` or `CPU0 at some_function`",
    "CPU0 at detach": r"CPU0 is never at 'detach'; did you mean detach_and_free",
    "CPU9 is done": r"no field, actor or bad state 'CPU9'; did you mean CPU[01] or CPU[01]",
    "(CPU0 is done": r"character 14 of .*: a closing parenthesis is missing",
    "CPU0 is done and": "the condition ends here, and something is missing",
    "group.refs": r"what group\.refs is to be is missing; in some state it is 2, 1, 0",
    "group.refs ==": r"a value of group\.refs is missing; in some state it is 2, 1, 0",
    "group.refs == many": r"group\.refs is never 'many'; in some state it is 2, 1, 0",
    "group.mutex.owner < CPU0": "< compares numbers",
    "group.refs < device a.domain": "are not both numbers",
    "group.refs contains 2": r"group\.refs is not a list: write group\.refs == …",
    "group.devices contains device c": r"group\.devices is never 'device c'; .* device a, device b",
    "group.devices contains group.refs": "write the name of what group.devices is to contain",
    "device a.domain == 'domain V": "a closing quote is missing",
    "(" * 100: "too many parentheses are open",
    "not " * 200 + "CPU0 is done": "too many parentheses are open",
    "x" * 3_000: "at most 2,000 characters",
    "__import__('os').system('true')": "there is no field, actor or bad state",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:20])
def test_what_cannot_be_read_is_said_with_its_place(text):
    with pytest.raises(Unreadable, match=WRONG[text]):
        possible(found(), text)


def test_values_can_be_given_by_field():
    assert possible(found(), {"group.refs": 0, "domain V.freed": "yes"}).schedule is not None
    assert possible(found(), {"group.refs": "0", "domain V.freed": True}).schedule is not None
    assert possible(found(), [{"group.refs": 0}, "CPU0 is done"]).schedule is not None
    with pytest.raises(Unreadable, match=r"no field 'group\.ref'; did you mean group\.refs"):
        possible(found(), {"group.ref": 0})
    with pytest.raises(Unreadable, match=r"group\.refs is never 9; in some state it is 2, 1, 0"):
        possible(found(), {"group.refs": 9})
    with pytest.raises(Unreadable, match=r"group\.refs is never False"):
        possible(found(), {"group.refs": False})
    with pytest.raises(MmvizError, match="no value is asked for"):
        possible(found(), {})
    with pytest.raises(MmvizError, match="a list of 1 to 20"):
        possible(found(), [])


def test_a_function_of_the_world_can_be_asked_for():
    answer = possible(found(), lambda k: k.v.freed and k.a in k.group.devices)
    assert answer.schedule == ("CPU1",) * 4
    assert (
        possible(found(), lambda k: k.a in k.group.devices and not k.group.refs).verdict
        is Verdict.NEVER
    )
    with pytest.raises(ModelError, match="A bad state returns True or False"):
        possible(found(), lambda k: k.group.refs)
    with pytest.raises(ModelError, match="takes k, more"):
        possible(found(), lambda k, more: True)


def test_what_is_so_at_the_start_is_always_so():
    answer = possible(found(), "CPU0 is not done")
    assert (answer.verdict, answer.schedule) == (Verdict.ALWAYS, ())
    assert answer.text == "Always: it is so at the start."


def test_a_search_that_is_cut_decides_nothing():
    answer = possible(found(), "group.refs == 7 or CPU0 is done and CPU1 is done", max_states=20)
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.text.startswith("Not decided: none of 2")
    assert possible(found(), "CPU0 at list_del", max_states=20).schedule == ("CPU0",)


def test_a_model_is_not_learned_anew():
    model = Model(found())
    states = Graph(model.case, model=model).states
    known = model.version
    assert possible(model, "group.refs == 0").schedule is not None
    assert model.version == known
    holds = condition(model, "group.refs == 0")
    assert 0 < sum(map(holds, states)) < len(states)


def test_a_number_is_not_a_truth_value():
    class Kinds(Counter):
        seen: bool | int = False

        @mmviz.engine.atomic("toy")
        def count(self):
            self.seen = 1

    async def counts(k):
        await k.count()

    asked = case(world=Kinds, actors={"A": counts}, bad=())
    assert possible(asked, "seen == 1").schedule == ("A",)
    assert possible(asked, {"seen": 1}).schedule == ("A",)
    assert possible(asked, {"seen": False}).schedule == ()
    with pytest.raises(Unreadable):
        possible(asked, {"seen": True})


# -- different runs --------------------------------------------------------------------------

VIOLATED = [
    (*CASE, "device_attached_to_freed_domain"),
    (*CASE, "use_after_free"),
    ("invalidate_page/sequence_and_counter", "CounterOnly", "cpu_and_device_disagree"),
    ("exclusive/fork_in_window", "CheckOutsideMmapLock", "pin_lost_its_page"),
    ("hmm/mm_without_grab", "GrabAndNeverDrop", "mm_struct_is_leaked"),
    ("invalidate_page/one_number_alone", "OddWhileBusyTwoInvalidators", "device_keeps_stale_entry"),
]


@pytest.mark.parametrize(("scenario", "name", "bad_state"), VIOLATED, ids=lambda word: word)
def test_different_runs_are_what_they_say(scenario, name, bad_state):
    searched = SearchedCase(find(scenario, name))
    example = searched.report.counterexamples[bad_state]
    ways = different_runs(searched.model, bad_state)
    assert 2 <= len(ways) <= 5
    assert len({way.schedule for way in ways}) == len({way.text for way in ways}) == len(ways)
    for way in ways:
        run = searched.run(way.schedule)
        assert (bad_state in run.violated) == way.violates
        assert way.text.startswith(f"{len(way.schedule)} step")
        if way.violates:
            assert bad_state in run.tip.violated  # it ends where it is reached
        else:
            assert run.finished
    violating = [way for way in ways if way.violates]
    assert violating[0].schedule == example.fewest_preemptions
    assert min(len(way.schedule) for way in violating) == len(example.shortest)


def test_of_a_case_that_never_fails_there_are_runs_that_complete():
    ways = different_runs(
        find("iommu_group/release_order", "ReleaseUnderMutex"), "device_attached_to_freed_domain"
    )
    assert [way.schedule[0] for way in ways] == ["CPU0", "CPU1"]
    assert not any(way.violates for way in ways)


def test_a_bad_state_that_is_not_there_is_refused():
    with pytest.raises(mmviz.UnknownName, match="did you mean use_after_free"):
        different_runs(found(), "use_after_fre")


def test_of_a_case_with_too_many_states_there_is_a_shortest_run(monkeypatch):
    monkeypatch.setattr("mmviz.engine.ways.MOST_STATES", 50)
    (way,) = different_runs(found(), "use_after_free")
    assert (len(way.schedule), way.text, way.violates) == (9, "shortest", True)
    assert different_runs(found(), "attach_after_release") == []


def test_whether_a_run_avoids_it_is_not_claimed_of_too_many_states(monkeypatch):
    monkeypatch.setattr("mmviz.engine.possible.MOST_FATES", 50)
    answer = possible(found(), "domain V.freed")
    assert answer.verdict is Verdict.SOMETIMES
    assert answer.text.endswith("CPU1*4; whether some run avoids it was not looked for.")
