"""The one form in which cases are declared."""

import pickle
import sys
from dataclasses import replace
from functools import partial
from types import ModuleType

import pytest

import mmviz
from mmviz.engine import (
    Case,
    ModelError,
    Race,
    Scenario,
    UnknownName,
    Verdict,
    World,
    atomic,
    explore,
    replay,
)
from mmviz.engine.redundant import code
from mmviz.engine.scenario import scenario_of


class Counter(World):
    value: int = 0
    most: int = 2

    @atomic("toy")
    def read(self):
        """Read the counter."""
        return self.value

    @atomic("toy")
    def write(self, value):
        """Write the counter."""
        self.value = value

    @atomic("toy")
    def add(self):
        """Add one, atomically."""
        self.value += 1


def lost_update(k):
    """An addition is lost."""
    return k.value < k.most


lost_update.__dict__["at_end"] = True


def too_high(k):
    """There are more additions than were made."""
    return k.value > k.most


async def adds(k, variant):
    await variant.add(k)


async def adds_one(k):
    await k.write(await k.read() + 1)


class Racy:
    async def add(self, k):
        await k.write(await k.read() + 1)


class Atomic:
    async def add(self, k):
        await k.add()


def race(**more):
    return Race(world=Counter, actors={"A": adds, "B": adds}, bad=(lost_update, too_high), **more)


def test_a_case_stands_on_its_variant_and_what_is_not_named_is_never():
    mine = race()
    assert mine.case("read, then write", sometimes=[lost_update])(Racy) is Racy
    mine.case("one instruction")(Atomic)

    racy, fixed = mine.cases
    assert (racy.name, racy.title, racy.id) == ("Racy", "read, then write", "")
    assert racy.expect == {"lost_update": Verdict.SOMETIMES, "too_high": Verdict.NEVER}
    assert set(fixed.expect.values()) == {Verdict.NEVER}
    assert [explore(case).differences() for case in mine.cases] == [[], []]


def test_an_id_of_the_notes_stands_before_the_title():
    mine = Race("B1", world=Counter, actors={"A": adds}, bad=(lost_update,))
    mine.case("n3", "as proposed", always=[lost_update])(Racy)
    mine.case("my own")(Atomic)

    assert [(case.id, case.title) for case in mine.cases] == [
        ("B1/n3", "as proposed"),
        ("", "my own"),
    ]


def test_a_variant_may_carry_several_cases():
    mine = race()

    @mine.case("three of them", name="Three", world=partial(Counter, most=3), always=[lost_update])
    @mine.case("two of them", sometimes=[lost_update])
    class Racy:
        async def add(self, k):
            await k.write(await k.read() + 1)

    assert [case.name for case in mine.cases] == ["Racy", "Three"]
    assert explore(mine.cases[1]).differences() == []


def test_a_case_without_code_of_its_own_is_declared_of_a_variant():
    mine = race()
    case = mine.case("alone", of=Racy, name="Alone", actors={"A": adds}, always=[lost_update])

    assert mine.cases == [case]
    assert list(case.actors) == ["A"]
    assert explore(case).differences() == []


def test_a_function_is_a_variant_as_it_is_and_an_actor_may_need_none():
    async def add_atomically(k):
        await k.add()

    async def runs(k, variant):
        await variant(k)

    async def reads(k):
        await k.read()

    mine = Race(world=Counter, actors={"A": runs, "B": reads}, bad=(too_high,))
    mine.case("added", name="Added")(add_atomically)

    assert explore(mine.cases[0]).states == 4


def test_an_actor_with_a_default_is_given_the_variant_only_where_it_asks_for_one():
    async def reads(k, times=2):
        for _ in range(times):
            await k.read()

    mine = Race(world=Counter, actors={"A": reads}, bad=())
    mine.case("reads", of=Racy)

    assert explore(mine.cases[0]).states == 3


def test_what_all_cases_have_in_common_is_said_once():
    mine = race(memory="total store order", daemons=("B",))
    mine.case("read, then write", always=[lost_update])(Racy)

    assert (mine.cases[0].memory, mine.cases[0].daemons) == ("total store order", ("B",))


def test_a_case_built_is_not_declared():
    mine = race()
    case = mine.build("tried", of=Racy)

    assert case.name == "Racy"
    assert mine.cases == []
    assert explore(case).differences() == []  # neither it nor its race declares anything
    assert "not as declared" not in str(explore(case))


