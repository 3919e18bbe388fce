"""Write one plain page that shows a case on the stage, without Jupyter.

Usage: python -m tests.browser.page RACE CASE OUT.html [--driver] [--run NAME] [--at K]
    [--theme dark] [--width PX]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import mmviz
from mmviz.browser import css, esm
from mmviz.engine import Case
from mmviz.scene import theme
from mmviz.scene.film import MOST, Film, film_json
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase

PAGE = """<!doctype html>
<html lang="en" data-jp-theme-light="{light}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
html, body {{ margin: 0; height: 100%; }}
body {{ background: var(--mm-paper); }}
#stage {{ max-width: {width}px; margin: 0 auto; }}
{css}
</style>
<body class="mm-theme"><div id="stage"></div>
<script type="application/json" id="source">{source}</script>
<script type="module">
{esm}
const source = JSON.parse(document.getElementById("source").textContent);
window.stage = mount(document.getElementById("stage"), source);
</script>
</body></html>
"""


def source(race: str, case: str, **more: Any) -> dict[str, Any]:
    """Return what `mount` takes for a case of the catalogue; see `of_case`."""
    return of_case(mmviz.find(race, case), **more)


def of_case(
    case: Case, *, driver: bool = False, run: str = "", at: int = 0, most: int = MOST
) -> dict[str, Any]:
    """Return what `mount` takes for a case.

    Args:
        case: the case.
        driver: the reader is the scheduler.
        run: the name of the run to show, or a schedule; by default the first.
        at: the step to begin at.
        most: of a case with more states than this, only the runs are there.
    """
    searched = SearchedCase(case)
    film = Film(searched, memory(searched), most)
    runs = searched.runs()
    if not film.whole():
        for schedule in runs.values():
            film.along(schedule)
    film.views = [{"name": "memory", "title": "Memory", "there": True}]
    numbers = {name: number for number, name in enumerate(searched.model.actors)}
    plain = {name: [numbers[actor] for actor in schedule] for name, schedule in runs.items()}
    if run and run not in plain:
        film.along(searched.schedule(run))
        plain = {run: [numbers[actor] for actor in searched.schedule(run)]} | plain
    name = run or next(iter(plain))
    report = searched.report
    shortest = [len(each.shortest) for each in report.counterexamples.values()]
    calmest = [each.preemptions for each in report.counterexamples.values()]
    return {
        "film": json.loads(film_json(film)),
        "at": {"runs": [[] if driver else plain[name]], "run": 0, "k": at, "by": "python", "n": 1},
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


def page(what: dict[str, Any], *, light: bool = True, width: int = 1100) -> str:
    """Return the page of a source."""
    text = json.dumps(what, separators=(",", ":")).replace("</", "<\\/")
    styles = "\n".join([theme.css(), theme.rules(), css()])
    return PAGE.format(
        title=what["film"]["head"]["title"],
        css=styles,
        esm=esm(),
        source=text,
        width=width,
        light="true" if light else "false",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("race")
    parser.add_argument("case")
    parser.add_argument("out", type=Path)
    parser.add_argument("--driver", action="store_true")
    parser.add_argument("--run", default="")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--theme", default="light")
    parser.add_argument("--width", type=int, default=1100)
    given = parser.parse_args()
    made = source(given.race, given.case, driver=given.driver, run=given.run, at=given.at)
    given.out.write_text(page(made, light=given.theme == "light", width=given.width), "utf-8")
