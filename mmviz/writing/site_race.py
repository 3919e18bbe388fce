"""A race as a page of the site: its story, its stage, its cases and why each line is needed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from mmviz.engine import Case, Scenario, explore
from mmviz.engine.html import escape
from mmviz.kernel.provenance import Origin, provenance
from mmviz.kernel.releases import release
from mmviz.scenarios import load
from mmviz.scene.searched import SearchedCase
from mmviz.scene.words import readable
from mmviz.survey.catalogue import kind, thread_of
from mmviz.survey.debate import Row, unlike
from mmviz.survey.mutations import HEAD as MUTANT
from mmviz.survey.mutations import (
    KILLED,
    RACE,
    REDUNDANT,
    UNDECIDED,
    UNEXPLAINED,
    Mutations,
    mutations_among,
)
from mmviz.writing.page import source
from mmviz.writing.site_page import link, listed, packed, page, table, told

STANDINGS = (KILLED, RACE, UNDECIDED, REDUNDANT, UNEXPLAINED)
NEVER = "✓"  # the sign of a finding
HEAD = ("case", "what the search finds", "era, kind", "message, commit or release", "states")


@dataclass(frozen=True)
class Told:
    """What the pages of the site say of a case; plain data, which travels between processes.

    Attributes:
        name, id, title: the case's.
        found: sign, words and what goes wrong ("" where nothing does) of each finding.
        headline: the result of its search in one line.
        surprises: what differs from what is declared.
        when, era, still, kind, evidence: where it comes from.
        states: how many the search visited.
        releases: the first and the last release that behave like it; None: none is known to.
        bad_states: their names.
        functions: the kernel's functions that its actors run.
        lines: of a safe case, how many of its mutants have each of `STANDINGS`.
    """

    name: str
    id: str
    title: str
    found: tuple[tuple[str, str, str], ...]
    headline: str
    surprises: tuple[str, ...]
    when: str
    era: str
    still: str
    kind: str
    evidence: str
    states: int
    releases: tuple[tuple[int, ...], tuple[int, ...]] | None
    bad_states: tuple[str, ...]
    functions: tuple[str, ...]
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class RacePage:
    """A race of the site.

    Attributes:
        name: "thread/race", or the name of the reader's file.
        where: the path of its page in the site.
        title: of the race.
        cases: what is said of each.
        files: what the site has of it, by path.
    """

    name: str
    where: str
    title: str
    cases: tuple[Told, ...]
    files: dict[str, bytes] = field(repr=False)

    @property
    def thread(self) -> str:
        """Its thread; "" for a reader's own."""
        return thread_of(self.name) if "/" in self.name else ""


def race_page(name: str, where: str, there: Iterable[str]) -> RacePage:
    """Search the cases of a race, and return its page and what its stage plays.

    Args:
        name: "thread/race", or the path of a file.
        where: the path of the page in the site.
        there: the parts of the site, for the links of each page.

    Raises:
        MmvizError: the race cannot be read, or a case breaks a rule of models.
    """
    scenario = load(name)
    if name.endswith(".py"):  # no path of this machine travels
        scenario = replace(scenario, name=PurePath(name).name)
    folder, files, cases = where.removesuffix(".html"), {}, []
    kept = {each.case.name: each for each in mutations_among(scenario.cases)}
    for number, case in enumerate(scenario.cases):
        searched = SearchedCase(case)
        files[f"{folder}/{number}.js"] = packed(source(searched))
        cases.append(_told(case, searched, kept.get(case.name)))
    made = RacePage(scenario.name, where, scenario.title, tuple(cases), files)
    files[where] = _page(made, scenario, list(kept.values()), there)
    return made


def place_of(name: str, taken: Iterable[str] = ()) -> str:
    """Return the path of the page of a race; a reader's own stands apart.

    Args:
        name: "thread/race", or the path of a file.
        taken: paths that other races have.
    """
    if not name.endswith(".py"):
        return f"race/{name}.html"
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePath(name).stem) or "race"
    known, number, found = {*taken}, 1, f"race/own/{stem}.html"
    while found in known:
        number += 1
        found = f"race/own/{stem}_{number}.html"
    return found


