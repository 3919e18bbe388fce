"""All cases, to be searched by function, property, thread and kernel release.

print(catalogue("mmu_notifier_put", thread="hmm", kernel="5.4"))
"""

import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any

from mmviz.engine import Case, nearest
from mmviz.engine.explore import MAX_BYTES, MAX_STATES, Search
from mmviz.engine.html import html_table
from mmviz.engine.releases import behaved_in, era, release, spelled
from mmviz.scenarios import every_case, find, load, names

ACROSS = 100  # characters of a line of text
NAME, ERA = 43, 24  # of them, for a case's name with its id, and for when it shipped
KINDS = {"contract": "by contract"}  # the other kinds are called what they are


@dataclass(frozen=True, repr=False)
class Catalogue:
    """The cases that were looked for; it goes through them, and shows itself as a table.

    Attributes:
        cases: what was found, in the order of the files.
        asked: what was looked for, in words; "" for everything.
        display: makes what Jupyter shows instead of the HTML table; None for that table.
    """

    cases: tuple[Case, ...]
    asked: str
    display: Callable[["Catalogue"], Any] | None = field(default=None, compare=False)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def headline(self) -> str:
        """How many cases there are, and of what."""
        count = f"{len(self)} case{'' if len(self) == 1 else 's'}"
        return f"{count}: {self.asked}" if self.asked else count

    def __str__(self) -> str:
        lines, shown = [self.headline], ""
        for case in self:
            if case.scenario != shown:
                lines += ["", *heading(case.scenario)]
                shown = case.scenario
            lines += [*case_lines(case), f"      {case.title}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.display(self)._repr_mimebundle_(**kwargs) if self.display else {}

    def _repr_html_(self) -> str:
        rows = [(c.scenario, c.name, c.id, era(c), kind(c), c.title) for c in self]
        head = ("scenario", "case", "id", "era", "kind", "what it is")
        return f"<p>{escape(self.headline)}</p>" + html_table(head, rows)


def catalogue(words: str = "", prop: str = "", thread: str = "", kernel: str = "") -> Catalogue:
    """Return the cases that fit everything that is asked for, as `mmviz.catalogue` does.

    Raises:
        UnknownName: no thread or property has that name; the nearest is suggested.
        MmvizError: the kernel is not a release.
    """
    asked = [f'"{words.strip()}"'] if words.strip() else []
    cases = list(every_case())
    if prop:
        prop = nearest(
            {known: known for case in cases for known in case.properties}, prop, "property"
        )
        asked.append(prop)
        cases = [case for case in cases if prop in case.properties]
    if thread:
        thread = thread_named(thread)
        asked.append(f"thread {thread}")
        cases = [case for case in cases if thread_of(case.scenario) == thread]
    if kernel:
        asked.append(f"what {spelled(release(kernel))} does")
        cases = [case for case in cases if behaved_in(case, kernel)]
    wanted = words.lower().split()
    return Catalogue(tuple(case for case in cases if tells_of(case, wanted)), ", ".join(asked))


def thread_of(scenario: str) -> str:
    """Return the thread of a scenario's name, "hmm" of "hmm/double_unregister"."""
    return scenario.partition("/")[0]


def thread_named(thread: str) -> str:
    """Return a thread's name as it is written.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
    """
    return nearest({each: each for each in map(thread_of, names())}, thread, "thread")


def tells_of(case: Case, words: Iterable[str]) -> bool:
    """Tell whether each word, in small letters, occurs in a case's text or in its steps."""
    missing = [word for word in words if word not in _text(case.scenario, case.name)]
    return all(word in _steps(case.scenario, case.name) for word in missing)


@cache
def _text(scenario: str, name: str) -> str:
    """Return all that is written about a case, in small letters."""
    case, about = find(scenario, name), inspect.getdoc(load(scenario).module) or ""
    bad = "\n".join(f"{prop} {case.sentence(prop)}" for prop in case.properties)
    parts = (scenario, case.name, case.id, case.title, case.promise, case.note, bad, about)
    return "\n".join(parts).lower()


@cache
def _steps(scenario: str, name: str) -> str:
    """Return every step that some run of a case may want, in small letters; found by searching."""
    model = Search(find(scenario, name), MAX_STATES, MAX_BYTES, None, None).model
    places = (place for positions in model.positions for place in positions.values())
    return "\n".join(sorted({place.step.label for place in places if place.step})).lower()


def kind(case: Case) -> str:
    """Return what kind of case it is, for people."""
    return KINDS.get(case.kind, case.kind)


def heading(scenario: str) -> list[str]:
    """Return a scenario's name and title, as lines of text."""
    return textwrap.wrap(f"{scenario}: {load(scenario).title}", ACROSS, subsequent_indent="  ")


def case_lines(case: Case, last: str = "") -> list[str]:
    """Return what a case is called, when it shipped, its kind and one more cell, as text."""
    first, *more = textwrap.wrap(f"{case.name} ({case.id})", NAME)
    line = f"  {first:{NAME}}  {era(case):{ERA}}  {kind(case):11}  {last:>13}"
    return [line.rstrip(), *(f"    {part}" for part in more)]
