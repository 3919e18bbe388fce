"""Races: what the cases of one race share, and the one way to declare a case.

    race = Race(world=plug, actors={"CPU0": unplug, "CPU1": detach}, bad=(use_after_free,))

    @race.case("unlock, then release", sometimes=[use_after_free])
    class UnlockThenRelease:
        async def iommu_release_device(self, k, dev): ...

The decorated class is the *variant*: the code that differs between the cases.  An actor with
a second parameter receives it, `async def unplug(k, variant)`.
"""

import inspect
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from mmviz.engine.case import Actor, BadState, Case, Verdict, name_of
from mmviz.engine.errors import ModelError

V = TypeVar("V", bound=Callable[..., Any])
# `async def actor(k)`, or `async def actor(k, variant)`
Role = Callable[..., Coroutine[Any, Any, Any]]


class Race:
    """A world, its actors and its bad states; each case adds the part that differs.

    Args:
        id: the section of the research notes, "B1"; a case's own id follows it.
        world: builds a fresh world, the same every time.
        actors: name -> `async def actor(k)`, or `async def actor(k, variant)`.
        bad: the bad states that every case is judged by: predicates of the world, or the names
            of complaints that steps raise ("sleeps_in_atomic").
        daemons: actors that may idle forever (devices); a run is complete without them.
        shared: any other attribute of `Case` that all cases have in common, memory="…".

    Attributes:
        cases: those declared so far, in the order of the file.
    """

    def __init__(
        self,
        id: str = "",
        *,
        world: Callable[[], Any],
        actors: Mapping[str, Role],
        bad: Iterable[BadState],
        daemons: Collection[str] = (),
        **shared: Any,
    ) -> None:
        self.id, self.world, self.actors = id, world, dict(actors)
        self.bad, self.daemons, self.shared = tuple(bad), tuple(daemons), shared
        self.cases: list[Case] = []

    @overload
    def case(self, *words: str, of: None = None, **claims: Any) -> Callable[[V], V]: ...
    @overload
    def case(self, *words: str, of: Any, **claims: Any) -> Case: ...

    def case(self, *words: str, of: Any = None, **claims: Any) -> Any:
        """Declare a case on the class (or async function) that is its variant.

        Args:
            words: the title; in the catalogue the variant of the research notes comes
                before it, case("n3", "as proposed: unlock, then release").
            of: the variant, where it already has a case of its own; then the case is declared
                at once and returned, and needs a `name`.
            claims: as `build` takes them.

        Returns:
            A decorator that returns what it decorates; with `of`, the case.

        Raises:
            ModelError: a name is not known, is used twice, or is missing.
        """

        def declare(variant: Any) -> Any:
            case = self.build(*words, of=variant, **claims)
            for known in self.cases:
                if known.name == case.name or (case.id and known.id == case.id):
                    raise ModelError(
                        f"{case.name} ({case.id}): this race has a case {known.name} ({known.id}) "
                        "already; give one of them another name or id"
                    )
            self.cases.append(case)
            return case

        if of is not None:
            return declare(of)

        def decorate(variant: V) -> V:
            declare(variant)
            return variant

        return decorate

    def build(
        self,
        *words: str,
        of: Any,
        name: str = "",
        sometimes: Collection[BadState] = (),
        always: Collection[BadState] = (),
        world: Callable[[], Any] | None = None,
        actors: Mapping[str, Role] | None = None,
        daemons: Collection[str] | None = None,
        **claims: Any,
    ) -> Case:
        """Return a case without declaring it.

        Args:
            words: as in `case`.
            of: the variant; of a class the one instance that its actors share.
            name: the case's name; by default the variant's.
            sometimes: bad states that some completed run violates, by reference.
            always: bad states that every completed run violates. What is not named is Never.
            world: where the case has another one than the race.
            actors: where it has others; all of them, as the race's.
            daemons: where it has others.
            claims: any other attribute of `Case`: deadlock, livelock, states, schedules, source,
                note, kind, memory, promise.

        Raises:
            ModelError: a bad state is not one of the race's, or the case has no name.
        """
        if not 1 <= len(words) <= 2:
            raise ModelError(
                f"a case is declared with a line for people, case('unlock too early'), and "
                f"before it at most the id of the research notes; this one has {words!r}"
            )
        *section, title = words
        name = name or getattr(of, "__name__", "")
        if not name:
            raise ModelError(f"{title!r}: {of!r} has no name of its own; write name='…'")
        variant = of() if isinstance(of, type) else of
        return Case(
            id="/".join(filter(None, (self.id, *section))) if section else "",
            name=name,
            title=title,
            world=world or self.world,
            actors={each: _played(role, variant) for each, role in (actors or self.actors).items()},
            bad=self.bad,
            expect=self._expected(name, sometimes, always),
            daemons=self.daemons if daemons is None else tuple(daemons),
            **(self.shared | claims),
        )

    def _expected(
        self, name: str, sometimes: Collection[BadState], always: Collection[BadState]
    ) -> dict[str, Verdict]:
        """Return the verdict of every bad state: Never unless it is named."""
        expect = dict.fromkeys(map(name_of, self.bad), Verdict.NEVER)
        for verdict, bad_states in ((Verdict.SOMETIMES, sometimes), (Verdict.ALWAYS, always)):
            if isinstance(bad_states, str):
                raise ModelError(f"{name}: write [{bad_states}], a list, even for one bad state")
            for bad in map(name_of, bad_states):
                if bad not in expect:
                    raise ModelError(
                        f"{name}: {bad} is not one of the race's bad states: {', '.join(expect)}"
                    )
                if expect[bad] != Verdict.NEVER:
                    raise ModelError(f"{name}: {bad} is named twice; it is Sometimes or Always")
                expect[bad] = verdict
        return expect


@dataclass(frozen=True)
class Playing:
    """An actor of a case: its coroutine function, and the variant that it is called with."""

    role: Role
    variant: Any

    def __call__(self, k: Any) -> Coroutine[Any, Any, Any]:
        """Return the coroutine of the actor in a world."""
        return self.role(k, self.variant)


def _played(role: Role, variant: Any) -> Actor:
    """Return the actor of a coroutine function, bound to the variant if it takes one."""
    return Playing(role, variant) if _arity(role) > 1 else role


def _arity(role: Actor | Role) -> int:
    """Return how many arguments a coroutine function requires."""
    code = getattr(role, "__code__", None)
    if code is not None:
        given = len(getattr(role, "__defaults__", None) or ())
        return int(code.co_argcount) - given
    parameters = inspect.signature(role).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters)