def _told(case: Case, searched: SearchedCase, kept: Mutations | None) -> Told:
    row, origin = Row(case, explore(case, partial=False)), provenance(case)
    places = (place for known in searched.model.locations for place in known.values())
    steps = {place.step.label for place in places if place.step is not None}
    shipped = origin.kind == Origin.SHIPPED
    return Told(
        name=case.name,
        id=case.id,
        title=case.title,
        found=tuple(
            (each.sign, str(each), each.what if each in row.failing else "")
            for each in row.findings
        ),
        headline=f"{'✓' if row.report.safe else '?'} {row.report.headline}",
        surprises=tuple(map(unlike, row.report.surprises)),
        when=row.when,
        era=origin.era,
        still=origin.still,
        kind=kind(case),
        evidence=row.where,
        states=row.report.states,
        releases=(release(origin.first), release(origin.last) if origin.last else ())
        if shipped
        else None,
        bad_states=tuple(case.bad_states),
        functions=tuple(sorted({re.split(r"[(\s]", step, maxsplit=1)[0] for step in steps})),
        lines=tuple(len(kept.those(each)) for each in STANDINGS) if kept else (),
    )


def findings(case: Told, race: str, where: str, brief: bool = False) -> str:
    """Return what the search found as HTML; what goes wrong leads to a run of it.

    Args:
        case: the case.
        race: the path of its race's page.
        where: the path of the page that it is said on.
        brief: leave out what never goes wrong.
    """
    parts = []
    for sign, words, what in case.found:
        if brief and sign == NEVER:
            continue
        moment = f"{case.name}/{readable(what)}".replace(" ", "_")
        said = f"{sign} {words}"
        parts.append(link(said, race, where, moment) if what else escape(said))
    parts += [f'<strong class="bad">{escape(each)}</strong>' for each in case.surprises]
    return f'<span class="found">{"<br>".join(parts) or escape(case.headline)}</span>'


def row(case: Told, race: str, where: str) -> tuple[str, ...]:
    """Return a case as the cells of a table, for `HEAD`."""
    name = link(case.name, race, where, case.name)
    mark = f" <small>{escape(case.id)}</small>" if case.id else ""
    return (
        f'{name}{mark}<span class="about">{escape(case.title)}</span>',
        findings(case, race, where),
        "<br>".join(escape(each) for each in (case.era, case.still, case.kind) if each),
        escape(case.evidence),
        f"{case.states:,}",
    )


def _page(made: RacePage, scenario: Scenario, kept: list[Mutations], there: Iterable[str]) -> bytes:
    """Return the page of a race."""
    where, cases = made.where, made.cases
    of = made.thread
    thread = f" in the thread {link(of, f'thread/{of}.html', where)}" if "threads" in there else ""
    options = "".join(
        f'<option value="{number}" data-name="{escape(case.name)}" data-id="{escape(case.id)}">'
        f"{escape(case.name)}: {escape(case.title)}</option>"
        for number, case in enumerate(cases)
    )
    parts = [
        f"<h1>{escape(made.title)}</h1>",
        f'<p class="name"><code>{escape(made.name)}</code>{thread if of else ""}</p>',
        told(scenario.story),
        f'<p class="promise"><strong>Promise:</strong> {escape(scenario.promise)}</p>'
        if scenario.promise
        else "",
        f'<section class="stage" aria-label="Stage" data-folder="{_stem(where)}">'
        f'<p class="choose"><label>Case <select>{options}</select></label> '
        '<button type="button" aria-pressed="false">Be the scheduler</button></p>'
        '<div class="place"></div><p class="said" role="status"></p></section>',
        '<h2 id="cases">Cases</h2>',
        table("Cases", HEAD, (row(case, where, where) for case in cases)),
        '<h2 id="lines">Why each line is needed</h2>' if kept else "",
        "<p>Each line of a safe case is left out in turn, and every interleaving is searched.</p>"
        if kept
        else "",
        *map(_lines, kept),
        f'<h2 id="memory">Memory model</h2>{told(scenario.memory_model)}'
        if scenario.memory_model
        else "",
        f'<h2 id="limits">What the model leaves out</h2>{told(scenario.simplified)}'
        if scenario.simplified
        else "",
        f'<h2 id="sources">Sources</h2>{listed(scenario.sources)}' if scenario.sources else "",
    ]
    return page(where, f"{made.title} · mmviz", "\n".join(filter(None, parts)), there, stage=True)


def _stem(where: str) -> str:
    """Return the folder of what a page's stage plays, as seen from the page."""
    return escape(PurePath(where).stem)


def _lines(found: Mutations) -> str:
    """Return the mutants of a safe case, folded."""
    rows: list[tuple[str, ...]] = []
    for entry in found:
        function, text, by, broken, why = map(escape, entry.cells)
        rows.append((f"<code>{text}</code>", f"<code>{function}</code>", by, broken, why))
    head = (MUTANT[1], MUTANT[0], *MUTANT[2:])
    return (
        f"<details><summary>{escape(found.headline)}</summary>"
        f"{table(found.headline, head, rows)}</details>"
    )
