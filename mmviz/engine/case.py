"""Cases: what is modelled, and what is claimed about it."""

import inspect
import re
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeGuard, TypeVar

from mmviz.engine import parts
from mmviz.engine.errors import ModelError, UnknownName
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.text import LONGEST, members, printable, quoted, written


class Verdict(StrEnum):
    """What the search says about one bad state.

    A *maximal run* goes on until it cannot: it completes (every actor that must finish has
    finished), an Oops stops the machine, it deadlocks (no thread can ever step again, and not all
    have finished), or it is a livelock (it goes on forever although every actor that is enabled
    infinitely often runs, and not all finish).  Devices may idle at any time.

    Attributes:
        NEVER: no run reaches the bad state.  An `@at_end` bad state is judged in completed runs
            only; if no run completes it is Never here, and reports print "Not judged".
        SOMETIMES: some run reaches it, and some maximal run does not.  After a search that was cut
            off: some run reaches it, and whether every one does is not known.
        ALWAYS: every maximal run reaches it, however the run ends.
        UNKNOWN: the search was cut off before any run reached it.

    A declared verdict is compared with these; "Not judged" agrees with a declared Never.
    """

    NEVER = "Never"
    SOMETIMES = "Sometimes"
    ALWAYS = "Always"
    UNKNOWN = "Unknown"


T = TypeVar("T")
P = TypeVar("P", bound=Callable[[Any], bool])
Actor = Callable[[Any], Coroutine[Any, Any, Any]]
BadState = Callable[[Any], bool] | str


SENTENCES = {
    "use_after_free": (
        "Code accesses an object that has been freed: its memory may have another owner by now"
    ),
    "returns_holding_lock": (
        "An actor finishes although it still holds a lock, or is still in a read section"
    ),
}
"""What each complaint means, by its name; models add theirs with `complaint`."""


def complaint(name: str, sentence: str) -> str:
    """Register the meaning of a complaint that steps raise with `warn()` or `Oops`.

    A bad state that is a predicate has its sentence in its docstring; one that steps raise has
    it here.

    Returns:
        The name.

    Raises:
        ModelError: the name already has another meaning.
    """
    if SENTENCES.setdefault(name, sentence) != sentence:
        raise ModelError(f"the complaint {name} means something else already: {SENTENCES[name]}")
    return name


def at_end(bad_state: P) -> P:
    """Judge a bad state only when every actor that must finish has finished."""
    bad_state.__dict__["at_end"] = True
    return bad_state


def bad(*, witness: Callable[[Any], Iterable[Any]] | Iterable[str]) -> Callable[[P], P]:
    """Name what to show as wrong when a bad state is violated.

        @bad(witness=lambda k: [k.page, "cpu.pte[0x1000]"])
        def device_reads_freed_page(k): ...

    By default the fields that decide it are found from what it reads.

    Args:
        witness: paths of fields; or a function of the world that returns paths, and objects, which
            stand for those of their fields that the bad state reads, or else for all of them.

    Returns:
        A decorator of the bad state, which goes on returning True or False.

    Raises:
        ModelError: `witness` is neither, or it stands without a name.
    """
    if isinstance(witness, str | bytes) or not (callable(witness) or isinstance(witness, Iterable)):
        raise ModelError(
            f"@bad(witness={quoted(witness)}): write the paths of fields in a list, "
            'witness=["cpu.pte[0x1000]"], or a function of the world that returns such a list'
        )
    named = witness if callable(witness) else tuple(witness)

    def decorate(bad_state: P) -> P:
        bad_state.__dict__["witness"] = named
        return bad_state

    return decorate


def name_of(bad_state: BadState) -> str:
    """Return a bad state's name: the predicate's, or the word itself."""
    return bad_state if isinstance(bad_state, str) else bad_state.__name__


def sentence_of(bad_state: BadState) -> str:
    """Return the sentence of a bad state."""
    if isinstance(bad_state, str):
        return printable(SENTENCES.get(bad_state, bad_state.replace("_", " ")))
    lines = (inspect.getdoc(bad_state) or bad_state.__name__.replace("_", " ")).splitlines()
    return printable(lines[0].rstrip("."))


