"""The command line.  `mmviz --help` lists its commands.

Exit status: 0 all is as declared; 1 something differs from what is declared; 2 the
command is invalid, with one line that says why.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TextIO

from mmviz.cli.colour import COLOURED, coloured, may_colour
from mmviz.cli.parser import USAGE, one_line, parser
from mmviz.engine import MmvizError, ModelError
from mmviz.engine.text import printable, quoted

DIFFERS = 1
INTERRUPTED, BROKEN_PIPE = 130, 141  # what a shell reports of a program that a signal ended


class Screen(io.TextIOBase):
    """Standard output whose control characters are escaped, so that a terminal obeys none.

    Args:
        to: where the text goes.
    """

    def __init__(self, to: TextIO) -> None:
        self.to, self.coloured = to, False

    def write(self, text: str) -> int:
        """Write a text, its control characters escaped; what a reader looks for is coloured."""
        shown = printable(text)
        self.to.write(coloured(shown) if self.coloured else shown)
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        self.to.flush()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self.to.isatty()


def read(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; first, where a shell asks what comes next, answer and exit."""
    top = parser()
    if "_ARGCOMPLETE" in os.environ:
        from mmviz.cli.completion import complete

        complete(top)
    return top.read(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status.

    Args:
        argv: the words after `mmviz`; by default those of the process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character
    try:
        with redirect_stdout(Screen(sys.stdout) if sys.stdout else None):
            options = read(argv)
            if isinstance(sys.stdout, Screen) and options.command in COLOURED:
                sys.stdout.coloured = may_colour(sys.stdout.to)
            status = _run(options)
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

            return verify(options.race, options.json)
        case "new":
            from mmviz.cli.new import new

            return new(options.race)
        case "replay":
            from mmviz.cli.walk import walk

            return walk(options.scenario, options.case, options.schedule, options.json)
        case "schema":
            from mmviz.cli.schema import show_schema

            return show_schema(options.name)
        case "completion":
            from mmviz.cli.completion import show_completion

            return show_completion(options.shell)
        case "export" if options.site is not None:
            from mmviz.cli.site import site

            return site(options)
        case "export":
            from mmviz.cli.export import export

            return export(options)
        case "diagram":
            from mmviz.cli.diagram import diagram

            return diagram(
                options.file, options.race, options.json, options.skeleton, options.output
            )
        case "lockdep":
            from mmviz.cli.lockdep import lockdep

            return lockdep(options.file, options.json, options.output)
        case "entry":
            from mmviz.cli.entry import entry

            return entry(
                options.what,
                options.kernel,
                options.level,
                options.space,
                options.arch,
                options.json,
            )
        case "litmus":
            from mmviz.cli.litmus import litmus

            return litmus(options.file, options.model, options.json, options.output)
        case "quiz":
            from mmviz.cli.quiz import quiz

            return quiz(options)
        case "assignment":
            from mmviz.cli.assignment import write_assignment

            return write_assignment(options.items, options.form, options.output, options.name)
        case "grade":
            from mmviz.cli.assignment import grade_files

            return grade_files(options.original, options.submissions, options.json)
        case "progress":
            from mmviz.cli.progress import show_progress

            return show_progress(options.json, options.forget)
        case "exercise":
            from mmviz.cli.exercise import exercise

            return exercise(options.name, options.seed, options.json)
        case "judge":
            from mmviz.cli.judge import judge

            return judge(options.file, options.exercise, options.seed, options.json)
        case _:
            from mmviz.cli.lab import lab

            return lab(
                options.folder,
                options.copy_only,
                options.no_browser,
                options.port,
                options.notebook,
                options.edition,
            )


def _complain(error: Exception, status: int) -> int:
    print("mmviz:", one_line(str(error)), file=sys.stderr)
    return status
