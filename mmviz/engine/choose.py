"""What a model leaves open: the environment decides, and the search explores every answer.

    race = Race(..., actors={"CPU0": probe, "environment": environment})

    async def probe(k):
        if await choose("kmalloc() fails"):
            return
        slot = await choose("which slot", "first", "second", "third")

The environment is an actor like any other, so a schedule says what it decided, and a picture shows
it in a column of its own.  An actor asks and goes on; between these two steps the environment may
step, once for each further value.  If it does not, the first value is the answer.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mmviz.engine.errors import ModelError
from mmviz.engine.location import ENGINE_CODE
from mmviz.engine.step import Step, Task, atomic, current, mark
from mmviz.engine.struct import Struct, immutable


class Question(NamedTuple):
    """What an actor has asked and not yet heard.

    Attributes:
        words: what is open, "kmalloc() fails".
        values: what it may be; the first is taken if the environment does not step.
        chosen: the number of the value that holds now.
    """

    words: str
    values: tuple[Any, ...]
    chosen: int = 0

    @property
    def has_next(self) -> bool:
        """Whether the environment may still decide otherwise."""
        return self.chosen + 1 < len(self.values)

    @property
    def otherwise(self) -> "Question":
        """The same with the next value."""
        return self._replace(chosen=self.chosen + 1)

    def __str__(self) -> str:
        if self.values == (False, True):
            return self.words if self.chosen else f"not: {self.words}"
        return f"{self.words}: {self.values[self.chosen]}"


def tasks() -> list[Task]:
    """Return the tasks of all actors of the world whose step is running."""
    ledger: Any = current()._ledger
    return [struct for struct in ledger.structs if isinstance(struct, Task)]


def pending(questions: Iterable[Question | None]) -> Question | None:
    """Return the first question to which the environment may still give another answer.

    An actor that has heard its answer goes on alone, so it loses nothing by being asked about
    later: it hears its answer before the environment turns to the next actor.
    """
    return next((each for each in questions if each is not None and each.has_next), None)


class Environment(Struct):
    """The steps of asking, deciding and hearing; what was asked is in `Task.asked`."""

    @atomic("environment")
    def choose(self, words: str, *values: Any) -> None:
        """Leave open what happens: the environment may decide before the actor goes on."""
        if not any(task.decides for task in tasks()):
            raise ModelError(
                f"choose({words!r}) is awaited, but no actor of the case is the environment, so "
                "only the first answer would be explored; write "
                'actors={…, "environment": environment}, from mmviz.engine'
            )
        current().asked = Question(words, values or (False, True))

    @atomic("environment", when=lambda _: pending(task.asked for task in tasks()) is not None)
    def decide(self) -> None:
        """Decide otherwise: the actor that has asked will hear the next value."""
        for task in tasks():
            asked = task.asked
            if asked is not None and asked.has_next:
                task.asked = asked.otherwise
                return

    @atomic("environment")
    def chosen(self, words: str) -> Any:
        """Go on with what the environment has decided."""
        del words  # shown
        return hear()


_ENVIRONMENT = Environment(name="environment")


def ask(words: str, *values: Any) -> Step[None]:
    """Describe the first half of `choose`, for a step that waits for more than the environment.

    A sleep with a timeout asks, and then waits in a step of its own until it is woken or the
    environment has decided that the time is over; that step ends with `hear()`.
    """
    immutable(values, f"choose({words!r})")
    if values and len(set(values)) < max(2, len(values)):
        raise ModelError(
            f"choose({words!r}, …) has {len(values)} values; give at least two, each once, or none "
            "for False and True"
        )
    return _ENVIRONMENT.choose(words, *values)


def decided() -> Any:
    """Return what the environment has decided so far, inside a step or a guard."""
    asked: Question = current().asked
    return asked.values[asked.chosen]


def hear() -> Any:
    """Return what the environment has decided, inside a step; the question is answered now."""
    answer, current().asked = decided(), None
    return answer


async def choose(words: str, *values: Any) -> Any:
    """Return what the environment decides; the search explores every answer.

    For what a model leaves open: a failed allocation, a timeout, a signal, a speculative read.
    Two steps of the actor, between which the environment may step.

    Args:
        words: what is open, "kmalloc() fails"; the environment's step shows it.
        values: what it may be, the default first; without any, False and then True.

    Raises:
        ModelError: no actor of the case is the `environment`, or the values are not at least two
            that differ, or one is mutable.
    """
    await ask(words, *values)
    return await _ENVIRONMENT.chosen(words)


async def environment(k: Any) -> None:
    """The environment decides what the model leaves open.

    An actor, and by itself one that may idle forever.
    """
    del k
    while True:
        mark("decide")
        await _ENVIRONMENT.decide()


environment.__dict__["is_environment"] = True
ENGINE_CODE.add(choose.__code__)
