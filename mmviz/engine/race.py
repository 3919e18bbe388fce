"""Races: what the cases of one race share, and the one way to declare a case.

    race = Race(world=plug, actors={"CPU0": unplug, "CPU1": detach}, bad=(use_after_free,))

    @race.case("unlock, then release", sometimes=[use_after_free])
    class UnlockThenRelease:
        async def iommu_release_device(self, k, dev): ...

    race["UnlockThenRelease"]  # the case

The decorated class is the *variant*: the code that differs between the cases.  An actor with
a second parameter receives it, `async def unplug(k, variant)`.
"""

import inspect
import os
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import FunctionType
from typing import Any, Never, TypeVar, overload

from mmviz.engine import parts
from mmviz.engine.case import (
    DAEMONS,
    Actor,
    BadState,
    Case,
    Verdict,
    check_name,
    check_world,
    checked_actors,
    checked_bad,
    name_of,
    nearest,
)
from mmviz.engine.dial import dial_of
from mmviz.engine.errors import ModelError, UnknownName
from mmviz.engine.html import html_table, verbatim
from mmviz.engine.text import index, left_out, members, printable, quoted, several

BAD = "write sometimes=[use_after_free], a list, even for one bad state"
# What a race fills in of its cases.
SET_BY_RACE = (
    *("name", "id", "title", "bad", "expect", "scenario", "race", "declares"),
    *("closed", "dials"),
)

V = TypeVar("V", bound=Callable[..., Any])
# `async def actor(k)`, or `async def actor(k, variant)`
Role = Callable[..., Coroutine[Any, Any, Any]]


class Cases(Sequence[Case]):
    """Cases that can be had by their names, ids and numbers.

    Attributes:
        cases: in their order.
    """

    cases: Sequence[Case]

    def __len__(self) -> int:
        return len(self.cases)

    @overload
    def __getitem__(self, which: str | int) -> Case: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[Case]: ...

    def __getitem__(self, which: str | int | slice) -> Case | Sequence[Case]:
        """Return a case by its name, its id or its number; or several.

        Raises:
            UnknownName: there is none of that name; the nearest is suggested.
            IndexError: there is none of that number.
        """
        if isinstance(which, slice):
            return self.cases[which]
        if hasattr(type(which), "__index__") and not isinstance(which, bool | type):
            number, last = index(which, "the number of a case"), len(self.cases) - 1
            if not -last - 1 <= number <= last:
                raise IndexError(f"there is no case {quoted(number)}: there are cases 0 to {last}")
            return self.cases[number]
        known = {case.name: case for case in self.cases}
        known |= {case.id: case for case in self.cases if case.id and case.id not in known}
        given: Any = which
        is_variant = isinstance(given, type | FunctionType)  # it is named like its case
        return nearest(known, given.__name__ if is_variant else given, "case")


