"""The command line: list, check, verify, new, replay, mutate, export, diagram, lockdep, lab.

Exit status: 0 all is as declared; 1 something differs from what is declared; 2 the
command is invalid, with one line that says why.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import NoReturn, TextIO

from mmviz.engine import MmvizError, ModelError
from mmviz.engine.text import printable, quoted

DIFFERS, USAGE = 1, 2
MOST_DIGITS = 9  # of the number of a step
LONGEST_MESSAGE = 900  # characters
INTERRUPTED, BROKEN_PIPE = 130, 141  # what a shell reports of a program that a signal ended
SELECTION = (
    "a thread (iommu_group), a scenario (iommu_group/release_order), a case of it by name or id "
    "(iommu_group/release_order:B1/n5), or a file (my_race.py, my_race.py:Case); everything when "
    "left out"
)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are short, and whose words and options come in any order."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the complaint, and exit."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {_one_line(message)}\n")

    def read(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse a command line; words after an option belong to the list of words before it."""
        options, rest = self.parse_known_args(argv)
        words = next((vars(options)[n] for n in ("schedule", "selection") if n in options), None)
        if words is not None and not any(word.startswith("-") for word in rest):
            words += rest
        elif rest:
            self.error(f"unrecognized arguments: {' '.join(map(quoted, rest))}")
        return options


class Screen(io.TextIOBase):
    """Standard output whose control characters are escaped, so that a terminal obeys none.

    Args:
        to: where the text goes.
    """

    def __init__(self, to: TextIO) -> None:
        self.to = to

    def write(self, text: str) -> int:
        """Write a text, its control characters escaped."""
        self.to.write(printable(text))
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        self.to.flush()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self.to.isatty()


