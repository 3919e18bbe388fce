"""The pages that bring the races together: the threads with their debates, all cases, the mutants.

And the first page, with what its search looks in.
"""

import importlib
import inspect
from collections.abc import Iterable, Sequence

from mmviz.engine.html import escape
from mmviz.survey.debate import LISTENER_HEAD, LISTENERS, UNDATED, listeners_of
from mmviz.writing.site_page import link, page, script, table, told
from mmviz.writing.site_race import HEAD, STANDINGS, RacePage, Told, findings, row

DEBATE = ("when", *HEAD[:1], "race", *HEAD[1:])
ABOUT_MUTANTS = (
    "Each line of each case in which nothing goes wrong is left out in turn, and every "
    "interleaving of this *mutant* is searched. A mutant is *killed* when something goes wrong in "
    "it; else it *survives*. A surviving line is *the race itself* when a failing case of the "
    "race needs it to fail; *not decisive* when a failing case has it too, and fails in the same "
    "ways without it; otherwise it is *redundant*, and a comment says why."
).replace("*", "")


def by_thread(races: Iterable[RacePage]) -> dict[str, list[RacePage]]:
    """Return the races of each thread; those of a reader under ""."""
    found: dict[str, list[RacePage]] = {}
    for race in races:
        found.setdefault(race.thread, []).append(race)
    return found


def counted(races: Sequence[RacePage]) -> str:
    """Return how many races, cases and states there are."""
    cases = [case for race in races for case in race.cases]
    states = sum(case.states for case in cases)
    parts = ((len(races), "race"), (len(cases), "case"), (states, "state"))
    return ", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in parts)


def thread_pages(races: Sequence[RacePage], there: Iterable[str]) -> dict[str, bytes]:
    """Return a page for each thread, with its debate, and one that lists them."""
    files: dict[str, bytes] = {}
    where, items = "threads.html", []
    for thread, found in by_thread(races).items():
        if not thread:
            continue
        title, text = _about(thread)
        to = f"thread/{thread}.html"
        files[to] = _thread(thread, title, text, found, there)
        items.append(
            f"<li>{link(thread, to, where)}: {escape(title)} <small>{counted(found)}</small></li>"
        )
    body = "<h1>Threads</h1>\n<p>Each thread has its races, and its debate as one table: what was "
    body += "proposed and shipped, and what the search says of it.</p>\n<ul>"
    files[where] = page(where, "Threads · mmviz", f"{body}{''.join(items)}</ul>", there)
    return files


def _about(thread: str) -> tuple[str, str]:
    """Return the first line of what a thread's package says, and the rest."""
    text = inspect.getdoc(importlib.import_module(f"mmviz.scenarios.{thread}")) or thread
    title, _, rest = text.partition("\n")
    return title.rstrip("."), rest


def _thread(
    thread: str, title: str, text: str, races: Sequence[RacePage], there: Iterable[str]
) -> bytes:
    where = f"thread/{thread}.html"
    items = "".join(f"<li>{link(race.title, race.where, where)}</li>" for race in races)
    body = (
        f'<h1>{escape(title)}</h1>\n<p class="name"><code>{escape(thread)}</code>, '
        f"{counted(races)}</p>\n{told(text)}\n<h2>Races</h2>\n<ul>{items}</ul>\n"
        f"<h2>The debate</h2>\n{debate_table(races, where)}{_listeners(thread, races, where)}"
    )
    return page(where, f"{title} · mmviz", body, there)


def _listeners(thread: str, races: Sequence[RacePage], where: str) -> str:
    """Return the drivers that a thread changed, with links to their cases; "" where none is."""
    pages = {race.name.partition("/")[2]: race.where for race in races}
    rows = []
    for each in listeners_of(thread):
        said = (each.name, each.source.evidence, each.did, each.way, each.right)
        cases = []
        for name in each.cases:
            race, _, case = name.partition(":")
            cases.append(link(name, pages[race], where, case) if race in pages else escape(name))
        rows.append((*map(escape, said), "<br>".join(cases)))
    heading = f"\n<h2>{escape(LISTENERS)}</h2>\n"
    return f"{heading}{table(LISTENERS, LISTENER_HEAD, rows)}" if rows else ""


def debate_table(races: Sequence[RacePage], where: str) -> str:
    """Return every case of a thread in the order of the days; those without one come last.

    Args:
        races: of the thread.
        where: the path of the page that the table stands on.
    """
    found = [(case, race) for race in races for case in race.cases]
    found.sort(key=lambda each: "~" if each[0].when == UNDATED else each[0].when)
    rows = (_dated(case, race, where) for case, race in found)
    return table("The debate", DEBATE, rows)


def _dated(case: Told, race: RacePage, where: str) -> tuple[str, ...]:
    first, *rest = row(case, race.where, where)
    when = f'<span class="found">{escape(case.when)}</span>'
    return (when, first, link(race.title, race.where, where), *rest)


