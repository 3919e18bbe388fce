"""Measure whether programs that draw SVG draw the same: each text, box, line and arrow head.

    make renderers      or    python -m tests.bench.renderers [--cases N] [--keep FOLDER]

Of each view of a spread of cases the marks are sorted onto sheets so that none is near another,
and written by `mmviz.scene.svg` as one file. Each program draws the file with two pixels for one;
the ink around each mark's place is its ink box. The figure for a mark and a program is how far an
edge of its ink box is from the median of all programs, in pixels of the picture. More than `MOST`
fails.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from mmviz.scenarios import every_case
from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Box, Flow, Line, Mark, Scene, Text, sheet
from mmviz.scene.searched import SearchedCase
from mmviz.scene.svg import FONT_SIZE, beads, svg
from mmviz.scene.theme import CELL, CLEAR
from mmviz.scene.views import every
from mmviz.writing.pictures import printed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "google-chrome"
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "renderers" / "bin" / "python"  # with CairoSVG, svglib and resvg
KINDS = {Text: "texts", Box: "boxes", Line: "lines", Flow: "beads"}
SCALE, MOST, AIR = 2, 2.0, 6.0  # pixels for one; the difference allowed; air around a mark
INK = 48  # of 255, darker than the paper
X, Y = CELL_WIDTH * FONT_SIZE, CELL_HEIGHT * FONT_SIZE
DARK = "bar"  # a role whose fill, stroke and text are dark

CAIROSVG = """
import sys, cairosvg
cairosvg.svg2png(url=sys.argv[1], write_to=sys.argv[2], scale=float(sys.argv[3]))
"""
RESVG = """
import sys, resvg_py
drawn = resvg_py.svg_to_bytes(svg_path=sys.argv[1], zoom=int(sys.argv[3]))
open(sys.argv[2], "wb").write(bytes(drawn))
"""
SVGLIB = """
import sys
from reportlab.graphics import renderPDF
from svglib.svglib import svg2rlg
renderPDF.drawToFile(svg2rlg(sys.argv[1]), sys.argv[2])
"""


class Placed(NamedTuple):
    """A mark on its sheet, and where its ink may be, in pixels: left, top, right, bottom."""

    mark: Mark
    area: tuple[float, float, float, float]


def area(mark: Mark) -> tuple[float, float, float, float]:
    """Return the pixels that a mark takes, with the air that belongs to it."""
    if isinstance(mark, Text):
        left, top, right, low = mark.x, mark.y, mark.x + len(mark.text), mark.y + 1
    elif isinstance(mark, Box):
        left, top, right, low = mark.x, mark.y, mark.x + mark.w, mark.y + mark.h
    else:
        xs, ys = zip(*mark.points, strict=True)
        left, top, right, low = min(xs), min(ys), max(xs), max(ys)
    turned = 8.0 if isinstance(mark, Box) and mark.turn else 0.0
    head = 6.0 if isinstance(mark, Line) and mark.arrow else 0.0
    air = AIR + turned + head
    return left * X - air, top * Y - air, right * X + air, low * Y + air


def apart(marks: Iterable[Mark]) -> list[list[Mark]]:
    """Return marks in groups, in each of which none is near another."""
    groups: list[list[tuple[Mark, tuple[float, float, float, float]]]] = []
    for mark in marks:
        mine = area(mark)
        for group in groups:
            if not any(near(mine, other) for _, other in group):
                group.append((mark, mine))
                break
        else:
            groups.append([(mark, mine)])
    return [[mark for mark, _ in group] for group in groups]


def near(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Tell whether two areas touch."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def lowered(mark: Mark, down: float) -> Mark:
    """Return a mark lower on its sheet, in dark ink."""
    if isinstance(mark, Line | Flow):
        return mark._replace(points=tuple((x, y + down) for x, y in mark.points), role=DARK)
    return mark._replace(y=mark.y + down, role=DARK)


def seen(mark: Mark) -> bool:
    """Tell whether a mark is drawn."""
    if isinstance(mark, Text):
        return bool(mark.text.strip())
    if isinstance(mark, Box):
        return bool(mark.w and mark.h) and mark.role not in (CLEAR, CELL)
    return not isinstance(mark, Flow) or bool(beads(mark))


def sheets(scene: Scene) -> tuple[Scene, list[Placed]]:
    """Return one scene with all marks of another, none near another, and where each is."""
    marks = [
        mark for mark in (*scene.boxes, *scene.lines, *scene.flows, *scene.texts) if seen(mark)
    ]
    placed: list[Placed] = []
    air, low = 2.0, 2.0
    for group in apart(marks):
        for mark in group:
            moved = lowered(mark, low)
            placed.append(Placed(moved, area(moved)))
        low += scene.height + air
    return sheet(scene.width, low, [each.mark for each in placed]), placed


def run(*command: str | Path) -> None:
    """Run a program, quietly."""
    subprocess.run([str(each) for each in command], check=True, capture_output=True, timeout=300)


def size(text: str) -> tuple[float, float]:
    """Return the width and the height that a file of SVG says, in pixels."""
    wide, high = (float(text.split(f'{side}="')[1].split('"')[0]) for side in ("width", "height"))
    return wide, high


def by_python(code: str) -> Callable[[Path, Path], None]:
    return lambda source, target: run(PYTHON, "-c", code, source, target, str(SCALE))


def by_svglib(source: Path, target: Path) -> None:
    paper = target.with_suffix(".pdf")
    run(PYTHON, "-c", SVGLIB, source, paper)
    wide = round(size(source.read_text("utf-8"))[0] * SCALE)
    out = target.with_suffix("")
    run(
        "pdftocairo",
        "-png",
        "-singlefile",
        "-scale-to-x",
        str(wide),
        "-scale-to-y",
        "-1",
        paper,
        out,
    )


def by_rsvg(source: Path, target: Path) -> None:
    run("rsvg-convert", "--zoom", str(SCALE), "-o", target, source)


def by_inkscape(source: Path, target: Path) -> None:
    run("inkscape", f"--export-filename={target}", f"--export-dpi={96 * SCALE}", source)


@cache
def chromium() -> Any:
    """Return a browser, the same each time; it ends with this process."""
    play = sync_playwright().start()
    return play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def by_chromium(source: Path, target: Path) -> None:
    text = source.read_text("utf-8")
    wide, high = size(text)
    page = chromium().new_page(
        viewport={"width": int(wide) + 1, "height": min(int(high) + 1, 4_000)},
        device_scale_factor=SCALE,
    )
    page.set_content(f'<body style="margin:0">{text}</body>')
    page.locator("svg").screenshot(path=target)
    page.close()


def by_mmviz(source: Path, target: Path) -> None:
    text = source.read_text("utf-8")
    target.write_bytes(printed([text], size(text), 1.0, "png", SCALE)[0])


PROGRAMS: dict[str, Callable[[Path, Path], None]] = {
    "Chromium": by_chromium,
    "resvg": by_python(RESVG),
    "CairoSVG": by_python(CAIROSVG),
    "svglib": by_svglib,
    "rsvg": by_rsvg,
    "Inkscape": by_inkscape,
    "mmviz (Typst)": by_mmviz,
}


def ink(picture: np.ndarray, place: tuple[float, float, float, float]) -> tuple[float, ...] | None:
    """Return the edges of what is drawn in a place, in pixels of the picture; None for nothing."""
    left, top, right, low = (round(each * SCALE) for each in place)
    left, top = max(left, 0), max(top, 0)
    part = picture[top:low, left:right] > INK
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return None
    edges = (columns[0] + left, rows[0] + top, columns[-1] + 1 + left, rows[-1] + 1 + top)
    return tuple(edge / SCALE for edge in edges)


def dark(path: Path) -> np.ndarray:
    """Return how much darker than the paper each pixel of a file is."""
    Image.MAX_IMAGE_PIXELS = None
    found = Image.open(path)
    if found.mode in ("RGBA", "LA"):
        found = Image.alpha_composite(Image.new("RGBA", found.size, "white"), found.convert("RGBA"))
    return 255 - np.asarray(found.convert("L")).astype(int)


def kind(mark: Mark) -> str:
    return KINDS[type(mark)]


def drawn(most: int, views: str) -> Iterator[tuple[str, Scene]]:
    """Yield the pictures that are measured: all views of cases from all over the catalogue."""
    cases = list(every_case())
    for number in range(0, len(cases), max(1, len(cases) // most)):
        searched = SearchedCase(cases[number])
        found = searched.run(next(iter(searched.runs().values())))
        for name, view in every(searched).items():
            if not views or name in views.split(","):
                yield f"{cases[number].name} {name}", view.scene(found, found.tip.index)


def main() -> int:
    """Measure; return 1 where a mark is too far off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--views", default="")
    parser.add_argument("--programs", default="")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for what was drawn")
    options = parser.parse_args()
    wanted = {
        name: draw
        for name, draw in PROGRAMS.items()
        if not options.programs or name.lower() in options.programs.lower().split(",")
    }
    worst: dict[tuple[str, str], float] = {}
    far: list[str] = []
    marks = 0
    with tempfile.TemporaryDirectory() as folder:
        here = options.keep or Path(folder)
        here.mkdir(exist_ok=True)
        numbers = count()
        for title, scene in drawn(options.cases, options.views):
            alone, placed = sheets(scene)
            marks += len(placed)
            source = here / f"{next(numbers)}.svg"
            source.write_text(svg(alone), "utf-8")
            boxes = {}
            for name, draw in wanted.items():
                target = source.with_name(f"{source.stem}.{name.split()[0]}.png")
                draw(source, target)
                picture = dark(target)
                boxes[name] = [ink(picture, each.area) for each in placed]
            for number, each in enumerate(placed):
                found = [boxes[name][number] for name in wanted]
                seen = np.array([box for box in found if box is not None])
                middle = np.median(seen, axis=0) if len(seen) else None
                for name, box in zip(wanted, found, strict=True):
                    off = (
                        99.0
                        if box is None or middle is None
                        else float(np.abs(np.array(box) - middle).max())
                    )
                    key = name, kind(each.mark)
                    worst[key] = max(worst.get(key, 0.0), off)
                    if off > MOST:
                        what = each.mark.text if isinstance(each.mark, Text) else kind(each.mark)
                        middle_words = None if middle is None else [*map(float, middle)]
                        far.append(f"{title}: {name}: {what!r} {box} {middle_words}")
    print(f"{marks:,} marks; the farthest edge of an ink box from the median, in pixels:")
    for name in wanted:
        row = "  ".join(f"{what} {worst.get((name, what), 0):4.1f}" for what in KINDS.values())
        print(f"  {name:14} {row}")
    for line in far[:40]:
        print("  too far:", line)
    print(f"{len(far)} too far")
    return bool(far)


if __name__ == "__main__":
    sys.exit(main())