def parser() -> Parser:
    """Return the parser of the whole command line."""
    top = Parser(prog="mmviz", description="Step through, break, fix and prove kernel races.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="list the races and their cases")
    listing.add_argument("selection", nargs="*", metavar="SCENARIO[:CASE]", help=SELECTION)
    listing.add_argument(
        "--kernel",
        default="",
        metavar="RELEASE",
        help="only the cases that this release behaves like, for example 5.3",
    )

    check = commands.add_parser(
        "check", help="search every interleaving; status 1 when a verdict is not the declared one"
    )
    check.add_argument("selection", nargs="*", metavar="SCENARIO[:CASE]", help=SELECTION)
    check.add_argument(
        "--max-states", type=_count, metavar="N", help="cut a search off above N states"
    )
    check.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=N",
        help="check another member of a scenario's family of cases, for example faults=3",
    )

    check.add_argument(
        "--write",
        action="store_true",
        help="show the state counts that differ as a diff, and write them into the races",
    )

    replay = commands.add_parser("replay", help="run a schedule and print what happens")
    replay.add_argument("scenario", metavar="SCENARIO")
    replay.add_argument("case", metavar="CASE", help="a case's name or id")
    replay.add_argument(
        "schedule",
        nargs="*",
        metavar="SCHEDULE",
        help='the actors in the order of their steps, "CPU0 CPU1*2"; a JSON list; or the name of '
        "a stored schedule",
    )

    mutate = commands.add_parser(
        "mutate",
        help="remove each line of the safe cases in turn; status 1 when a mutant survives and "
        "the line does not say why",
    )
    mutate.add_argument("selection", nargs="*", metavar="SCENARIO[:CASE]", help=SELECTION)
    verify = commands.add_parser(
        "verify", help="run all checks of one race; status 1 when one of them fails"
    )
    verify.add_argument("race", metavar="RACE", help="thread/race, or the path of a file")
    new = commands.add_parser("new", help="write a small race that passes every check")
    new.add_argument(
        "race", metavar="RACE", help="thread/race for the catalogue, or my_race.py for a file"
    )
    for command in (listing, check, mutate, replay):
        command.add_argument("--json", action="store_true", help="print JSON on stdout")

    export = commands.add_parser(
        "export",
        help="write a case as Promela, or a run of it as a page, a picture or a diagram",
    )
    export.add_argument("scenario", metavar="SCENARIO")
    export.add_argument("case", nargs="?", metavar="CASE", help="a case's name or id")
    export.add_argument(
        "schedule",
        nargs="*",
        metavar="SCHEDULE",
        help="the run, as for replay (default: the violation with the fewest preemptions)",
    )
    export.add_argument("-o", "--output", metavar="FILE", help="the file (default: stdout)")
    export.add_argument(
        "--form",
        choices=("pml", "html", "svg", "txt"),
        help="Promela for spin; one page with the stage; a picture; a diagram for a mail "
        "(default: as FILE ends, else pml)",
    )
    export.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=N",
        help="instead of CASE, another member of the scenario's family, for example faults=3",
    )
    export.add_argument(
        "--sample",
        type=_count,
        metavar="N",
        help="pml: the states that a short search visits to find the values of the fields",
    )
    export.add_argument(
        "--step", type=_step, metavar="N", help="svg, html: after this step (svg: the last)"
    )
    export.add_argument(
        "--views", metavar="NAMES", help="svg: such as memory,locks (default: timeline,memory)"
    )
    export.add_argument(
        "--theme",
        metavar="NAME",
        help="svg, html: light or dark (svg: light; html: as the reader's system)",
    )

    diagram = commands.add_parser(
        "diagram", help="read a race diagram from a mail; status 1 when it cannot be read"
    )
    diagram.add_argument("file", metavar="FILE", help="a file with the diagram; - for stdin")
    diagram.add_argument(
        "--race",
        default="",
        metavar="SCENARIO[:CASE]",
        help="judge it by this race (default: the one of the catalogue that has its functions)",
    )
    diagram.add_argument("--json", action="store_true", help="print JSON on stdout")
    diagram.add_argument(
        "--skeleton", action="store_true", help="print a race with its steps, to fill in"
    )

    lockdep = commands.add_parser(
        "lockdep", help="make a race of a lock report; status 1 when it cannot be read"
    )
    lockdep.add_argument("file", metavar="FILE", help="a file with the report; - for stdin")
    lockdep.add_argument("--json", action="store_true", help="print JSON on stdout")

    lab = commands.add_parser("lab", help="open the course in JupyterLab")
    lab.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="where the course is copied to (default: ./mmviz-course; a checkout uses its own "
        "notebooks); a file you changed is never overwritten",
    )
    lab.add_argument(
        "--copy-only", action="store_true", help="copy the course, and do not start JupyterLab"
    )
    lab.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    lab.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="let JupyterLab listen at this port (default: a free one from 8888 on)",
    )
    lab.add_argument(
        "--notebook",
        default="start",
        metavar="NAME",
        help="the notebook to open, for example exclusive (default: start)",
    )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status.

    Args:
        argv: the words after `mmviz`; by default those of the process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character
    try:
        with redirect_stdout(Screen(sys.stdout) if sys.stdout else None):
            status = _run(parser().read(argv))
            if sys.stdout:
                sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, for example `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModelError as error:
        return _complain(error, DIFFERS)
    except OSError as error:
        where = "" if error.filename is None else f"{quoted(str(error.filename))}: "
        return _complain(MmvizError(f"{where}{error.strerror or error}"), USAGE)
    except MmvizError as error:
        return _complain(error, USAGE)
    return status


def _run(options: argparse.Namespace) -> int:
    """Run one command; each imports only what it needs."""
    match options.command:
        case "list":
            from mmviz.cli.listing import show_list

            return show_list(options.selection, options.json, options.kernel)
        case "check":
            from mmviz.cli.check import check

            return check(
                options.selection, options.json, options.max_states, options.set, options.write
            )
        case "mutate":
            from mmviz.cli.mutate import mutate

            return mutate(options.selection, options.json)
        case "verify":
            from mmviz.cli.verify import verify

            return verify(options.race)
        case "new":
            from mmviz.cli.new import new

            return new(options.race)
        case "replay":
            from mmviz.cli.walk import walk

            return walk(options.scenario, options.case, options.schedule, options.json)
        case "export":
            from mmviz.cli.export import export

            return export(options)
        case "diagram":
            from mmviz.cli.diagram import diagram

            return diagram(options.file, options.race, options.json, options.skeleton)
        case "lockdep":
            from mmviz.cli.lockdep import lockdep

            return lockdep(options.file, options.json)
        case _:
            from mmviz.cli.lab import lab

            return lab(
                options.folder,
                options.copy_only,
                options.no_browser,
                options.port,
                options.notebook,
            )


def _complain(error: Exception, status: int) -> int:
    print("mmviz:", _one_line(str(error)), file=sys.stderr)
    return status


def _one_line(message: str) -> str:
    """Return a message on one line, its control characters escaped; a very long one is cut."""
    line = printable(" ".join(message[: 2 * LONGEST_MESSAGE].split()))
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"


def _port(word: str) -> int:
    """Parse the number of a port."""
    if not (word.isascii() and word.isdigit() and len(word) <= 5 and 1 <= int(word) <= 65535):
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not a port, a number from 1 to 65535")
    return int(word)


def _step(word: str) -> int:
    """Parse the number of a step."""
    if not (word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS):
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not the number of a step, 0 or more")
    return int(word)


def _count(word: str) -> int:
    """Parse a positive number, `1_000` and `1,000` included."""
    try:
        number = int(word.replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not a number above 0")
    return number
