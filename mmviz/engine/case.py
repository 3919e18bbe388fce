"""Cases: what is modelled, and what is claimed about it."""

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from mmviz.engine.errors import ModelError, UnknownName
from mmviz.engine.html import escape, html_table


class Verdict(StrEnum):
    """What the search says about one bad state."""

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


def name_of(bad_state: BadState) -> str:
    """Return a bad state's name: the predicate's, or the word itself."""
    return bad_state if isinstance(bad_state, str) else bad_state.__name__


def sentence_of(bad_state: BadState) -> str:
    """Return the sentence of a bad state."""
    if isinstance(bad_state, str):
        return SENTENCES.get(bad_state, bad_state.replace("_", " "))
    lines = (inspect.getdoc(bad_state) or bad_state.__name__.replace("_", " ")).splitlines()
    return lines[0].rstrip(".")


DEADLOCK = "No actor can take a step, and not all have finished"
LIVELOCK = "Every actor keeps running, yet the run never completes"
KINDS = ("race", "ordering", "contract")


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
        daemons: actors that may idle forever (devices); a run is complete without them.
        deadlock: some run is declared to end in a deadlock.
        livelock: some run is declared never to complete, although every actor keeps running.
        schedules: named runs, each the text of a schedule.
        promise: the invariant in words, where it differs from the scenario's.
        note: a remark shown beside the verdict.
        kind: "race"; or "ordering" where a single thread fails; or "contract" where the parties
            accepted the bad state ("not coherent", not "bug").
        source: where the variant comes from; the engine only hands it on. In the catalogue an
            `mmviz.kernel.provenance.Provenance`.
        memory: the memory model in a few words, "total store order"; by default, what the
            scenario's text says. `memory_model` says it where there is no scenario, too.
        scenario: "thread/race"; filled in when the scenario is loaded.
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
    scenario: str = ""

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ModelError: names do not fit.
        """
        for actor in self.actors:
            if not re.fullmatch(r"[^\s,*\[\]\"']+", actor) or actor.isdigit():
                raise ModelError(
                    f"{self.name}: actor {actor!r} cannot stand in a schedule; "
                    "use one word such as CPU0 or GPU"
                )
        for daemon in self.daemons:
            if daemon not in self.actors:
                raise ModelError(f"{self.name}: daemon {daemon!r} is not one of its actors")
        if self.kind not in KINDS:
            raise ModelError(f"{self.name}: kind {self.kind!r} is none of {', '.join(KINDS)}")
        for bad_state in self.expect:
            if bad_state not in self.bad_states:
                raise ModelError(
                    f"{self.name}: {bad_state} is expected, but not among the bad states: "
                    + ", ".join(self.bad_states)
                )
        never = dict.fromkeys(self.bad_states, Verdict.NEVER)
        object.__setattr__(self, "expect", never | dict(self.expect))

    @property
    def bad_states(self) -> tuple[str, ...]:
        """The names of the bad states, in the order declared."""
        return tuple(name_of(bad_state) for bad_state in self.bad)

    @property
    def memory_model(self) -> str:
        """The memory model in a few words; sequential consistency where nothing else is said."""
        return self.memory or "sequentially consistent"

    def sentence(self, bad_state: str) -> str:
        """Return the sentence that says what is wrong when `bad_state` holds."""
        for each in self.bad:
            if name_of(each) == bad_state:
                return sentence_of(each)
        return sentence_of(bad_state)

    @property
    def declared(self) -> str:
        """What the case claims, in one line."""
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
        return f"{self.headline}\n  declared: {self.declared}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [
            (bad_state, self.sentence(bad_state), str(v)) for bad_state, v in self.expect.items()
        ]
        rows += [("deadlock", DEADLOCK, "Sometimes")] * (self.deadlock)
        return f"<strong>{escape(self.headline)}</strong>" + html_table(
            ("what may go wrong", "in words", "declared"), rows
        )


def nearest(known: Mapping[str, T], name: str, what: str) -> T:
    """Return `known[name]`, forgiving case.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
    """
    name = str(name)  # a reader may have left out the quotes
    if name in known:
        return known[name]
    folded = {key.lower(): key for key in known}
    if name.lower() in folded:
        return known[folded[name.lower()]]
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.4)
    hint = ", ".join(folded[key] for key in close) or ", ".join(list(known)[:8])
    raise UnknownName(f"there is no {what} {name!r}; did you mean {hint}?")
