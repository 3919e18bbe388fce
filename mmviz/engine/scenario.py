"""Scenarios: one race, its story and its cases.

    Scenario("Two increments", "No increment is lost", race)

The scenarios of the catalogue are read from the files that hold them, as is a file of a reader.
"""

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

from mmviz.engine import parts
from mmviz.engine.case import Case
from mmviz.engine.errors import ModelError
from mmviz.engine.html import escape, verbatim
from mmviz.engine.race import Cases, Race, case_table
from mmviz.engine.text import members, printable, quoted

TEXTS = ("title", "promise", "story", "memory_model", "simplified", "sources", "name")
WRITTEN = "a scenario is written Scenario('title', 'what must always hold', cases)"
SECTIONS = ("Promise", "Memory model", "Simplified", "Sources")


@dataclass(frozen=True)
class Scenario(Cases):
    """One race: its story, its cases and where it comes from.

    It is a sequence of its cases: `scenario["Name"]` is one, by name or id.

    Attributes:
        title: one line.
        promise: the invariant in words, shown green until it breaks.
        cases: bug, tempting fix, right fix; a `Race` stands for its cases. They take over the
            scenario's name, its promise and its memory model, where they have none of their own.
        story: what happens and what goes wrong.
        memory_model: what the search assumes of memory.
        simplified: what the model leaves out.
        sources: message ids, kernel files and functions, commits.
        name: "thread/race", from the file's place; a path for a file elsewhere; otherwise "".
        module: the file, where it has one; its docstring holds the text, its `race` the cases.
    """

    title: str
    promise: str = ""
    cases: Sequence[Case] = ()
    story: str = ""
    memory_model: str = ""
    simplified: str = ""
    sources: str = ""
    name: str = ""
    module: ModuleType | None = None

    def __post_init__(self) -> None:
        """Make the cases those of this scenario.

        Raises:
            ModelError: one of them is no case, or there are none.
        """
        parts.texts(WRITTEN, {name: getattr(self, name) for name in TEXTS})
        given: object = self.cases
        if isinstance(given, str | bytes | bytearray) or not isinstance(given, Iterable):
            given = [given]
        found = parts.checked(WRITTEN, members, given, "cases=", "write a Race, or [case]")
        cases = [each for each in found if isinstance(each, Case)]
        if not cases or len(cases) < len(found):
            wrong = next((each for each in found if not isinstance(each, Case)), "nothing")
            raise ModelError(
                f"the scenario {quoted(self.title)} lacks a case: cases is a Race or a list of "
                f"cases, and has {quoted(wrong)}"
            )
        twice = [name for name, count in Counter(each.name for each in cases).items() if count > 1]
        if twice:
            raise ModelError(
                f"the scenario {quoted(self.title)} has two cases called {twice[0]}; give one of "
                "them another name=…"
            )
        memory = re.split(r"[;,.:]", self.memory_model)[0]
        own = tuple(
            replace(
                case,
                scenario=self.name or case.scenario,
                promise=case.promise or self.promise,
                memory=case.memory or memory,
                race=self,
            )
            for case in cases
        )
        object.__setattr__(self, "cases", own)

    @classmethod
    def of(cls, name: str, module: ModuleType) -> "Scenario":
        """Read a scenario from its module.

        Raises:
            ModelError: the docstring lacks a section, or there are no cases.
        """
        race = getattr(module, "race", None)
        lost = [f"'{head}:'" for head in SECTIONS if not sections(module)[1].get(head)]
        if not isinstance(race, Race) or not race.cases:
            lost.append("a Race called `race` with a case")
        if lost:
            raise ModelError(f"{module.__name__}: the scenario lacks {', '.join(lost)}")
        return cls.told(name, module, race or ())

    @classmethod
    def told(cls, name: str, module: ModuleType, cases: Sequence[Case]) -> "Scenario":
        """Return the scenario of some cases, with what the docstring of their module says of it.

        Sections that the docstring lacks are empty; without a docstring the name is the title.

        Raises:
            ModelError: there are no cases.
        """
        text, found = sections(module)
        title, _, story = text.partition("\n")
        return cls(
            title=title.rstrip(".") or name,
            promise=" ".join(found.get("Promise", "").split()),
            cases=cases,
            story=story.strip(),
            memory_model=" ".join(found.get("Memory model", "").split()),
            simplified=found.get("Simplified", ""),
            sources=found.get("Sources", ""),
            name=name,
            module=module,
        )

    def case(self, name: str) -> Case:
        """Return the case of that name or id.

        Raises:
            UnknownName: there is none; the nearest is suggested.
        """
        return self[name]

    @property
    def headline(self) -> str:
        """The name, if it has one, and the title."""
        return ": ".join(dict.fromkeys(filter(None, (self.name, self.title))))

    def __str__(self) -> str:
        cases = "\n".join(f"  {case.name:28} {case.id:10} {case.title}" for case in self.cases)
        promise = f"Promise: {self.promise}" if self.promise else ""
        return printable("\n\n".join(filter(None, (self.headline, self.story, promise, cases))))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return verbatim(
            f"<strong>{escape(self.title)}</strong><p>{escape(self.story)}</p>"
            + (f"<p>Promise: {escape(self.promise)}</p>" if self.promise else "")
            + case_table(self.cases)
        )


def sections(module: ModuleType) -> tuple[str, dict[str, str]]:
    """Return a module's docstring up to its first section, and each section by its name."""
    heads = "|".join(SECTIONS)
    text = inspect.getdoc(module) or ""
    parts = re.split(rf"^({heads}):[ \t]*", text, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return parts[0], {head: inspect.cleandoc(body) for head, body in pairs}


def scenario_of(case: Case) -> Scenario:
    """Return the scenario of a case; of one that has none, a scenario with what it says itself."""
    if isinstance(case.race, Scenario):
        return case.race
    cases: Sequence[Case] = case.race if isinstance(case.race, Race) else ()
    known = cases if any(each == case for each in cases) else (case,)
    return Scenario(title=case.scenario or case.name, promise=case.promise, cases=known)
