"""The one form in which cases are declared."""

import pickle
from functools import partial

import pytest

from mmviz.engine import ModelError, Race, Verdict, World, atomic, explore
from mmviz.engine.redundant import code


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
    assert explore(case).differences() == ["lost_update is Sometimes, declared Never"]


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
