"""A case as one page: the stage with the graph in it. It opens from disk, and asks no network.

What a reader chooses, watches or plays needs no Python. Views other than memory are stored for the
runs that the page offers; questions to the search are left out.
"""

import json
from typing import Any

from mmviz.browser import css, esm
from mmviz.engine import Case, table
from mmviz.engine.html import escape
from mmviz.scene import theme
from mmviz.scene.film import MOST, Film, film_json
from mmviz.scene.frames import frames
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase
from mmviz.scene.views import FIRST, every
from mmviz.writing.links import links, qr_of

MOST_VIEWS = 700_000  # bytes of views other than memory, where there are several runs
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
html, body {{ margin: 0; min-height: 100%; }}
body {{ background: var(--mm-paper); }}
#stage {{ max-width: {width}px; margin: 0 auto; }}
.mm-below {{ max-width: {width}px; margin: 1em auto; color: var(--mm-plain-text); }}
.mm-below {{ font: 14px/1.45 system-ui, sans-serif; overflow-x: auto; }}
.mm-below :is(td, th) {{ padding: 1px 10px 1px 0; text-align: left; vertical-align: top; }}
{css}
</style>
<body class="mm-theme"><div id="stage"></div>{below}
<noscript><pre>{text}</pre></noscript>
<script type="application/json" id="source">{source}</script>
<script type="module">
{esm}
const dark = matchMedia("(prefers-color-scheme: dark)");
const wanted = {theme};
const whole = document.documentElement;
const dress = () => whole.classList.toggle("dark", wanted ? wanted === "dark" : dark.matches);
dress();
dark.addEventListener("change", dress);
const source = JSON.parse(document.getElementById("source").textContent);
window.stage = mount(document.getElementById("stage"), source);
const visit = () => window.stage.visit(location.hash.slice(1));
addEventListener("hashchange", visit);
visit();
document.querySelector(".mm-stage").focus({{preventScroll: true}});
</script>
</body></html>
"""


def source(
    case: Case | SearchedCase, *, driver: bool = False, run: str = "", at: int = 0, most: int = MOST
) -> dict[str, Any]:
    """Return what the browser's `mount` takes for a case.

    Args:
        case: the case, or the case as it was searched.
        driver: the reader is the scheduler, and is shown no run before the end.
        run: the name of the run to show, or a schedule; by default the first.
        at: the step to begin at.
        most: of a case with more states than this, only the runs are there.

    Raises:
        ScheduleError: the run cannot happen; the message says at which step and why.
    """
    searched = case if isinstance(case, SearchedCase) else SearchedCase(case)
    picture = memory(searched)
    film = Film(searched, picture, most)
    runs = searched.runs()
    if run and run not in runs:
        runs = {run: searched.schedule(run)} | runs
    if not film.whole():
        for schedule in runs.values():
            film.along(schedule)
    film.views = [{"name": "memory", "title": picture.title, "there": True}]
    numbers = {name: number for number, name in enumerate(searched.model.actors)}
    plain = {name: [numbers[actor] for actor in schedule] for name, schedule in runs.items()}
    shown = run or next(iter(plain))
    report = searched.report
    shortest = [len(each.shortest) for each in report.counterexamples.values()]
    calmest = [each.preemptions for each in report.counterexamples.values()]
    return {
        "links": links(searched, runs.values()),
        "qr": qr_of(searched, [] if driver else runs[shown], 0 if driver else at),
        "film": json.loads(film_json(film)),
        "at": {"runs": [[] if driver else plain[shown]], "run": 0, "k": at, "by": "python", "n": 1},
        "named": [
            {"name": each, "schedule": schedule, "sealed": driver, "kind": "named"}
            for each, schedule in plain.items()
        ],
        "mode": "driver" if driver else "player",
        "game": {
            "goal": film.head()["goal"],
            "bads": None,
            "best": min(shortest, default=-1),
            "preemptions": min(calmest, default=-1),
        },
    }


def page(
    what: dict[str, Any], *, look: str = "", text: str = "", width: int = 1_100, below: str = ""
) -> str:
    """Return the page of a `source`.

    Args:
        what: the source.
        look: "light" or "dark"; by default what the reader's system prefers.
        text: what is shown where no script runs.
        width: of the stage, in pixels.
        below: HTML that stands below the stage.
    """
    return PAGE.format(
        title=escape(what["film"]["head"]["title"]),
        css="\n".join([theme.css(), theme.rules(), css()]),
        esm=esm(),
        source=json.dumps(what, separators=(",", ":")).replace("<", "\\u003c"),
        text=escape(text),
        theme=json.dumps(look),
        width=width,
        below=below,
    )


def case_page(case: Case | SearchedCase, schedule: str = "", *, look: str = "", at: int = 0) -> str:
    """Return the page of a case, one run of it on the stage.

    Raises:
        ScheduleError: the run cannot happen; the message says at which step and why.
    """
    searched = case if isinstance(case, SearchedCase) else SearchedCase(case)
    run = searched.run(
        searched.schedule(schedule) if schedule else next(iter(searched.runs().values()))
    )
    what = with_views(source(searched, run=schedule, at=at), searched)
    return page(what, look=look, text=table(run))


def with_views(what: dict[str, Any], searched: SearchedCase) -> dict[str, Any]:
    """Return a source with the other views of its runs: the one shown first, others if they fit.

    A reader who leaves these runs sees memory only.
    """
    shown = what["at"]["runs"][0]
    runs = [shown, *(each["schedule"] for each in what["named"] if each["schedule"] != shown)]
    views = {name: view for name, view in every(searched).items() if name != FIRST}
    actors, room = searched.model.actors, MOST_VIEWS
    stored: list[dict[str, Any]] = []
    for schedule in runs:
        run = searched.run([actors[number] for number in schedule])
        found = [frames(view, run, 0, len(schedule)) for view in views.values()]
        room -= sum(len(json.dumps(each, separators=(",", ":"))) for each in found)
        if room < 0 and stored:
            break
        stored += found
    there = [{"name": name, "title": view.title, "there": True} for name, view in views.items()]
    head = what["film"]["head"]
    film = what["film"] | {"head": head | {"views": head["views"] + there}}
    return what | {"film": film, "frames": stored}
