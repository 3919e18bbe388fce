"""`mmviz export`: a case as Promela, or a run of it as a page, a picture or a diagram."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.util import find_spec

from mmviz.cli.listing import member
from mmviz.cli.output import write
from mmviz.cli.walk import replayed, shown_last
from mmviz.engine import Case, MmvizError, Run, UnknownName, nearest
from mmviz.engine.closure import SAMPLE, Closure
from mmviz.engine.link import link
from mmviz.engine.promela import digest, promela
from mmviz.engine.text import quoted
from mmviz.scenarios import find, load
from mmviz.scenarios.link import is_link, opened
from mmviz.scene.qr import blocks, png, qr
from mmviz.writing.files import form_of
from mmviz.writing.forms import FORMS

PML = "pml"
CODES = ("svg", "png", "txt")  # the forms of a QR code
LOOKS = {"light": "light", "dark": "dark"}
MOST_NAMES = 20  # of cases, in a message
OPTIONS = {"step": "at", "views": "views", "theme": "look", "tabs": "tabs", "brief": "brief"}


def export(options: Namespace) -> int:
    """Write a case, print on stderr what was written, and return the exit status.

    Args:
        options: as the command line has them: `scenario`, `case`, `schedule`, `output`, `form`,
            `set`, `sample`, `step`, `views`, `theme`, `tabs` and `brief`.

    Raises:
        MmvizError: a name is unknown, an option does not go with the form, the run has no such
            step or cannot happen, packages that draw are not installed, or a step or bad state
            has too many situations.
    """
    if options.qr:
        return _code(options)
    form = _form(_unlinked(options))
    case = chosen(options.scenario, options.case, options.set)
    if form == PML:
        return _promela(case, options.output, options.sample)
    from mmviz.writing.saved import saved

    given = {
        name: getattr(options, option)
        for option, name in OPTIONS.items()
        if getattr(options, option) is not None
    }
    if form == "html":
        given.setdefault("look", "")
    if options.views is not None:
        given["views"] = _views(options.views)
    data = saved(case, " ".join(options.schedule), form, **given)
    if write(data.decode() if FORMS[form].text else data, options.output):
        print(f"Written: {options.output}, {len(data):,} bytes", file=sys.stderr)
    return 0


def _code(options: Namespace) -> int:
    """Write the link of a run as a QR code."""
    form = options.form or "txt"
    if options.output not in (None, "-") and not options.form:
        form = form_of(options.output, "", CODES)
    if form not in CODES:
        raise MmvizError(f"--qr does not go with {FORMS[form].name}; known are {', '.join(CODES)}")
    for option in ("sample", "views", "tabs", "brief", *(["theme"] if form != "txt" else [])):
        if getattr(options, option) is not None:
            raise MmvizError(f"--{option} does not go with --qr; leave it out")
    words = [*filter(None, (options.scenario, options.case)), *options.schedule]
    if is_link(" ".join(words)):
        found = opened(" ".join(words))
        run, at = found.run, found.at
    else:
        case = chosen(options.scenario, options.case, options.set)
        run = _shown(case, options.schedule)
        at = shown_last(run)
    text = link(run, at if options.step is None else options.step)
    if find_spec("segno") is None:
        raise MmvizError("a QR code needs segno: pip install segno")
    match form:
        case "svg":
            data: str | bytes = f"{qr(text)}\n"
        case "png":
            data = png(text)
        case _:
            data = blocks(text, nearest(LOOKS, options.theme or "light", "theme") == "dark")
    if write(data, options.output):
        print(f"Written: {options.output}, the link {text}", file=sys.stderr)
    return 0


def _shown(case: Case, words: Sequence[str]) -> Run:
    """Return the run that is named, or the first that a stage of the case offers."""
    if words:
        return replayed(case, words)
    from mmviz.scene.searched import SearchedCase

    searched = SearchedCase(case)
    return searched.run(next(iter(searched.runs().values())))


def _views(text: str) -> list[str]:
    """Return the names in what follows --views."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        from mmviz.scene.views import VIEWS

        raise MmvizError(
            f"--views {quoted(text)} names no view; write --views timeline,memory, with any of "
            f"{', '.join(VIEWS)}, or leave it out"
        )
    return names


def _unlinked(options: Namespace) -> Namespace:
    """Return the options with the parts of a link, where one stands in place of a case."""
    text = " ".join([*filter(None, (options.scenario, options.case)), *options.schedule])
    if not is_link(text):
        return options
    found = opened(text)
    if found.remark:
        print(found.remark, file=sys.stderr)
    options.scenario, options.case, options.schedule = found.case.scenario, found.case.name, []
    form = _form(options)
    if form != PML:
        options.schedule = list(found.schedule)
    if options.step is None and "at" in FORMS[form].takes:
        options.step = found.at
    return options


def _form(options: Namespace) -> str:
    """Return what is to be written, by --form or by how the file's name ends."""
    form: str = options.form or PML
    if options.output not in (None, "-") and not options.form:
        form = form_of(options.output, "; or write --form")
    takes = ("sample",) if form == PML else FORMS[form].takes
    for option, name in (*OPTIONS.items(), ("sample", "sample")):
        if getattr(options, option) is not None and name not in takes:
            raise MmvizError(f"--{option} does not go with {FORMS[form].name}; leave it out")
    if form == PML and options.schedule:
        raise MmvizError("Promela is of a whole case; leave the schedule out, or write -o FILE.svg")
    return form


def _promela(case: Case, output: str | None, sample: int | None) -> int:
    closure = Closure(case, sample=SAMPLE if sample is None else sample)
    text = promela(closure)
    if write(text, output):
        print(f"Written: {output}, {len(text.encode()):,} bytes", file=sys.stderr)
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


def chosen(scenario: str | None, case_name: str | None, sizes: Sequence[str]) -> Case:
    """Return the case that the words of the command line name."""
    if scenario is None:
        raise UnknownName("export needs a scenario and a case; or, for a whole site, --site DIR")
    if sizes and case_name is None:
        return member([scenario], sizes)
    if case_name is None:
        cases = load(scenario).cases
        names = ", ".join(case.name for case in cases[:MOST_NAMES])
        more = f" and {len(cases) - MOST_NAMES} more" if len(cases) > MOST_NAMES else ""
        raise UnknownName(f"export needs one case after {quoted(scenario)}; it has {names}{more}")
    if sizes:
        raise UnknownName(
            "export needs one case: its name after the scenario, or --set for another size"
        )
    return find(scenario, case_name)
