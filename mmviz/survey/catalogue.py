"""All cases, searchable by function, bad state, thread and kernel release.

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
from mmviz.kernel.provenance import provenance
from mmviz.kernel.releases import release, spelled
from mmviz.scenarios import every_case, find, load, names

ACROSS = 100  # characters of a line of text
NAME, ERA = 42, 25  # of them, for a case's name with its id, and for when it shipped
KINDS = {"contract": "by contract"}  # the other kinds are displayed as they are


@dataclass(frozen=True, repr=False)
class Catalogue:
    """The cases found by a query: a sequence that displays itself as a table.

    Attributes:
        cases: what was found, in the order of the files.
        asked: the query in words; "" for everything.
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
        """The number of cases, and the query."""
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
        rows = [(c.scenario, c.name, c.id, provenance(c).era, kind(c), c.title) for c in self]
        head = ("scenario", "case", "id", "era", "kind", "what it is")
        return f"<p>{escape(self.headline)}</p>" + html_table(head, rows)


def catalogue(
    words: str = "", bad_state: str = "", thread: str = "", kernel: str = ""
) -> Catalogue:
    """Return the cases that match the query, as `mmviz.catalogue` does.

    Raises:
        UnknownName: no thread or bad state has that name; the nearest is suggested.
        MmvizError: the kernel is not a release.
    """
    asked = [f'"{words.strip()}"'] if words.strip() else []
    cases = list(every_case())
    if bad_state:
        bad_state = nearest(
            {known: known for case in cases for known in case.bad_states}, bad_state, "bad state"
        )
        asked.append(bad_state)
        cases = [case for case in cases if bad_state in case.bad_states]
    if thread:
        thread = thread_named(thread)
        asked.append(f"thread {thread}")
        cases = [case for case in cases if thread_of(case.scenario) == thread]
    if kernel:
        asked.append(f"what {spelled(release(kernel))} does")
        cases = [case for case in cases if provenance(case).behaved_in(kernel)]
    wanted = words.lower().split()
    return Catalogue(tuple(case for case in cases if tells_of(case, wanted)), ", ".join(asked))


def thread_of(scenario: str) -> str:
    """Return the thread of a scenario's name, "hmm" of "hmm/double_unregister"."""
    return scenario.partition("/")[0]


def thread_named(thread: str) -> str:
    """Return the exact name of a thread.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
    """
    return nearest({each: each for each in map(thread_of, names())}, thread, "thread")


def tells_of(case: Case, words: Iterable[str]) -> bool:
    """Tell whether each word, in lower case, occurs in a case's text or in its steps."""
    missing = [word for word in words if word not in _text(case.scenario, case.name)]
    return all(word in _steps(case.scenario, case.name) for word in missing)


@cache
def _text(scenario: str, name: str) -> str:
    """Return all text about a case, in lower case."""
    case, about = find(scenario, name), inspect.getdoc(load(scenario).module) or ""
    bad = "\n".join(f"{bad_state} {case.sentence(bad_state)}" for bad_state in case.bad_states)
    parts = (scenario, case.name, case.id, case.title, case.promise, case.note, bad, about)
    return "\n".join(parts).lower()


@cache
def _steps(scenario: str, name: str) -> str:
    """Return every step that some run of a case may take, in lower case; found by searching."""
    model = Search(find(scenario, name), MAX_STATES, MAX_BYTES, None, None).model
    places = (place for known in model.locations for place in known.values())
    return "\n".join(sorted({place.step.label for place in places if place.step})).lower()


def kind(case: Case) -> str:
    """Return the kind of a case as displayed."""
    return KINDS.get(case.kind, case.kind)


def heading(scenario: str) -> list[str]:
    """Return a scenario's name and title, as lines of text."""
    return textwrap.wrap(f"{scenario}: {load(scenario).title}", ACROSS, subsequent_indent="  ")


def case_lines(case: Case, last: str = "") -> list[str]:
    """Return the name of a case, when it shipped, its kind and one more cell, as text."""
    first, *more = textwrap.wrap(case.label, NAME)
    line = f"  {first:{NAME}}  {provenance(case).era:{ERA}}  {kind(case):11}  {last:>13}"
    return [line.rstrip(), *(f"    {part}" for part in more)]
