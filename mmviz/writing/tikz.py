r"""A run as a diagram in TikZ: a document of its own, for a paper.

Time runs down, a column an actor. A grey bar stands beside the steps during which the actor has a
lock; the step after which a bad state holds is red. It needs nothing but TikZ, and compiles with
pdflatex, lualatex and xelatex; a paper takes it in with \includestandalone, or as a PDF.
"""

from collections.abc import Iterator

from mmviz.engine import Run
from mmviz.engine.text import printable, short
from mmviz.scene.words import readable
from mmviz.writing.steps import Told, told, verdict

CHARACTER, AIR = 0.19, 1.1  # centimetres: of a column for each character, and between columns
ROW, BAR = 0.5, 0.14  # centimetres: height of a row, width of a bar
SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": r"{-}",
    ",": r"{,}",
    **{sign: f"\\{sign}" for sign in "#$%&_"},
    "→": r"$\rightarrow$",
    "…": r"\ldots{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{EN DASH}": r"{-}{-}",
}
HEAD = r"""\documentclass[border=4pt]{standalone}
\usepackage[T1]{fontenc}
\usepackage{textcomp}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{tikz}
% A character that pdflatex has no font for is shown as its number.
\newcommand\mmchar[1]{\ifdefined\Umathchar\char"#1\relax\else U+#1\fi}
\begin{document}
\begin{tikzpicture}[
  x=1cm, y=-1cm, every node/.style={anchor=west, font=\ttfamily\small},
  actor/.style={font=\ttfamily\small\bfseries},
  did/.style={}, race/.style={text=blue!60!black}, bad/.style={text=red!70!black},
  said/.style={font=\sffamily\footnotesize},
  lifeline/.style={draw=black!25}, lock/.style={fill=black!30, draw=none},
]
"""
TAIL = r"""\end{tikzpicture}
\end{document}
"""


def document(run: Run) -> str:
    """Return a run as a LaTeX document with one picture."""
    steps = told(run)
    edges, wide = _edges(run, steps)
    case = run.case
    name = f"{case.scenario}:{case.name}" if case.scenario else case.name
    rows = [*_placed(steps)]
    low = rows[-1][1] + _high(rows[-1][0]) if rows else ROW
    lines = [f"% {_remark(name)}: {_remark(short(run.schedule) or 'no step')}", HEAD.rstrip("\n")]
    for actor, x in edges.items():
        lines.append(rf"\node[actor] at ({x:.2f}, 0) {{{plain(actor)}}};")
        lines.append(rf"\draw[lifeline] ({x:.2f}, {ROW / 2:.2f}) -- ({x:.2f}, {low:.2f});")
    lines += _bars(rows, edges, low)
    for step, y in rows:
        lines += _step(step, edges[step.actor], y)
    said = r"\\ ".join(map(plain, verdict(run)))
    shape = f"said, anchor=north west, align=left, text width={wide:.2f}cm"
    lines.append(rf"\node[{shape}] at (0, {low + 0.1:.2f}) {{{said}}};")
    return "\n".join(lines) + "\n" + TAIL


def _edges(run: Run, steps: list[Told]) -> tuple[dict[str, float], float]:
    """Return where each actor's column begins, and the width of all, in centimetres."""
    edges, x = {}, 0.0
    for actor in run.case.actors:
        edges[actor] = x
        texts = [f"00 {step.label}" for step in steps if step.actor == actor]
        said = [
            f"  races with step 10: {r.words}" for s in steps if s.actor == actor for r in s.remarks
        ]
        x += CHARACTER * max(map(len, [actor, *texts, *said])) + AIR
    return edges, x - AIR


def _placed(steps: list[Told]) -> Iterator[tuple[Told, float]]:
    y = ROW
    for step in steps:
        yield step, y
        y += _high(step)


def _high(step: Told) -> float:
    return ROW * (1 + len(step.remarks))


def _step(step: Told, x: float, y: float) -> Iterator[str]:
    style = "bad" if any(each.bad for each in step.remarks) else "race" if step.remarks else "did"
    yield rf"\node[{style}] at ({x:.2f}, {y:.2f}) {{{step.number} {plain(step.label)}}};"
    for number, remark in enumerate(step.remarks, 1):
        races = f"races with step {remark.other}: {plain(remark.words)}"
        words = rf"$\times$ {plain(readable(remark.words))}" if remark.bad else races
        style = "bad" if remark.bad else "race"
        yield (rf"\node[said, {style}] at ({x + 0.45:.2f}, {y + ROW * number:.2f}) {{{words}}};")


def _bars(rows: list[tuple[Told, float]], edges: dict[str, float], low: float) -> Iterator[str]:
    """Yield a bar for each lock, from the step that takes it to the one that gives it back."""
    since: dict[tuple[str, int], float] = {}
    for step, y in rows:
        for depth in range(len(step.held)):
            since.setdefault((step.actor, depth), y - ROW / 2 + 0.06)
        for actor, depth in [*since]:
            if actor == step.actor and depth >= len(step.held):
                yield _bar(edges[actor], depth, since.pop((actor, depth)), y + ROW / 2 - 0.06)
    for (actor, depth), top in since.items():
        yield _bar(edges[actor], depth, top, low)


def _bar(x: float, depth: int, top: float, low: float) -> str:
    left = x - BAR * (depth + 1) - 0.03 * depth
    return rf"\fill[lock] ({left:.2f}, {top:.2f}) rectangle ({left + BAR:.2f}, {low:.2f});"


def plain(text: str) -> str:
    """Return text in which every sign stands for itself."""
    line = printable(" ".join(text.split()))
    return "".join(SIGNS.get(char) or _other(char) for char in line)


def _other(char: str) -> str:
    return char if char.isascii() else rf"\mmchar{{{ord(char):04X}}}"


def _remark(text: str) -> str:
    """Return text for a comment, which ends with its line."""
    return ascii(printable(" ".join(text.split())))[1:-1]