def test_what_differs_from_the_declared_verdicts_is_shown_with_the_report():
    mine = race()
    mine.case("read, then write", sometimes=[lost_update])(Racy)
    case = mine.case("the same, said to be safe", of=Racy, name="SaidSafe")

    said = "lost_update is Sometimes, declared Never"
    assert explore(case).differences() == [said]
    assert f"  not as declared: {said}\n" in str(explore(case))
    assert f"Not as declared: {said}" in explore(case)._repr_html_()
    assert "s declared" not in str(explore(mine["Racy"]))
    assert "s declared" not in str(explore(case, max_states=3))  # it decides nothing


def test_a_case_built_by_hand_is_held_to_what_it_declares_and_else_to_nothing():
    parts = {"world": Counter, "actors": {"A": adds_one, "B": adds_one}, "bad": (lost_update,)}
    silent = Case(name="Silent", **parts)
    never = Case(name="SaysNever", expect={"lost_update": Verdict.NEVER}, **parts)

    assert explore(silent).differences() == []
    assert explore(never).differences() == ["lost_update is Sometimes, declared Never"]
    assert explore(replace(silent, title="a copy")).differences() == []
    assert explore(replace(silent, deadlock=True)).differences() != []


def test_a_race_is_a_sequence_of_its_cases_found_by_name_id_or_number():
    mine = Race("B1", world=Counter, actors={"A": adds}, bad=(lost_update,))
    mine.case("n3", "read, then write", always=[lost_update])(Racy)
    mine.case("one instruction", always=[lost_update])(Atomic)

    assert list(mine) == mine.cases
    assert mine["Atomic"] is mine["atomic"] is mine[1] is mine.cases[1]
    assert mine["B1/n3"] is mine[Racy] is mine[0]
    assert "n3" in str(mine)
    assert "Atomic" in mine._repr_html_()
    with pytest.raises(UnknownName, match="did you mean Atomic"):
        mine["Atomc"]


def test_one_bad_state_without_a_list_is_refused():
    for bad in (lost_update, "sleeps_in_atomic"):
        with pytest.raises(ModelError, match="write bad="):
            Race(world=Counter, actors={"A": adds}, bad=bad)


def test_a_scenario_needs_a_title_a_promise_and_cases():
    mine = race()
    mine.case("read, then write", sometimes=[lost_update])(Racy)
    own = Scenario(
        "Two additions", "No addition is lost", mine, memory_model="relaxed, as on arm64"
    )

    assert own["Racy"].promise == "No addition is lost"
    assert own["Racy"].memory == "relaxed"
    assert scenario_of(own["Racy"]) is own
    assert scenario_of(mine["Racy"]).cases == tuple(mine.cases)
    assert scenario_of(Case(name="Alone", world=Counter, actors={}, bad=())).title == "Alone"
    assert "Two additions" in str(own)
    assert explore(own["Racy"]).differences() == []


@pytest.mark.parametrize("cases", [(), [], "Racy", 3, [3]])
def test_a_scenario_without_cases_is_refused(cases):
    with pytest.raises(ModelError, match="'Mine' lacks a case"):
        Scenario("Mine", "", cases)


def test_a_scenario_has_no_two_cases_of_one_name():
    one, other = race(), race()
    for each in (one, other):
        each.case("read, then write")(Racy)

    with pytest.raises(ModelError, match="two cases called Racy"):
        Scenario("Mine", "", [*one, *other])


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: race().case(Racy), r"@race\.case\('what differs'\)"),
        (lambda: race().case("x", of=Racy, alway=[lost_update]), "'alway'; did you mean always"),
        (lambda: race().case("x", of=Racy, expect={}), r"Racy: .* sometimes=\[…\]"),
        (lambda: race(deamons=("B",)), "race: .*'deamons'; did you mean daemons"),
        (lambda: race().case("x", of=Racy, title="y"), "no claim 'title'"),
        (lambda: Race("B", Counter, world=Counter, actors={}, bad=()), "race B: .*Race\\(world="),
        (lambda: Race(Counter, world=Counter, actors={}, bad=()), "race: .*Race\\(world="),
        (lambda: Scenario("x", race()), "is text, not"),
        (lambda: Scenario(race()), "is text, not"),
    ],
)
def test_a_slip_in_a_declaration_is_a_sentence_that_says_what_to_write(declare, says):
    with pytest.raises(ModelError, match=says):
        declare()


