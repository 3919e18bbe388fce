"""Cases: what is modelled, and what is claimed about it."""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from mmviz.engine.complaints import COMPLAINTS
from mmviz.engine.errors import ModelError, UnknownName
from mmviz.engine.html import escape, html_table


class Verdict(StrEnum):
    """What the search says of one property over all completed runs."""

    NEVER = "Never"
    SOMETIMES = "Sometimes"
    ALWAYS = "Always"
    UNKNOWN = "Unknown"


T = TypeVar("T")
P = TypeVar("P", bound=Callable[[Any], bool])
Actor = Callable[[Any], Coroutine[Any, Any, Any]]
Property = Callable[[Any], bool] | str


def at_end(prop: P) -> P:
    """Judge a property only when every actor that must finish has finished."""
    prop.__dict__["at_end"] = True
    return prop


def name_of(prop: Property) -> str:
    """Return a property's name: the predicate's, or the word itself."""
    return prop if isinstance(prop, str) else prop.__name__


def sentence_of(prop: Property) -> str:
    """Return what a property says, for people."""
    if isinstance(prop, str):
        return COMPLAINTS.get(prop, prop.replace("_", " "))
    lines = (inspect.getdoc(prop) or prop.__name__.replace("_", " ")).splitlines()
    return lines[0].rstrip(".")


def expecting(
    bad: Iterable[Property], verdicts: Mapping[Any, Verdict] | None = None, **more: Verdict
) -> dict[str, Verdict]:
    """Return what a case claims of each bad state: Never, save for those named.

    Args:
        bad: the bad states.
        verdicts: what is claimed of some of them, by name or by the predicate itself.
        **more: the same, as keywords.

    Raises:
        ModelError: a name is not among `bad`.

    Example:
        expect=expecting(BAD, device_reads_freed_page=Verdict.SOMETIMES)
    """
    claimed = dict.fromkeys(map(name_of, bad), Verdict.NEVER)
    named = {name_of(prop): verdict for prop, verdict in {**(verdicts or {}), **more}.items()}
    for name in named:
        if name not in claimed:
            raise ModelError(
                f"{name} is expected, but not among the bad states: {', '.join(claimed)}"
            )
    return claimed | named


KINDS = ("race", "ordering", "contract")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One variant of a race: the bug as shipped, a tempting fix, the merged fix.

    Attributes:
        name: the idea, in one word, `RetryUnderLock`.
        id: section and variant of the research notes, "MN-E/E6".
        title: one line for people.
        world: builds a fresh world, the same every time.
        actors: who acts; names are one word ("CPU0", "GPU"), values `async def` functions
            of the world.
        bad: the named bad states, `def device_reads_freed_page(k) -> bool`, or the names of
            complaints that steps raise ("sleeps_in_atomic").
        expect: the declared verdict of every property.
        states: the declared number of reachable states.
        daemons: actors that may idle for ever (devices); a run is complete without them.
        stuck: some run is declared to end in a deadlock.
        livelock: some fair run is declared never to end.
        schedules: runs worth a name, each the text of a schedule.
        promise: the invariant in words, if this case needs other words than its scenario.
        note: what to say beside the verdict.
        kind: "race"; or "ordering" where one thread alone gets it wrong; or "contract" where the
            bad state is what the parties agreed on ("not coherent", not "bug").
        shipped: the first and the last kernel release that behaved so, ("v5.2", "v5.4"); "" as the
            last while it still does; None when no release ever did.
        proposed: when and where it was first said, the day and the message or commit:
            ("2022-08-31", "<20220831013638.…@nvidia.com>") or ("2017-08-29", "0f10851ea475");
            None for what nobody proposed there (thought up to show something).
        memory: the memory model in a few words, "total store order"; by default, what the
            scenario's text says. `memory_model` says it where there is no scenario, too.
        scenario: "thread/race"; filled in when the scenario is loaded.
    """

    name: str
    id: str
    title: str
    world: Callable[[], Any]
    actors: Mapping[str, Actor]
    bad: tuple[Property, ...]
    expect: Mapping[str, Verdict]
    states: int = 0
    daemons: tuple[str, ...] = ()
    stuck: bool = False
    livelock: bool = False
    schedules: Mapping[str, str] = field(default_factory=dict)
    promise: str = ""
    note: str = ""
    kind: str = "race"
    shipped: tuple[str, str] | None = None
    proposed: tuple[str, str] | None = None
    memory: str = ""
    scenario: str = ""

    def __post_init__(self) -> None:
        """Hold the parts to each other.

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
        if self.proposed and not re.fullmatch(r"\d{4}-\d\d-\d\d", self.proposed[0]):
            raise ModelError(
                f"{self.name}: proposed on {self.proposed[0]!r}, which is no YYYY-MM-DD"
            )
        missing = {name_of(p) for p in self.bad} ^ set(self.expect)
        if missing:
            raise ModelError(
                f"{self.name}: `bad` and `expect` do not name the same properties: "
                + ", ".join(sorted(missing))
            )

    @property
    def properties(self) -> tuple[str, ...]:
        """The names of the bad states, in the order declared."""
        return tuple(name_of(prop) for prop in self.bad)

    @property
    def memory_model(self) -> str:
        """The memory model in a few words; sequential consistency where nothing else is said."""
        return self.memory or "sequentially consistent"

    def sentence(self, prop: str) -> str:
        """Return in words what is wrong when `prop` is violated."""
        for each in self.bad:
            if name_of(each) == prop:
                return sentence_of(each)
        return sentence_of(prop)

    @property
    def declared(self) -> str:
        """What the case claims, in one line."""
        claims = [f"{prop}: {verdict}" for prop, verdict in self.expect.items()]
        claims += ["some run gets stuck"] if self.stuck else []
        claims += ["some fair run never ends"] if self.livelock else []
        return ", ".join(claims)

    def __str__(self) -> str:
        return f"{self.name} ({self.id}): {self.title}\n  declared: {self.declared}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [(prop, self.sentence(prop), str(v)) for prop, v in self.expect.items()]
        rows += [("stuck", "Nobody can move, and somebody has not finished", "Sometimes")] * (
            self.stuck
        )
        head = f"<strong>{escape(self.name)}</strong> ({escape(self.id)}): {escape(self.title)}"
        return head + html_table(("what may go wrong", "in words", "declared"), rows)


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
