"""What an actor has added to a number and not taken back, by where it is."""

from mmviz.engine import Case, World, atomic
from mmviz.engine.added import added
from mmviz.engine.search import Search


class Gate(World):
    """A count of those inside."""

    inside: int = 0

    @atomic("test")
    def enter(self):
        self.inside += 1

    @atomic("test")
    def look(self):
        return self.inside

    @atomic("test")
    def leave(self):
        self.inside -= 1


async def visits(k):
    await k.enter()
    if await k.look() == 2:
        await k.look()
    await k.leave()


async def watches(k):
    await k.look()


def test_an_actor_has_what_it_has_added_until_it_takes_it_back():
    actors = {"one": visits, "two": visits, "three": watches}
    search = Search(Case(name="Toy", world=Gate, actors=actors, bad=()), 1000, 10**8, None, None)
    search.report()
    model = search.model

    for actor in ("one", "two"):
        sums = added(model, actor, "inside", int)
        for location, total in sums.items():
            ahead = "" if location.step is None else location.step.label
            assert total == (ahead.startswith(("look", "leave"))), ahead
    assert set(added(model, "three", "inside", int).values()) == {0}


def test_a_sum_is_of_what_is_counted():
    search = Search(
        Case(name="Toy", world=Gate, actors={"one": visits}, bad=()), 99, 10**8, None, None
    )
    search.report()

    assert set(added(search.model, "one", "inside", lambda value: value % 2).values()) == {0, 1}
