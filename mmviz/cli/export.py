"""`mmviz export`: a case as Promela, or a run of it as a page, a picture or a diagram."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import PurePath

from mmviz.cli.listing import member
from mmviz.cli.output import write
from mmviz.engine import Case, MmvizError, UnknownName
from mmviz.engine.closure import SAMPLE, Closure
from mmviz.engine.promela import digest, promela
from mmviz.engine.text import quoted
from mmviz.scenarios import find, load
from mmviz.scenarios.link import is_link, opened
from mmviz.writing.forms import FORMS

PML = "pml"
MOST_NAMES = 12  # of cases, in a message
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
    suffix = PurePath((options.output or "").replace("\0", "")).suffix.lower().lstrip(".")
    form: str = options.form or (suffix if suffix in FORMS else PML)
    if options.output not in (None, "-") and not options.form and suffix not in FORMS:
        known = ", ".join(f".{each}" for each in FORMS)
        raise MmvizError(
            f"{quoted(options.output)} does not say what to write; let the file end in one of "
            f"{known}, or write --form"
        )
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