def catalogue_page(races: Sequence[RacePage], there: Iterable[str]) -> dict[str, bytes]:
    """Return the page of all cases, and how each ends."""
    where, parts = "catalogue.html", []
    for thread, found in by_thread(races).items():
        rows = [
            (
                f"{link(case.name, race.where, where, case.name)} <small>{escape(case.id)}</small>",
                link(race.title, race.where, where),
                findings(case, race.where, where, brief=True),
                escape(case.era),
            )
            for race in found
            for case in race.cases
        ]
        label = thread or "your own"
        head = ("case", "race", "what the search finds", "era")
        parts.append(f"<h2>{escape(label)}</h2>\n{table(label, head, rows)}")
    body = f"<h1>All cases</h1>\n<p>{counted(races)}, each searched through every interleaving "
    body += f"of its steps.</p>\n{''.join(parts)}"
    return {where: page(where, "All cases · mmviz", body, there)}


def mutants_page(races: Sequence[RacePage], there: Iterable[str]) -> dict[str, bytes]:
    """Return the page that counts the mutants of each safe case; the lines are with the race."""
    where, parts, total = "mutants.html", [], [0] * len(STANDINGS)
    for thread, found in by_thread(races).items():
        rows = []
        for race in found:
            for case in race.cases:
                if case.lines:
                    total = [old + new for old, new in zip(total, case.lines, strict=True)]
                    numbers = (str(each or "") for each in (sum(case.lines), *case.lines))
                    to = link(race.title, race.where, where, "lines")
                    rows.append((escape(case.name), to, *numbers))
        if rows:
            label = thread or "your own"
            head = ("case", "race", "mutants", *STANDINGS)
            parts.append(f"<h2>{escape(label)}</h2>\n{table(label, head, rows)}")
    counts = ", ".join(
        f"{count:,} {word}" for count, word in zip(total, STANDINGS, strict=True) if count
    )
    body = f"<h1>Why each line is needed</h1>\n<p>{ABOUT_MUTANTS}</p>\n"
    body += f"<p>{sum(total):,} mutants: {counts or 'none'}.</p>\n{''.join(parts)}"
    return {where: page(where, "Mutants · mmviz", body, there)}


def index_page(races: Sequence[RacePage], there: Sequence[str]) -> dict[str, bytes]:
    """Return the first page, with the search, and what the search looks in."""
    where, parts = "index.html", []
    for thread, found in by_thread(races).items():
        items = "".join(f"<li>{link(race.title, race.where, where)}</li>" for race in found)
        name, about = "Your own", ""
        if thread:
            name = link(thread, f"thread/{thread}.html", where)
            about = f"<p>{escape(_about(thread)[0])}</p>\n"
        parts.append(f"<h2>{name}</h2>\n{about}<ul>{items}</ul>")
    ways = "".join(
        f"<li>{text}</li>"
        for part, text in (
            (
                "course",
                f"{link('The course', 'course/index.html', where)}: where to begin",
            ),
            ("threads", f"{link('Threads', 'threads.html', where)}: each with its debate"),
            ("reference", f"{link('Reference', 'reference/index.html', where)} of the package"),
        )
        if part in there
    )
    body = f"""<h1>Races of kernel memory management</h1>
<p>{counted(races)}. Every race can be stepped, broken and fixed on its page; every verdict is over
all interleavings of the model.</p>
{f"<ul>{ways}</ul>" if ways else ""}
<form role="search" id="search" hidden><label for="words">Search</label>
<input id="words" type="search" autocomplete="off" spellcheck="false"
 placeholder="mmu_notifier_put, use_after_free, hmm, 5.3" aria-describedby="hint">
<p id="hint">A function, a bad state, a thread, a kernel release, words of a title; all of them must
fit. <kbd>/</kbd> goes here, <kbd>↓</kbd> <kbd>↑</kbd> go through what is found.</p>
<p id="count" role="status"></p></form>
<div id="found"></div>
<div id="all">
{"".join(parts)}
</div>"""
    more = '\n<script defer src="{up}search_data.js"></script>'
    more += '\n<script defer src="{up}search.js"></script>'
    return {
        where: page(where, "mmviz: races of kernel memory management", body, there, more=more),
        "search_data.js": script("mmvizFound", _searched(races)),
    }


def _searched(races: Sequence[RacePage]) -> dict[str, object]:
    """Return what the search looks in; names that many cases share are stored once."""
    cases = [case for race in races for case in race.cases]
    bad_states = sorted({name for case in cases for name in case.bad_states})
    functions = sorted({name for case in cases for name in case.functions})
    bad = {name: number for number, name in enumerate(bad_states)}
    ran = {name: number for number, name in enumerate(functions)}
    return {
        "bad": bad_states,
        "functions": functions,
        "races": [
            [
                race.name,
                race.title,
                race.where,
                [
                    [
                        case.name,
                        case.id,
                        case.title,
                        [bad[name] for name in case.bad_states],
                        [ran[name] for name in case.functions],
                        case.releases or 0,
                        case.era,
                    ]
                    for case in race.cases
                ],
            ]
            for race in races
        ],
    }
