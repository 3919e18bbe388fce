"""All cases, searchable by function, bad state, thread and kernel release.

print(catalogue("mmu_notifier_put", thread="hmm", kernel="5.4"))
"""

import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mmviz.engine import Case, MmvizError, ModelError, Scenario, nearest
from mmviz.engine.html import escape, html_table, verbatim
from mmviz.engine.scenario import scenario_of
from mmviz.engine.search import MAX_BYTES, MAX_STATES, Search
from mmviz.engine.text import left_out, printable, quoted, several
from mmviz.kernel.provenance import provenance
from mmviz.kernel.releases import release, spelled
from mmviz.scenarios import broken, cases_of, every_case

ACROSS = 100  # characters of a line of text
MOST_SOUGHT = 500  # characters of the words that are looked for
NAME, ERA = 42, 25  # of them, for a case's name with its id, and for when it shipped
MOST_KEPT = 5_000  # cases whose text and steps are remembered
KINDS = {"contract": "by contract"}  # the other kinds are displayed as they are


@dataclass(frozen=True, repr=False)
class Catalogue:
    """The cases found by a query: a sequence that displays itself as a table.

    Attributes:
        cases: what was found, in the order of the files.
        asked: the query in words; "" for everything.
        lost: a sentence for each file of the catalogue that cannot be read.
        display: makes what Jupyter shows instead of the HTML table; None for that table.
    """

    cases: tuple[Case, ...]
    asked: str
    lost: tuple[str, ...] = ()
    display: Callable[["Catalogue"], Any] | None = field(default=None, compare=False)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def headline(self) -> str:
        """The number of cases, and the query."""
        count = several(len(self), "case")
        return f"{count}: {self.asked}" if self.asked else count

    def __str__(self) -> str:
        lines, shown = [self.headline], ""
        for case in self:
            group = headline(case)
            if group != shown:
                lines += ["", *textwrap.wrap(group, ACROSS, subsequent_indent="  ")]
                shown = group
            lines += [*case_lines(case), f"      {case.title}"]
        return printable("\n".join([*lines, *self._unread()]))

    def _unread(self) -> list[str]:
        """Return what to say of the files that cannot be read."""
        return [f"Not read: {each}" for each in self.lost]

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.display(self)._repr_mimebundle_(**kwargs) if self.display else {}

    def _ipython_display_(self) -> None:
        if not self.display:
            raise NotImplementedError  # so that another form is shown
        self.display(self)._ipython_display_()

    def _repr_html_(self) -> str:
        rows = [(c.scenario, c.name, c.id, provenance(c).era, kind(c), c.title) for c in self]
        head = ("scenario", "case", "id", "era", "kind", "what it is")
        unread = "".join(f"<p>{escape(each)}</p>" for each in self._unread())
        return verbatim(f"<p>{escape(self.headline)}</p>" + html_table(head, rows) + unread)


Cases = str | Case | Iterable[Case]  # a scenario's name, or a reader's own


def catalogue(
    words: Cases = "",
    bad_state: str = "",
    thread: str = "",
    kernel: str = "",
    among: Cases | None = None,
) -> Catalogue:
    """Return the cases that match the query, as `mmviz.catalogue` does.

    Raises:
        UnknownName: no thread or bad state has that name; the nearest is suggested.
        MmvizError: the kernel is not a release, or an argument is nothing that can be looked for.
    """
    if not isinstance(words, str):
        words, among = "", words
    if len(words) > MOST_SOUGHT:
        raise MmvizError(
            f"{quoted(words)} has {len(words):,} characters; look for words of at most "
            f"{MOST_SOUGHT} characters together"
        )
    asked = [f'"{words.strip()}"'] if words.strip() else []
    cases = list(every_case() if among is None else cases_of(among))
    if not left_out(bad_state):
        bad_state = nearest(
            {known: known for case in cases for known in case.bad_states}, bad_state, "bad state"
        )
        asked.append(bad_state)
        cases = [case for case in cases if bad_state in case.bad_states]
    if not left_out(thread):
        thread = thread_named(thread, cases)
        asked.append(f"thread {thread}")
        cases = [case for case in cases if thread_of(case.scenario) == thread]
    if not left_out(kernel):
        asked.append(f"what {spelled(release(kernel))} does")
        cases = [case for case in cases if provenance(case).behaved_in(kernel)]
    wanted = set(words.lower().split())
    found = tuple(case for case in cases if tells_of(case, wanted))
    return Catalogue(found, ", ".join(asked), lost(thread) if among is None else ())


def lost(thread: str = "") -> tuple[str, ...]:
    """Return a sentence for each file that cannot be read, of one thread or of all."""
    return tuple(
        f"{name}: {error}"
        for name, error in broken().items()
        if not thread or thread_of(name) == thread
    )


def thread_of(scenario: str) -> str:
    """Return the thread of a scenario's name, "hmm" of "hmm/double_unregister"."""
    return scenario.partition("/")[0]


def thread_named(thread: str, cases: Iterable[Case]) -> str:
    """Return the exact name of a thread that some of these cases belong to.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
    """
    known = {thread_of(case.scenario): "" for case in cases if case.scenario}
    return nearest({each: each for each in known}, thread, "thread")


def tells_of(case: Case, words: Iterable[str]) -> bool:
    """Tell whether each word, in lower case, occurs in a case's text or in its steps."""
    missing = [word for word in words if word not in _text(Whole(case))]
    return all(word in _steps(Whole(case)) for word in missing)


class Whole:
    """A case as the key of a cache: itself, and no other that is equal."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Whole) and self.case is other.case

    def __hash__(self) -> int:
        return id(self.case)


@lru_cache(maxsize=MOST_KEPT)
def _text(whole: Whole) -> str:
    """Return all text about a case, in lower case."""
    case, scenario = whole.case, scenario_of(whole.case)
    about = inspect.getdoc(scenario.module) or "" if scenario.module else scenario.story
    bad = "\n".join(f"{bad_state} {case.sentence(bad_state)}" for bad_state in case.bad_states)
    parts = (case.scenario, case.name, case.id, case.title, case.promise, case.note, bad, about)
    return "\n".join((*parts, scenario.title)).lower()


@lru_cache(maxsize=MOST_KEPT)
def _steps(whole: Whole) -> str:
    """Return every step that some run of a case may take, in lower case; found by searching."""
    try:
        model = Search(whole.case, MAX_STATES, MAX_BYTES, None, None).model
    except ModelError:  # a search for it says what is wrong; here it only has no steps
        return ""
    places = (place for known in model.locations for place in known.values())
    steps = {place.step.label for place in places if place.step is not None}
    return "\n".join(sorted(steps)).lower()


def kind(case: Case) -> str:
    """Return the kind of a case as displayed."""
    return KINDS.get(case.kind, case.kind)


def headline(case: Case) -> str:
    """Return the name and the title of a case's scenario; "" where it has none."""
    return case.race.headline if isinstance(case.race, Scenario) else ""


def case_lines(case: Case, last: str = "") -> list[str]:
    """Return the name of a case, when it shipped, its kind and one more cell, as text."""
    first, *more = textwrap.wrap(case.label, NAME)
    line = f"  {first:{NAME}}  {provenance(case).era:{ERA}}  {kind(case):11}  {last:>13}"
    return [line.rstrip(), *(f"    {part}" for part in more)]