def check_name(name: Any) -> None:
    """Check the name of a case.

    Raises:
        ModelError: it is not one short line of text.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MOST_LETTERS or not name.isprintable():
        raise ModelError(
            f"{quoted(name)} is not the name of a case; write one line of 1 to {MOST_LETTERS} "
            "characters, name='UnlockTooEarly'"
        )


def check_world(where: str, world: Any) -> None:
    """Check what builds the world of the case or race called `where`.

    Raises:
        ModelError: it cannot be called.
    """
    if not callable(world) or world is type or isinstance(world, BuiltinFunctionType):
        raise ModelError(
            f"{where}: world={quoted(world)} does not make a world; write its class, or a "
            "function that builds a new one each time, world=MyWorld"
        )


def checked_actors(where: str, actors: Any) -> dict[str, Any]:
    """Return the actors of the case or race called `where`.

    Raises:
        ModelError: they are not functions by name, or a name cannot stand in a schedule.
    """
    if not isinstance(actors, Mapping):
        raise ModelError(
            f"{where}: actors={quoted(actors)} does not map names to functions; write "
            'actors={"CPU0": fault, "CPU1": invalidate}'
        )
    for name, actor in actors.items():
        is_word = isinstance(name, str) and len(name) <= MOST_LETTERS and name.isprintable()
        if not is_word or not re.fullmatch(r"[^\s,*\[\]\"']+", name) or name.isdigit():
            raise ModelError(
                f"{where}: actor {quoted(name)} cannot stand in a schedule; "
                "use one word such as CPU0 or GPU"
            )
        if not callable(actor) or isinstance(actor, type):
            raise ModelError(
                f"{where}: actor {name} is {quoted(actor)}, not a function; "
                "write `async def`, and give the function without calling it"
            )
    return dict(actors)


def checked_bad(where: str, bad: Any) -> tuple[BadState, ...]:
    """Return the bad states of the case or race called `where`.

    Raises:
        ModelError: they are not a list, or one is neither a predicate nor a complaint's name.
    """
    if isinstance(bad, str | bytes | Mapping) or not isinstance(bad, Iterable):
        instead = bad.__name__ if is_predicate(bad) else "page_is_lost"
        raise ModelError(
            f"{where}: bad={quoted(bad)} is not a list; write bad=[{instead}], even for one"
        )
    instead = "write bad=[page_is_lost]"
    states = tuple(parts.checked(where, members, bad, "bad", instead, parts.MOST_NAMED))
    for each in states:
        is_name = isinstance(each, str) and 0 < len(each) <= MOST_LETTERS and each.isprintable()
        if not is_name and not is_predicate(each):
            raise ModelError(
                f"{where}: {quoted(each)} is not a bad state; write a function of the world that "
                'returns True or False, or a complaint\'s name such as "use_after_free"'
            )
        if isinstance(each, FunctionType):
            _check_predicate(where, each)
    return tuple(str.__str__(each) if isinstance(each, str) else each for each in states)


def is_predicate(value: Any) -> TypeGuard[FunctionType]:
    """Tell whether a value can be called with the world and has a name of its own."""
    if isinstance(value, BuiltinFunctionType | type) or not callable(value):
        return False
    try:
        return isinstance(value.__name__, str)
    except Exception:  # an object may do anything when it is asked
        return False


def _check_predicate(where: str, bad_state: FunctionType) -> None:
    """Refuse a bad state that is async, or that cannot be called with the world alone."""
    code, name = bad_state.__code__, bad_state.__name__
    keywords = bad_state.__kwdefaults__ or {}
    required = code.co_argcount - len(bad_state.__defaults__ or ())
    only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    takes_more = any(each not in keywords for each in only)
    takes_any = bool(code.co_flags & inspect.CO_VARARGS) and not required
    wrong = ""
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
        wrong = "is async, or has a yield, so what it returns is always true"
    elif takes_more or not (required == 1 or takes_any or (not required and code.co_argcount)):
        names = ", ".join(code.co_varnames[: code.co_argcount]) or "nothing"
        wrong = f"takes {names}, and is called with the world"
    if wrong:
        raise ModelError(
            f"{where}: the bad state {name} {wrong}. Write def {name}(k), which only looks at the "
            "world and returns True or False",
            line=(code.co_filename, code.co_name, code.co_firstlineno),
        )


DEADLOCK = "No actor can take a step, and not all have finished"
LIVELOCK = "Every actor keeps running, yet the run never completes"
MOST_LETTERS = 200  # of a name
TEXTS = ("id", "title", "promise", "note", "memory", "scenario")
SCHEDULES = 'write schedules={"as shipped": "CPU0*3 CPU1"}'
DAEMONS = 'write daemons=["GPU"]'
EXPECT = 'write expect={"use_after_free": Verdict.SOMETIMES}'


@dataclass(frozen=True, kw_only=True)
class Case:
    """One variant of a race: the bug as shipped, a tempting fix, the merged fix.

    Attributes:
        name: the idea, in one word, `RetryUnderLock`.
        world: builds a fresh world, the same every time.
        actors: names are one word ("CPU0", "GPU"), values `async def` functions
            of the world.
        bad: the named bad states, `def device_reads_freed_page(k) -> bool`, or the names of
            complaints that steps raise ("sleeps_in_atomic").
        id: section and variant of the research notes, "MN-E/E6"; "" without notes.
        title: one line for readers.
        expect: the declared verdicts; a bad state that is not named is declared Never.
        states: the declared number of reachable states.
        daemons: actors that may idle forever (devices); a run is complete without them. The
            `environment` is one by itself.
        deadlock: some run is declared to end in a deadlock.
        livelock: some run is declared never to complete, although every actor keeps running.
        schedules: named runs, each the text of a schedule.
        promise: the invariant in words, where it differs from the scenario's.
        note: a remark shown beside the verdict.
        kind: "race"; or "ordering" where a single thread fails; or "contract" where the parties
            accepted the bad state ("not coherent", not "bug"); or "diagram" where steps are shown
            as they were drawn, and nothing is claimed.
        source: where the variant comes from; the engine only hands it on. In the catalogue an
            `mmviz.kernel.provenance.Provenance`.
        memory: the memory model in a few words, "total store order"; by default, what the
            scenario's text says. `memory_model` says it where there is no scenario, too.
        interchangeable: groups of actors that may change places: ("GPU0", "GPU1"), with the objects
            that go with each, ("CPU0 pages[0]", "CPU1 pages[1]").  One order stands for all in the
            search, which checks the declaration; runs, graphs and stages take every order.
        opens: the names of the steps that are a load and a store, not one atomic action
            (mmviz/engine/opened.py).
        closed: the case of which this one is a copy with steps opened.
        dials: what its race says of it with some steps opened, see `Race.dial`.
        scenario: "thread/race"; filled in when the scenario is loaded.
        race: the `Race` or the `Scenario` that it is a case of; each fills it in. None for a case
            built by hand.
        declares: whether it says what the search will find; found out from `expect`, `deadlock`,
            `livelock` and `states` as they are given.
    """

    name: str
    world: Callable[[], Any]
    actors: Mapping[str, Actor]
    bad: tuple[BadState, ...]
    id: str = ""
    title: str = ""
    expect: Mapping[str, Verdict] = field(default_factory=dict)
    states: int = 0
    daemons: tuple[str, ...] = ()
    deadlock: bool = False
    livelock: bool = False
    schedules: Mapping[str, str] = field(default_factory=dict)
    promise: str = ""
    note: str = ""
    kind: str = "race"
    source: Any = None
    memory: str = ""
    interchangeable: tuple[tuple[str, ...], ...] = ()
    opens: tuple[str, ...] = ()
    scenario: str = ""
    # Any: a Case; and Dials, which are about cases.
    closed: Any = field(default=None, compare=False, repr=False)
    dials: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    # Any: a Race or a Scenario, which are built from cases.
    race: Any = field(default=None, compare=False, repr=False)
    declares: bool | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ModelError: a part is not what it has to be, or names do not fit.
        """
        check_name(self.name)
        check_world(self.name, self.world)
        object.__setattr__(self, "actors", checked_actors(self.name, self.actors))
        object.__setattr__(self, "bad", checked_bad(self.name, self.bad))
        where, own = self.name, object.__setattr__
        parts.texts(where, {name: getattr(self, name) for name in TEXTS})
        parts.kind(where, self.kind)
        for name in ("deadlock", "livelock"):
            parts.flag(where, getattr(self, name), name)
        own(self, "states", parts.count(where, self.states))
        own(self, "schedules", parts.by_name(where, self.schedules, "schedules", SCHEDULES))
        own(self, "interchangeable", parts.groups(where, self.interchangeable))
        own(self, "opens", parts.steps(where, self.opens))
        daemons = parts.names(where, self.daemons, "daemons=", self.actors, DAEMONS)
        expect = parts.by_name(where, self.expect, "expect", EXPECT)
        twice = sorted({name for name in self.bad_states if self.bad_states.count(name) > 1})
        if twice:
            raise ModelError(
                f"{self.name}: two bad states are called {twice[0]}, so they would have one "
                "verdict. Write each as a def with a name of its own"
            )
        idle = (name for name in self.environment if name not in daemons)
        own(self, "daemons", (*daemons, *idle))
        for bad_state, verdict in expect.items():
            if bad_state not in self.bad_states:
                raise ModelError(
                    f"{where}: {quoted(bad_state)} is expected, but not among the bad states: "
                    + ", ".join(self.bad_states)
                )
            if not isinstance(verdict, str) or verdict not in list(Verdict):
                raise ModelError(
                    f"{where}: {bad_state} is expected {quoted(verdict)}, which is no verdict; "
                    "write Verdict.SOMETIMES"
                )
        never = dict.fromkeys(self.bad_states, Verdict.NEVER)
        wrong = set(expect.values()) - {Verdict.NEVER} or self.deadlock or self.livelock
        said = self.declares or wrong or self.states or (self.declares is None and expect)
        own(self, "declares", bool(said))
        own(self, "expect", never | expect)

    @property
    def is_held(self) -> bool:
        """Whether a search compares what it finds: the case declares something, or its race does.

        In a race in which one case says what goes wrong, the others say that nothing does.
        """
        return bool(self.declares or any(each.declares for each in self.race or ()))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the race: it carries a module, which cannot be pickled, and all its cases."""
        return {name: value for name, value in vars(self).items() if name != "race"}

    @property
    def environment(self) -> tuple[str, ...]:
        """The actors that decide what the model leaves open (mmviz/engine/choose.py)."""
        return tuple(
            name for name, actor in self.actors.items() if getattr(actor, "is_environment", False)
        )

    @property
    def bad_states(self) -> tuple[str, ...]:
        """The names of the bad states, in the order declared."""
        return tuple(name_of(bad_state) for bad_state in self.bad)

    @property
    def memory_model(self) -> str:
        """The memory model in a few words; sequential consistency where nothing else is said."""
        return self.memory or "sequentially consistent"

    def sentence(self, bad_state: str) -> str:
        """Return the sentence that says what is wrong when `bad_state` holds.

        Raises:
            MmvizError: it is not the name of a bad state or of a complaint.
        """
        written(bad_state, "the name of a bad state")
        for each in self.bad:
            if name_of(each) == bad_state:
                return sentence_of(each)
        return sentence_of(bad_state)

    @property
    def expression(self) -> str:
        """Python that stands for the case, to be pasted where the reader works.

        `mmviz.find('thread/race', 'Name')` for a case of a file, and for any other the variable
        of the notebook that holds it or its race, `mine['Name']`. "" where no variable does.
        """
        race = self.race
        if self.closed is not None:
            own = self.opens[len(self.closed.opens) :]
            of = self.closed.expression
            return f"mmviz.opened({', '.join([of, *map(repr, own)])})" if of else ""
        if race is not None and not any(each == self for each in race.cases):
            race = None  # a copy with other parts: its name would lead to the original
        elif self.scenario and (race is None or getattr(race, "module", None) is not None):
            return f"mmviz.find({self.scenario!r}, {self.name!r})"
        home: str = getattr(self.world, "__module__", "")
        homes = {"__main__": ""} | ({} if home == "__main__" else {home: f"{home}."})
        for module, path in homes.items():
            there = vars(sys.modules[module]) if module in sys.modules else {}
            for name, value in list(there.items()):
                if name.startswith("_"):
                    continue  # among them what IPython remembers of the results of cells
                if value is self:
                    return path + name
                if race is not None and value is race:
                    return f"{path}{name}[{self.name!r}]"
        return ""

    @property
    def is_drawing(self) -> bool:
        """Whether its steps are shown as they were drawn, and nothing is claimed."""
        return self.kind == "diagram"

    @property
    def declared(self) -> str:
        """What the case claims, in one line."""
        if not self.is_held:
            return "nothing"
        claims = [f"{bad_state}: {verdict}" for bad_state, verdict in self.expect.items()]
        claims += ["some run deadlocks"] if self.deadlock else []
        claims += ["some run is a livelock"] if self.livelock else []
        return ", ".join(claims)

    @property
    def label(self) -> str:
        """The name, with the id of the research notes if there is one."""
        return f"{self.name} ({self.id})" if self.id else self.name

    @property
    def headline(self) -> str:
        """The name, the id and the title, in one line."""
        return f"{self.label}: {self.title}" if self.title else self.label

    def __str__(self) -> str:
        return printable(f"{self.headline}\n  declared: {self.declared}")

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [
            (bad_state, self.sentence(bad_state), str(v)) for bad_state, v in self.expect.items()
        ]
        rows += [("deadlock", DEADLOCK, "some run")] * self.deadlock
        rows += [("livelock", LIVELOCK, "some run")] * self.livelock
        return verbatim(
            f"<strong>{escape(self.headline)}</strong>"
            + html_table(("what may go wrong", "in words", "declared"), rows)
        )


def nearest(known: Mapping[str, T], name: Any, what: str) -> T:
    """Return `known[name]`, forgiving case.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
    """
    if not isinstance(name, str):
        name = quoted(name)  # a reader may have left out the quotes
    if name in known:
        return known[name]
    folded = {key.lower(): key for key in known}
    if name.lower() in folded:
        return known[folded[name.lower()]]
    import difflib  # only a mistake needs it

    asked = name.lower()[:LONGEST]
    close = difflib.get_close_matches(asked, folded, n=3, cutoff=0.4)
    hint = ", ".join(folded[key] for key in close) or ", ".join(list(known)[:8])
    raise UnknownName(f"there is no {what} {quoted(name)}; did you mean {hint}?")
