"""The second pass: what is learned again has to come out the same, in whatever order."""

import random

import pytest

from mmviz.engine import Map, Struct, World, atomic, explore, field
from mmviz.engine.relearn import find_difference
from mmviz.engine.search import MAX_BYTES, MAX_STATES, Search
from tests.engine.toys import Counter, case, locked, racy
from tests.searched import searched_cases


def learned(case):
    """Return the model of a case, as far as a search learns it."""
    return Search(case, MAX_STATES, MAX_BYTES, None, None).model


def keep(key, value):
    """Keep a value where no search looks."""
    vars(keep).__setitem__(key, value)


class Hidden(Counter):
    @atomic("toy")
    def look(self):
        """Read what is kept."""
        return vars(keep).get("flag", False)

    @atomic("toy")
    def write(self):
        """Write what is kept."""
        self.value = vars(keep).get("count", 0)
        keep("count", self.value + 1)

    @atomic("toy", when=lambda k: not vars(keep).get("flag", False))
    def wait(self):
        """Wait until the flag is down."""

    @atomic("toy")
    def touch(self):
        """Read a field that depends on what is kept."""
        _ = self.table["a" if vars(keep).get("flag", False) else "b"]


@pytest.fixture(autouse=True)
def nothing_is_kept():
    vars(keep).clear()


@pytest.mark.parametrize("scenario", ["exclusive/retry_loop", "iommu_group/release_order"])
def test_a_case_of_the_catalogue_comes_out_the_same(scenario):
    for searched in searched_cases(scenario):
        assert find_difference(searched.model) == ""


def test_locks_objects_as_answers_and_blocked_steps_come_out_the_same():
    class Box(Struct):
        content: int = 0

    class Boxes(World):
        boxes: Map = field(default_factory=lambda: Map({0: Box(), 1: Box()}))
        here: Box | None = None

        @atomic("toy")
        def pick(self, number):
            """Return a box."""
            self.here = self.boxes[number]
            return (self.here, frozenset((self.here,)))

        @atomic("toy", when=lambda k, box, by: k.here is not None)
        def fill(self, box, *, by):
            """Fill a box."""
            box.content += by

    async def pack(k):
        box, _ = await k.pick(1)
        await k.fill(box, by=2)

    async def other(k):
        box, _ = await k.pick(0)
        await k.fill(box, by=1)

    made = case(actors={"A": pack, "B": other}, world=Boxes, bad=())
    assert find_difference(learned(made)) == ""
    assert find_difference(learned(case(actors={"A": locked, "B": racy}))) == ""


async def toggle(k):
    keep("flag", False)
    await k.load()
    await k.load()
    keep("flag", True)
    await k.load()


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("look", "the step returned"),
        ("wait", "the step was"),
        ("touch", "the step used table["),
    ],
)
def test_a_flag_that_an_actor_sets_between_its_steps_shows_in_another_actors_step(step, words):
    async def asks(k):
        await k.lock.take()
        await getattr(k, step)()
        await k.lock.drop()

    found = find_difference(learned(case(actors={"A": toggle, "B": asks}, world=Hidden, bad=())))

    assert found.startswith(f"B at {step}()")
    assert "test_relearn.py line" in found
    assert "in asks()" in found
    assert words in found


def test_what_a_step_writes_is_compared():
    async def writes(k):
        await k.write()

    found = find_difference(learned(case(actors={"A": writes}, world=Hidden, bad=())))

    assert "A at write()" in found
    assert "the step left value as 0 first and 1 when it was learned again" in found


def test_what_a_bad_state_says_is_compared():
    def odd(k):
        """Every other time."""
        keep("calls", vars(keep).get("calls", 0) + 1)
        return vars(keep)["calls"] % 2 == 1

    found = find_difference(learned(case(actors={"A": racy}, bad=(odd,))))

    assert "the bad state odd" in found


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda number: Counter(value=number), "world() made value = "),
        (lambda number: Counter(table=Map({number: 0})), "did not make the same objects"),
    ],
)
def test_a_world_that_differs_is_named(make, words):
    numbers = {"next": random.Random(1).random}

    found = find_difference(learned(case(world=lambda: make(int(numbers["next"]() * 1e9)), bad=())))

    assert words in found


def test_a_search_whose_model_differs_is_not_decided():
    async def writes(k):
        await k.write()

    report = explore(case(actors={"A": writes}, world=Hidden, bad=()))

    assert "the step left value as" in report.undecided
    assert not report.as_expected


def test_the_learned_model_is_left_as_it_was():
    model = learned(case())
    before = [(dict(each.row[1]), set(each.touched)) for each in model.locations[0].values()]
    width = model.width

    find_difference(model)

    after = [(dict(each.row[1]), set(each.touched)) for each in model.locations[0].values()]
    assert after == before
    assert model.width == width


def test_what_python_hides_the_example_of_contributing():
    """Set once, before anything reads it: both passes see the same; no verdict can be trusted."""

    async def sets(k):
        keep("flag", True)
        await k.load()

    async def asks(k):
        if await k.look():
            await k.store(1)

    assert find_difference(learned(case(actors={"A": sets, "B": asks}, world=Hidden, bad=()))) == ""
