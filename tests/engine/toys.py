"""Toy worlds for the engine's tests: a counter, two locks, a mailbox."""

from mmviz.engine import Case, Map, Struct, Verdict, World, at_end, atomic, current, field


class Lock(Struct):
    owner: str | None = None

    @atomic("toy", when=lambda lock: lock.owner is None)
    def take(self) -> None:
        """Take the lock."""
        self.owner = current().name

    @atomic("toy")
    def trylock(self) -> bool:
        """Take the lock if it is free."""
        if self.owner is None:
            self.owner = current().name
            return True
        return False

    @atomic("toy")
    def drop(self) -> None:
        """Drop the lock."""
        self.owner = None


class Counter(World):
    """A number that two actors increment, each in two steps."""

    value: int = 0
    lock: Lock = field(default_factory=Lock)
    other: Lock = field(default_factory=Lock)
    table: Map[str, int] = field(default_factory=lambda: Map({"a": 0, "b": 0}))

    @atomic("toy")
    def load(self) -> int:
        """Read the number."""
        return self.value

    @atomic("toy")
    def store(self, value: int) -> None:
        """Write the number."""
        self.value = value

    @atomic("toy", when=lambda k, value: k.value == value)
    def wait_for(self, value: int) -> None:
        """Wait until the number is `value`."""


@at_end
def lost_update(k: Counter) -> bool:
    """An increment got lost."""
    return k.value != 2


async def racy(k: Counter) -> None:
    value = await k.load()
    await k.store(value + 1)


async def locked(k: Counter) -> None:
    await k.lock.take()
    value = await k.load()
    await k.store(value + 1)
    await k.lock.drop()


def case(name="Toy", actors=None, bad=(lost_update,), expect=None, world=Counter, **more) -> Case:
    """A case of toys; whatever verdict is declared is not what the test is about."""
    names = [bad_state if isinstance(bad_state, str) else bad_state.__name__ for bad_state in bad]
    return Case(
        name=name,
        id=name,
        title="a toy",
        world=world,
        actors=actors or {"A": racy, "B": racy},
        bad=bad,
        expect=expect or dict.fromkeys(names, Verdict.NEVER),
        **more,
    )
