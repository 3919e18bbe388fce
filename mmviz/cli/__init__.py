"""The command line: list, check, replay, mutate, lab.

Exit status: 0 all is as declared; 1 something differs from what is declared; 2 the
command is invalid, with one line that says why.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from mmviz.engine import MmvizError, ModelError

DIFFERS, USAGE = 1, 2
INTERRUPTED, BROKEN_PIPE = 130, 141  # what a shell reports of a program that a signal ended
SELECTION = (
    "a thread (iommu_group), a scenario (iommu_group/release_order), or a case of it by name or "
    "id (iommu_group/release_order:B1/n5); everything when left out"
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="mmviz", description="Step through, break, fix and prove kernel races."
    )
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
    for command in (listing, check, mutate, replay):
        command.add_argument("--json", action="store_true", help="print JSON on stdout")

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
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status.

    Args:
        argv: the words after `mmviz`; by default those of the process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character
    try:
        status = _run(parser().parse_args(argv))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, for example `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModelError as error:
        return _complain(error, DIFFERS)
    except (MmvizError, OSError) as error:
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
        case "replay":
            from mmviz.cli.walk import walk

            return walk(options.scenario, options.case, options.schedule, options.json)
        case _:
            from mmviz.cli.lab import lab

            return lab(options.folder, options.copy_only, options.no_browser)


def _complain(error: Exception, status: int) -> int:
    print("mmviz:", " ".join(str(error).split()), file=sys.stderr)
    return status


def _count(word: str) -> int:
    """Parse a positive number, `1_000` and `1,000` included."""
    try:
        number = int(word.replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number above 0")
    return number
