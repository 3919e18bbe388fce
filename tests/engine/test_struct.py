import pytest

from mmviz.engine import (
    Allocated,
    Map,
    ModelError,
    Oops,
    Struct,
    Verdict,
    World,
    atomic,
    explore,
    field,
    replay,
    warn,
)

from .toys import Counter, case


class Point(Struct):
    x: int
    y: int = 2


def test_fields_are_given_by_position_or_name_and_have_defaults():
    assert (Point(1).y, Point(y=5, x=4).x, Point(1, name="here").name) == (2, 4, "here")


def test_a_struct_of_two_bases_has_the_fields_of_both():
    class Size(Struct):
        w: int = 3

    class Block(Point, Size):
        depth: int = 7

    block = Block(x=1, w=4)

    assert dict(block.fields()) == {"w": 4, "x": 1, "y": 2, "depth": 7}


@pytest.mark.parametrize("make", [lambda: Point(), lambda: Point(1, 2, 3), lambda: Point(1, z=3)])
def test_a_wrong_number_or_name_of_fields_is_a_type_error(make):
    with pytest.raises(TypeError, match=r"Point|needs"):
        make()


@pytest.mark.parametrize("value", [[1], {1: 2}, {1}, 1.5, (1, [2])])
def test_a_value_that_could_change_unseen_is_refused_with_the_way_out(value):
    with pytest.raises(ModelError, match="immutable values"):
        Point(value)


def test_a_map_has_fixed_keys_and_says_which():
    table = Map({"a": 1})
    with pytest.raises(ModelError, match=r"no key 'b'.*here: a"):
        table["b"] = 2


def test_an_actor_that_writes_between_two_steps_is_caught():
    async def sly(k):
        await k.load()
        k.value = 7

    with pytest.raises(
        ModelError, match=r"A, .*line \d+ in sly\(\).*sets k.value between two steps.*@atomic"
    ):
        explore(case(actors={"A": sly}))


@pytest.mark.parametrize("order", [("A", "B"), ("B", "A")])
def test_an_actor_that_reads_a_changing_field_between_two_steps_is_caught(order):
    async def sly(k):
        await k.load()
        if k.value:
            await k.load()

    async def writer(k):
        await k.store(1)

    actors = {"A": sly, "B": writer}
    with pytest.raises(ModelError, match="reads value between two steps"):
        explore(case(actors={name: actors[name] for name in order}))


def test_a_later_write_to_a_field_read_between_two_steps_is_caught():
    async def sly(k):
        if k.value == 0:
            await k.other.take()

    async def late(k):
        await k.lock.take()
        await k.lock.drop()
        await k.store(1)

    with pytest.raises(ModelError, match="A reads value between two steps"):
        explore(case(actors={"A": sly, "B": late}))


def test_a_world_that_shares_an_object_with_the_next_one_is_caught():
    shared = Counter()

    run = replay(case(world=lambda: shared), "A")

    with pytest.raises(ModelError, match="part of two worlds"):
        run.tip.world  # noqa: B018  # a frame's world is built anew


def test_a_property_that_writes_is_caught():
    def pushy(k):
        k.value = 3
        return False

    with pytest.raises(ModelError, match="a bad state wrote value"):
        explore(case(bad=(pushy,)))


def test_reads_and_writes_of_a_step_are_what_it_touched():
    run = replay(case(), "A A")

    load, store = run.frames[1:]

    assert (load.reads, load.writes) == (("value",), ())
    assert [str(change) for change in store.writes] == ["value: 0 -> 1"]


def test_a_world_may_call_its_fields_what_it_likes():
    class Grave(World):
        dead: int = 0
        splats: int = 0

        @atomic("toy")
        def bury(self) -> None:
            self.dead += 1

    async def buries(k):
        await k.bury()

    report = explore(case(world=Grave, actors={"A": buries, "B": buries}, bad=()))

    assert report.states == 4


class Box(Allocated):
    content: int = 0

    @atomic("toy")
    def fill(self, content: int) -> None:
        self.content = content

    @atomic("toy")
    def kfree(self) -> None:
        self.free()


class Shelf(World):
    box: Box = field(default_factory=lambda: Box(name="the box"))

    @atomic("toy")
    def grumble(self) -> None:
        warn("grumbles", "the shelf grumbles")

    @atomic("toy")
    def die(self) -> None:
        self.box.content = 9
        raise Oops("dies", "the shelf breaks")


def test_touching_a_freed_object_ends_the_run_and_names_who_freed_it_and_when():
    async def frees(k):
        await k.box.kfree()

    async def uses(k):
        await k.box.fill(1)
        await k.box.fill(2)

    toy = case(world=Shelf, actors={"A": frees, "B": uses}, bad=("use_after_free",))
    run = replay(toy, "B A B")

    assert run.frames[-1].violated == ("use_after_free",)
    assert run.frames[-1].log == ("uses the box.content, but the box was freed by A in step 2",)
    assert run.finished
    assert run.enabled() == ()
    assert explore(toy).verdicts["use_after_free"] == Verdict.SOMETIMES


def test_freeing_twice_is_a_use_after_free():
    async def frees(k):
        await k.box.kfree()

    toy = case(world=Shelf, actors={"A": frees, "B": frees}, bad=("use_after_free",))

    assert "frees the box again" in replay(toy, "A B").frames[-1].log[0]
    assert explore(toy).verdicts["use_after_free"] == Verdict.ALWAYS


def test_a_complaint_is_remembered_and_the_run_goes_on():
    async def grumbles(k):
        await k.grumble()
        await k.box.fill(1)

    toy = case(world=Shelf, actors={"A": grumbles}, bad=("grumbles",))
    run = replay(toy, "A A")

    assert run.frames[1].violated == ("grumbles",)
    assert run.frames[1].log == ("the shelf grumbles",)
    assert run.frames[2].violated == ()
    assert explore(toy).verdicts["grumbles"] == Verdict.ALWAYS


def test_an_oops_undoes_the_step_and_stops_everybody():
    async def dies(k):
        await k.die()
        await k.box.fill(1)

    run = replay(case(world=Shelf, actors={"A": dies, "B": dies}, bad=("dies",)), "A")

    assert run.frames[-1].world.box.content == 0
    assert run.frames[-1].writes == ()
    assert run.blocked()["B"].reason == "the machine has stopped"


def test_a_complaint_nobody_declared_still_shows_in_the_report():
    async def grumbles(k):
        await k.grumble()

    report = explore(case(world=Shelf, actors={"A": grumbles}, bad=()))

    assert report.verdicts == {"grumbles": Verdict.ALWAYS}
    assert not report.safe


def test_frames_hold_free_standing_worlds():
    run = replay(case(), "A A B B")
    first = run.frames[2].world

    first.value = 99

    assert run.frames[2].world is first
    assert [frame.world.value for frame in run.frames[3:]] == [1, 2]
    assert isinstance(run.frames[0].world, Counter)