class Race(Cases):
    """A world, its actors and its bad states; each case adds the part that differs.

    It is a sequence of its cases: `race["Name"]` is one, by name or id.

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
        *others: Never,
        world: Callable[[], Any],
        actors: Mapping[str, Role],
        bad: Iterable[BadState],
        daemons: Collection[str] = (),
        **shared: Any,
    ) -> None:
        named: object = id
        where = f"race {quoted(id)[1:-1]}" if isinstance(named, str) and named else "race"
        if others or not isinstance(id, str):
            raise ModelError(
                f"{where}: only the section of the research notes stands without a name; write "
                "Race(world=…, actors={…}, bad=[…])"
            )
        check_claims(where, shared)
        check_world(where, world)
        self.id, self.world, self.actors = id, world, checked_actors(where, actors)
        self.daemons = parts.names(where, daemons, "daemons=", self.actors, DAEMONS)
        self.bad, self.shared = checked_bad(where, bad), shared
        self.cases: list[Case] = []
        self._declared_at: dict[str, tuple[str, int]] = {}  # the file and line of each case

    def __str__(self) -> str:
        count = f"a race with {several(len(self.cases), 'case')}"
        actors = f"actors {', '.join(self.actors)}; bad states {', '.join(map(name_of, self.bad))}"
        lines = (f"  {each.label:28} {each.title}".rstrip() for each in self.cases)
        return printable("\n".join([f"{count}; {actors}", *lines]))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return verbatim(case_table(self.cases))

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
            A decorator that returns what it decorates; with `of`, the case. A cell of a notebook
            that is run again declares its cases again: each takes the place of the old one.

        Raises:
            ModelError: a name is not known, is used twice, or is missing.
        """
        if not all(isinstance(word, str) for word in words):
            raise ModelError(
                f"{quoted(words[0])} is no title; write @race.case('what differs') right above the "
                "class or function, with parentheses"
            )
        caller = sys._getframe(1)
        at = (caller.f_code.co_filename, caller.f_lineno)

        def declare(variant: Any) -> Any:
            case = self.build(*words, of=variant, **claims)
            for number, known in enumerate(self.cases):
                if known.name == case.name and self._runs_again(case.name, at):
                    self.cases[number] = case
                    break
                if known.name == case.name or (case.id and known.id == case.id):
                    raise ModelError(
                        f"{case.name} ({case.id}): this race has a case {known.name} ({known.id}) "
                        "already; give one of them another name or id"
                    )
            else:
                self.cases.append(case)
            self._declared_at[case.name] = at
            return case

        if of is not None:
            return declare(of)

        def decorate(variant: V) -> V:
            declare(variant)
            return variant

        return decorate

    def dial(
        self,
        case: Any,
        *steps: str,
        why: str,
        sometimes: Collection[BadState] = (),
        always: Collection[BadState] = (),
        **ends: bool,
    ) -> None:
        """Declare what the search finds of a case when some of its steps are a load and a store.

            race.dial("CounterOnly", "inc", sometimes=[lost_update], why="both load one value")

        Args:
            case: its name, its id, or its variant.
            steps: the names of the steps that are opened, as `mmviz.opened` takes them.
            why: why that changes the verdict, or why it does not.
            sometimes: bad states that some runs violate then.
            always: bad states that every run violates then. What is not named is Never.
            ends: deadlock or livelock, True where some run ends so.

        Raises:
            UnknownName: the race has no such case, or no such bad state.
            ModelError: no step or no reason is named.
        """
        found = self[case]
        said = dial_of(found, steps, sometimes, always, why, **ends)
        others = tuple(each for each in found.dials if set(each.steps) != set(steps))
        self.cases[self.cases.index(found)] = replace(found, dials=(*others, said))

    def _runs_again(self, name: str, at: tuple[str, int]) -> bool:
        """Tell whether a case is declared by a cell that ran before, changed since or not.

        A cell has no file, and its name changes with its text.
        """
        file, line = self._declared_at[name]
        return not os.path.exists(file) and (file != at[0] or line == at[1])

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
            sometimes: bad states that some runs violate and others do not, by reference.
            always: bad states that every run violates, however it ends. What is not named is Never.
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
        if left_out(name):
            name = of.__name__ if isinstance(of, type | FunctionType) else ""
            if not name:
                raise ModelError(
                    f"{quoted(title)}: {quoted(of)} has no name of its own; write name='…'"
                )
        check_name(name)
        cast = self.actors if actors is None else checked_actors(name, actors)
        variant = of() if isinstance(of, type) else of
        check_claims(name, claims)
        claims = {"race": self} | self.shared | claims
        some, every = (
            parts.checked(name, members, each, "a list of bad states", BAD, parts.MOST_NAMED)
            for each in (sometimes, always)
        )
        said = some or every or any(map(claims.get, ("deadlock", "livelock", "states")))
        return Case(
            id="/".join(filter(None, (self.id, *section))) if section else "",
            name=name,
            title=title,
            world=self.world if world is None else world,
            actors={
                each: _played(role, variant, of if isinstance(of, type) else None)
                for each, role in cast.items()
            },
            bad=self.bad,
            expect=self._expected(name, some, every),
            daemons=parts.names(
                name, self.daemons if daemons is None else daemons, "daemons=", cast, DAEMONS
            ),
            declares=bool(said),
            **claims,
        )

    def _expected(
        self, name: str, sometimes: Collection[BadState], always: Collection[BadState]
    ) -> dict[str, Verdict]:
        """Return the verdict of every bad state: Never unless it is named."""
        expect = dict.fromkeys(map(name_of, self.bad), Verdict.NEVER)
        for verdict, bad_states in ((Verdict.SOMETIMES, sometimes), (Verdict.ALWAYS, always)):
            for bad in map(name_of, checked_bad(name, bad_states)):
                if bad not in expect:
                    raise ModelError(
                        f"{name}: {bad} is not one of the race's bad states: {', '.join(expect)}"
                    )
                if expect[bad] != Verdict.NEVER:
                    raise ModelError(f"{name}: {bad} is named twice; it is Sometimes or Always")
                expect[bad] = verdict
        return expect


def check_claims(where: str, claims: Iterable[str]) -> None:
    """Check the names of what a race or a case says of its cases.

    Raises:
        ModelError: a case has no such attribute, or the race sets it.
    """
    known = {each.name: each.name for each in fields(Case) if each.name not in SET_BY_RACE}
    known |= {name: name for name in ("sometimes", "always", "world", "actors", "daemons", "of")}
    for claim in claims:
        if claim == "expect":
            raise ModelError(
                f"{where}: expect= is for a Case built by hand; of a race's case write "
                "sometimes=[…] and always=[…], all else is Never"
            )
        if claim not in known:
            try:
                error = f"write {nearest(known, claim, 'claim')}=, not {claim}="
            except UnknownName as unknown:
                error = str(unknown)
            raise ModelError(f"{where}: {error}")


def case_table(cases: Iterable[Case]) -> str:
    """Return cases as an HTML table."""
    head = ("case", "id", "what it is", "declared")
    return html_table(head, [(each.name, each.id, each.title, each.declared) for each in cases])


@dataclass(frozen=True)
class Playing:
    """An actor of a case: its coroutine function, and the variant that it is called with.

    Attributes:
        role: the coroutine function.
        variant: the variant.
        make: makes the variant anew for each run of the code, so that it cannot remember the last.
    """

    role: Role
    variant: Any
    make: Callable[[], Any] | None = None

    def __call__(self, k: Any) -> Coroutine[Any, Any, Any]:
        """Return the coroutine of the actor in a world."""
        return self.role(k, self.variant if self.make is None else self.make())


def _played(role: Role, variant: Any, make: Callable[[], Any] | None) -> Actor:
    """Return the actor of a coroutine function, bound to the variant if it takes one."""
    if _arity(role) < 2:
        return role
    # two objects without a __dict__ cannot be seen to be equal; and they keep nothing
    return Playing(role, variant, make if hasattr(variant, "__dict__") else None)


def _arity(role: Actor | Role) -> int:
    """Return how many arguments a coroutine function requires."""
    code = getattr(role, "__code__", None)
    if code is not None:
        given = len(getattr(role, "__defaults__", None) or ())
        return int(code.co_argcount) - given
    parameters = inspect.signature(role).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters)
