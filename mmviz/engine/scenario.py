"""Scenarios: one race, its story and its cases, read from the file that holds them."""

import inspect
import re
from dataclasses import dataclass, replace
from types import ModuleType

from mmviz.engine.case import Case, nearest
from mmviz.engine.errors import ModelError
from mmviz.engine.html import escape, html_table
from mmviz.engine.race import Race

SECTIONS = ("Promise", "Memory model", "Simplified", "Sources")


@dataclass(frozen=True)
class Scenario:
    """One race: its story, its cases and where it comes from.

    Attributes:
        name: "thread/race", from the module's place.
        module: the file; its docstring holds the text, its `race` the cases.
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
        race = getattr(module, "race", None)
        cases = race.cases if isinstance(race, Race) else getattr(module, "CASES", ())
        lost = [f"'{head}:'" for head in SECTIONS if not found.get(head)]
        if not cases:
            lost.append("a Race called `race` with a case")
        if lost:
            raise ModelError(f"{module.__name__}: the scenario lacks {', '.join(lost)}")
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
                replace(
                    case,
                    scenario=name,
                    promise=case.promise or promise,
                    memory=case.memory or memory,
                )
                for case in cases
            ),
        )

    def case(self, name: str) -> Case:
        """Return the case of that name or id.

        Raises:
            UnknownName: there is none; the nearest is suggested.
        """
        by_name = {case.name: case for case in self.cases}
        return nearest(by_name | {case.id: case for case in self.cases}, name, "case")

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