def test_a_case_that_declares_nothing_says_so():
    assert str(race().case("x", of=Racy)).endswith("declared: nothing")


def test_a_claim_of_any_kind_reaches_the_case():
    mine = race()
    case = mine.case("both alike", of=Racy, interchangeable=(("A", "B"),), note="as declared")

    assert (case.interchangeable, case.note) == ((("A", "B"),), "as declared")


# -- what stands for a case in a line to be pasted ------------------------------------------------


@pytest.fixture
def notebook(monkeypatch):
    """A namespace that stands for a notebook's."""
    there = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", there)
    return vars(there)


def test_a_case_is_named_by_the_variable_that_holds_it_or_its_race(notebook):
    mine = race()
    case = mine.case("read, then write", of=Racy)
    run = replay(case, "A B*2")
    assert repr(run) == "mmviz.replay(case, 'A B*2')  # case: Racy"

    notebook["_12"] = notebook["mine"] = mine
    assert repr(run) == "mmviz.replay(mine['Racy'], 'A B*2')"
    pasted = eval(repr(run), {"mmviz": mmviz, **notebook})
    assert (pasted.case, pasted.schedule) == (case, run.schedule)

    del notebook["mine"]
    notebook["bug"] = case
    assert case.expression == "bug"


def test_a_case_of_a_scenario_is_named_by_its_variable(notebook):
    mine = race()
    mine.case("read, then write")(Racy)
    notebook["own"] = Scenario("Two additions", "", mine)

    assert notebook["own"][0].expression == "own['Racy']"


def test_a_copy_is_not_named_as_what_it_was_copied_from(notebook):
    notebook["mine"] = race()
    notebook["mine"].case("read, then write")(Racy)
    copy = replace(notebook["mine"]["Racy"], actors={"A": adds_one})
    found = replace(mmviz.find("iommu_group/release_order", "DelistThenRelease"), states=1)

    assert (copy.expression, found.expression) == ("", "")
    assert mmviz.find("iommu_group/release_order", "DelistThenRelease").expression == (
        "mmviz.find('iommu_group/release_order', 'DelistThenRelease')"
    )


def test_a_case_with_a_race_can_be_pickled():
    case = race().case("read, then write", of=Racy)

    again = pickle.loads(pickle.dumps(replace(case, world=Counter)))
    assert (again.name, again.race, again.declares) == ("Racy", None, False)


def test_the_actors_of_a_case_can_be_pickled():
    case = race().build("tried", of=Racy)

    assert list(pickle.loads(pickle.dumps(dict(case.actors)))) == ["A", "B"]


@pytest.mark.parametrize(
    ("words", "claims", "says"),
    [
        (
            ("x",),
            {"sometimes": ["lost_updat"]},
            "lost_updat is not one of .* lost_update, too_high",
        ),
        (("x",), {"sometimes": "lost_update"}, "a list, even for one"),
        (("x",), {"sometimes": ["too_high"], "always": ["too_high"]}, "too_high is named twice"),
        ((), {}, "a line for people"),
        (("a", "b", "c"), {}, "a line for people"),
        (("x",), {"name": "Racy"}, "has a case Racy .* already"),
    ],
)
def test_a_declaration_that_makes_no_sense_says_what_to_write(words, claims, says):
    mine = race()
    mine.case("first", name="Racy", of=Racy)

    with pytest.raises(ModelError, match=says):
        mine.case(*words, of=Atomic, **claims)


def test_two_cases_of_a_race_have_two_ids():
    mine = race()
    mine.case("n1", "first", of=Racy)

    with pytest.raises(ModelError, match=r"has a case Racy .* already"):
        mine.case("n1", "second", of=Atomic)


def test_a_case_of_a_variant_without_a_name_asks_for_one():
    with pytest.raises(ModelError, match="write name="):
        race().case("x", of=Racy())


def test_the_code_of_a_variant_is_shown_without_declarations_and_remarks():
    mine = race()

    @mine.case("noted", name="Noted", sometimes=[lost_update])
    class Noted:
        # a comment stays
        # redundant: this one goes,
        # and so does its second line
        async def add(self, k):
            await k.write(await k.read() + 1)  # redundant in Noted: and this

    assert code(Noted) == (
        "class Noted:\n"
        "    # a comment stays\n"
        "    async def add(self, k):\n"
        "        await k.write(await k.read() + 1)"
    )
