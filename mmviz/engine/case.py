"""Cases and scenarios: what is modelled, and what is claimed about it."""

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import ModuleType
from typing import Any, TypeVar

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


COMPLAINTS = {
    "use_after_free": "Kernel code touches an object after it was freed",
    "sleeps_in_atomic": "A function that may sleep is called where sleeping is forbidden",
    "refcount_underflow": "A reference is put more often than it was taken",
    "refcount_resurrected": "A reference is taken on an object whose count already was zero",
    "unlock_not_owner": "A lock is released by somebody who does not hold it",
    "null_dereference": "Kernel code follows a NULL pointer",
    "attach_after_release": "The core attaches a device whose driver data is gone",
    "user_fills_kernel_log": "A user makes the kernel print errors at will",
}


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
        memory: the memory model in a few words, "total store order"; filled in from the
            scenario's text when it is loaded.
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
    memory: str = "sequentially consistent"
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


SECTIONS = ("Promise", "Memory model", "Simplified", "Sources")


@dataclass(frozen=True)
class Scenario:
    """One race: its story, its cases and where it comes from.

    Attributes:
        name: "thread/race", from the module's place.
        module: the file; its docstring holds the text, its CASES the cases.
        title: the docstring's first line.
        story: what happens and what goes wrong.
        promise: the invariant in words, shown green until it breaks.
        memory_model: what the search assumes of memory.
        simplified: what the model leaves out.
        sources: message ids, kernel files and functions, commits.
        cases: bug, tempting fix, right fix.
    """

    name: str
    module: ModuleType
    title: str
    story: str
    promise: str
    memory_model: str
    simplified: str
    sources: str
    cases: tuple[Case, ...]

    @classmethod
    def of(cls, name: str, module: ModuleType) -> "Scenario":
        """Read a scenario from its module.

        Raises:
            ModelError: the docstring lacks a section, or there are no cases.
        """
        text = inspect.getdoc(module) or ""
        heads = "|".join(SECTIONS)
        parts = re.split(rf"^({heads}):[ \t]*", text, flags=re.MULTILINE)
        found = {
            head: inspect.cleandoc(body)
            for head, body in zip(parts[1::2], parts[2::2], strict=True)
        }
        lost = [head for head in SECTIONS if not found.get(head)]
        if lost or not getattr(module, "CASES", None):
            lack = ", ".join(f"'{head}:'" for head in lost) or "CASES"
            raise ModelError(f"{module.__name__}: the scenario lacks {lack}")
        title, _, story = parts[0].partition("\n")
        promise = " ".join(found["Promise"].split())
        memory = re.split(r"[;,.:]", " ".join(found["Memory model"].split()))[0]
        return cls(
            name=name,
            module=module,
            title=title.rstrip("."),
            story=story.strip(),
            promise=promise,
            memory_model=" ".join(found["Memory model"].split()),
            simplified=found["Simplified"],
            sources=found["Sources"],
            cases=tuple(
                replace(case, scenario=name, promise=case.promise or promise, memory=memory)
                for case in module.CASES
            ),
        )

    def case(self, name: str) -> Case:
        """Return the case of that name or id.

        Raises:
            UnknownName: there is none; the nearest is suggested.
        """
        by_id = {case.id: case for case in self.cases}
        return nearest(by_id | {case.name: case for case in self.cases}, name, "case")

    def __str__(self) -> str:
        cases = "\n".join(f"  {case.name:28} {case.id:10} {case.title}" for case in self.cases)
        return f"{self.name}: {self.title}\n\n{self.story}\n\nPromise: {self.promise}\n\n{cases}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [(case.name, case.id, case.title, case.declared) for case in self.cases]
        return (
            f"<strong>{escape(self.title)}</strong><p>{escape(self.story)}</p>"
            f"<p>Promise: {escape(self.promise)}</p>"
            + html_table(("case", "id", "what it is", "declared"), rows)
        )


def nearest(known: Mapping[str, T], name: str, what: str) -> T:
    """Return `known[name]`, forgiving case.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
    """
    if name in known:
        return known[name]
    folded = {key.lower(): key for key in known}
    if name.lower() in folded:
        return known[folded[name.lower()]]
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.4)
    hint = ", ".join(folded[key] for key in close) or ", ".join(list(known)[:8])
    raise UnknownName(f"there is no {what} {name!r}; did you mean {hint}?")
