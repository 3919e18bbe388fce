"""`mmviz export`: a case as Promela, or a run of it as a page, a picture or a diagram."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from mmviz.cli.listing import member
from mmviz.cli.output import write
from mmviz.engine import Case, MmvizError, Run, UnknownName, nearest
from mmviz.engine.closure import SAMPLE, Closure
from mmviz.engine.promela import digest, promela
from mmviz.engine.text import quoted
from mmviz.scenarios import find

if TYPE_CHECKING:
    from mmviz.scene.searched import SearchedCase

PML, HTML, SVG, TXT = "pml", "html", "svg", "txt"
NAMES = {PML: "Promela", HTML: "a page", SVG: "a picture", TXT: "a diagram"}
ONLY = {"step": (SVG, HTML), "views": (SVG,), "theme": (SVG, HTML), "sample": (PML,)}


def export(options: Namespace) -> int:
    """Write a case, print on stderr what was written, and return the exit status.

    Args:
        options: as the command line has them: `scenario`, `case`, `schedule`, `output`, `form`,
            `set`, `sample`, `step`, `views` and `theme`.

    Raises:
        MmvizError: a name is unknown, an option does not go with the form, the run has no such
            step or cannot happen, packages that draw are not installed, or a step or bad state
            has too many situations.
    """
    form = _form(options)
    case = chosen(options.scenario, options.case, options.set)
    if form == PML:
        return _promela(case, options.output, options.sample)
    if form == TXT:
        from mmviz.scene.searched import SearchedCase
        from mmviz.writing.diagram import titled

        write(titled(_run(SearchedCase(case), options)), options.output)
        return 0
    try:
        text = _page(case, options) if form == HTML else _picture(case, options)
    except ImportError as error:
        raise MmvizError(f"{NAMES[form]} needs a package that is missing: {error}") from None
    if write(text, options.output):
        print(f"Written: {options.output}, {len(text.encode()):,} bytes", file=sys.stderr)
    return 0


def _form(options: Namespace) -> str:
    """Return what is to be written, by --form or by how the file's name ends."""
    suffix = PurePath((options.output or "").replace("\0", "")).suffix.lower().lstrip(".")
    form: str = options.form or (suffix if suffix in NAMES else PML)
    if suffix and not options.form and suffix not in NAMES:
        known = ", ".join(f".{each}" for each in NAMES)
        raise MmvizError(f"{quoted(options.output)}: known are {known}; else write --form")
    for name, forms in ONLY.items():
        if getattr(options, name) is not None and form not in forms:
            raise MmvizError(f"--{name} does not go with {NAMES[form]}; leave it out")
    if form == PML and options.schedule:
        raise MmvizError("Promela is of a whole case; leave the schedule out, or write -o FILE.svg")
    return form


def _run(searched: "SearchedCase", options: Namespace) -> Run:
    text = " ".join(options.schedule)
    return searched.run(searched.schedule(text) if text else next(iter(searched.runs().values())))


def _page(case: Case, options: Namespace) -> str:
    from mmviz.writing.page import case_page

    look = "" if options.theme is None else _theme(options.theme)
    return case_page(case, " ".join(options.schedule), look=look, at=options.step or 0)


def _picture(case: Case, options: Namespace) -> str:
    from mmviz.scene.searched import SearchedCase
    from mmviz.scene.svg import svg
    from mmviz.scene.views import STILL, every, known, picture
    from mmviz.scene.words import caption

    look, searched = _theme(options.theme or "light"), SearchedCase(case)
    run = _run(searched, options)
    last = run.tip.index
    at = last if options.step is None else options.step
    if at > last:
        raise MmvizError(f"--step {at}: this run has {last} steps; write a number from 0 to {last}")
    there = every(searched)
    views = options.views
    names = list(STILL) if views is None else known(filter(None, views.split(",")))
    for name in names:
        if name not in there:
            raise UnknownName(f"{case.name} has nothing for {name!r}; it has {', '.join(there)}")
    title = f"{case.title}. {caption(run.frames[at], last)}"
    return svg(picture([there[name] for name in names], run, at), look, title)


def _theme(name: str) -> str:
    found: str = nearest({"light": "light", "dark": "dark"}, name, "theme")
    return found


def _promela(case: Case, output: str | None, sample: int | None) -> int:
    closure = Closure(case, sample=SAMPLE if sample is None else sample)
    text = promela(closure)
    write(text, output)
    print(
        f"{case.scenario}:{case.name} as Promela: {sum(map(len, closure.tables)):,} locations, "
        f"{closure.situations():,} situations, {len(text.encode()):,} bytes, sha256 {digest(text)}",
        file=sys.stderr,
    )
    if closure.left_out and not closure.sampled:
        print(
            f"{len(closure.left_out):,} kinds of situations were left out, because the short "
            "search met none of them. The file lists them; spin reports known_situation if a run "
            "meets one. Then write a larger --sample.",
            file=sys.stderr,
        )
    return 0


def chosen(scenario: str, case_name: str | None, sizes: Sequence[str]) -> Case:
    """Return the case that the words of the command line name."""
    if sizes and case_name is None:
        return member([scenario], sizes)
    if sizes or case_name is None:
        raise UnknownName(
            "export needs one case: its name after the scenario, or --set for another size"
        )
    return find(scenario, case_name)
