"""What one can type: commands, options, an example of each, and what a mistyped word is near."""

import argparse
import difflib
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from mmviz.engine.text import printable, quoted
from mmviz.engine.version import VERSION
from mmviz.writing.forms import FORMS

USAGE, WIDTH = 2, 78
MOST_DIGITS = 9  # of the number of a step
LONGEST_MESSAGE, LONGEST_WORD = 900, 40  # characters
LINK = "mmviz:0.2.0/sva/clear_order:NoIotlb/CPU0:2,DEV/at3/q6j.mqcvro"
SELECTION = (
    "a thread (iommu_group), a scenario (iommu_group/release_order), a case of it by name or id "
    "(iommu_group/release_order:B1/n5), or a file (my_race.py, my_race.py:Case); everything when "
    "left out"
)


EXAMPLES = {  # of each command; a test runs them
    "list": (
        "mmviz list iommu_group               # the cases of a thread",
        "mmviz list hmm --kernel 5.3 --json   # those that this release behaves like",
    ),
    "check": (
        "mmviz check iommu_group/release_order                    # a race",
        "mmviz check iommu_group/release_order:DelistThenRelease  # a case",
        "mmviz check invalidate_page/faults_and_invalidators --set faults=2",
    ),
    "replay": (
        'mmviz replay iommu_group/release_order DelistThenRelease "CPU0*3 CPU1*4"',
        f"mmviz replay {LINK}",
        "mmviz replay - < mail.txt            # the link in a mail, as it is",
    ),
    "mutate": ("mmviz mutate iommu_group/release_order:ReleaseUnderMutex",),
    "verify": ("mmviz verify my_race.py", "mmviz verify my_race.py --json"),
    "new": ("mmviz new another_race.py",),
    "export": (
        "mmviz export iommu_group/release_order DelistThenRelease -o run.html",
        'mmviz export iommu_group/release_order DelistThenRelease "CPU0*3" -o run.txt',
        "mmviz export iommu_group/release_order ReleaseUnderMutex -o case.pml",
        "mmviz export --site public           # all races, the course, the reference",
        "mmviz export --site public my_race.py hmm",
    ),
    "diagram": (
        "mmviz diagram mail.txt               # can it happen, and where?",
        "mmviz diagram mail.txt --race iommu_group/release_order:ReleaseUnderMutex",
        "mmviz diagram - --json < mail.txt",
        "mmviz diagram mail.txt -o race.html  # its stage as one page",
    ),
    "lockdep": (
        "mmviz lockdep splat.txt",
        "mmviz lockdep - --json < splat.txt",
        "mmviz lockdep splat.txt -o race.html # its stage as one page",
    ),
    "litmus": (
        "mmviz litmus SB.litmus               # every final state under x86-TSO",
        "mmviz litmus SB.litmus --model sc    # without store buffers",
        "mmviz litmus - --json < SB.litmus",
        "mmviz litmus SB.litmus -o SB.html   # the run that is asked for, as a page",
    ),
    "lab": ("mmviz lab course --copy-only         # no JupyterLab is started",),
    "schema": (
        "mmviz schema                         # the names",
        "mmviz schema replay                  # the form of `mmviz replay --json`",
    ),
    "completion": ('eval "$(mmviz completion bash)"      # a line for your ~/.bashrc',),
}
SHELLS = ("bash", "zsh", "fish")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are short, and whose words and options come in any order."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the complaint, with what to write, and exit."""
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice and (near := nearest(choice[1], re.findall(r"[\w-]+", choice[2]))):
            message += f"; {near}"
        elif "arguments are required" in message:
            message += f"; `{self.prog} --help` says more"
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {one_line(message)}\n")

    def read(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse a command line; words after an option belong to the list of words before it."""
        given = list(sys.argv[1:] if argv is None else argv)
        if given and not given[0].startswith("-") and given[0] not in self.commands:
            near = nearest(given[0], self.commands)
            known = f"commands: {', '.join(self.commands)}"
            self.error(f"there is no command {quoted(given[0])}; {near or known}")
        options, rest = self.parse_known_args(given)
        words = next((vars(options)[n] for n in ("schedule", "selection") if n in options), None)
        if words is not None and not any(word.startswith("-") for word in rest):
            words += rest
        elif rest:
            command = self.commands[options.command]
            wrong = next((word for word in rest if word.startswith("-")), rest[0])
            near = nearest(wrong.partition("=")[0], command.words)
            hint = f"; {near}" if near and wrong.startswith("-") else ""
            command.error(f"unrecognized arguments: {' '.join(map(quoted, rest))}{hint}")
        return options

    @property
    def commands(self) -> dict[str, "Parser"]:
        """The parser of each command."""
        found = (each for each in self._actions if isinstance(each, argparse._SubParsersAction))
        return next((dict(each.choices) for each in found), {})

    @property
    def words(self) -> list[str]:
        """The options, as they are typed."""
        return [word for action in self._actions for word in action.option_strings]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what a mistyped word may be, "did you mean check?"; "" where nothing is near."""
    close = difflib.get_close_matches(word[:LONGEST_WORD].lower(), list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""


def parser() -> Parser:
    """Return the parser of the whole command line."""
    top = Parser(
        prog="mmviz",
        description="Step through, break, fix and prove kernel races.",
        epilog="`mmviz COMMAND --help` has examples of each command.",
    )
    top.add_argument("--version", action="version", version=f"mmviz {VERSION}")
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
    replay.add_argument(
        "scenario",
        metavar="SCENARIO",
        help="a scenario or a file; or a link, wrapped and quoted as it may be; - for a link in "
        "the text on stdin",
    )
    replay.add_argument("case", nargs="?", metavar="CASE", help="a case's name or id")
    replay.add_argument(
        "schedule",
        nargs="*",
        default=[],
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
    for command in (listing, check, mutate, verify, replay):
        command.add_argument("--json", action="store_true", help="print JSON on stdout")

    export = commands.add_parser(
        "export",
        help="write a case as Promela, or a run of it as a page, a picture or a diagram",
    )
    export.add_argument(
        "scenario", nargs="?", metavar="SCENARIO", help="a scenario, a file, or a link"
    )
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
        choices=(*FORMS,),
        help="; ".join(f"{form}: {kind.name}" for form, kind in FORMS.items())
        + " (default: as FILE ends; on stdout pml)",
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
        "--step",
        type=_step,
        metavar="N",
        help="svg, png, pdf, html: after this step (default: the last; html: the start)",
    )
    export.add_argument(
        "--views",
        metavar="NAMES",
        help="svg, png, pdf, gif: such as memory,locks (default: timeline,memory)",
    )
    export.add_argument(
        "--theme",
        metavar="NAME",
        help="svg, png, pdf, gif, html: light or dark (default: light; html: as the reader's "
        "system)",
    )
    export.add_argument(
        "--tabs", action="store_true", default=None, help="txt: tabs instead of blanks"
    )
    export.add_argument(
        "--brief",
        action="store_true",
        default=None,
        help='txt, md: "..." for the steps that did not lead to what goes wrong',
    )
    export.add_argument(
        "--site",
        metavar="DIR",
        help="instead of one run, a static site that opens from disk: the races named (threads, "
        "races, files), or all of them with the course and the reference",
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
    diagram.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the stage of the diagram: .html, .svg, .txt, … as for export, but for .pml",
    )

    lockdep = commands.add_parser(
        "lockdep", help="make a race of a lock report; status 1 when it cannot be read"
    )
    lockdep.add_argument("file", metavar="FILE", help="a file with the report; - for stdin")
    lockdep.add_argument("--json", action="store_true", help="print JSON on stdout")
    lockdep.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the stage of the report: .html, .svg, .txt, … as for export, but for .pml",
    )

    litmus = commands.add_parser(
        "litmus",
        help="find every final state of a litmus test; status 1 when it cannot be read",
    )
    litmus.add_argument(
        "file", metavar="FILE", help="an X86, X86_64 or C litmus test of herd7; - for stdin"
    )
    litmus.add_argument(
        "--model",
        choices=("sc", "tso"),
        default="tso",
        help="sequential consistency, or x86-TSO (default: tso)",
    )
    litmus.add_argument("--json", action="store_true", help="print JSON on stdout")
    litmus.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the run that is asked about: .html, .svg, .txt, … as for export",
    )

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

    schema = commands.add_parser(
        "schema", help="print the JSON Schema of what a command prints with --json"
    )
    schema.add_argument("name", nargs="?", metavar="COMMAND", help="the names when left out")

    completion = commands.add_parser(
        "completion", help="print what makes a shell complete commands, options and names"
    )
    completion.add_argument("shell", metavar="SHELL", help="bash, zsh or fish")

    for name, command in top.commands.items():
        command.description = f"{command_help(commands, name)}."
        lines = EXAMPLES.get(name, ())
        command.epilog = "\n  ".join(["examples:", *lines]) if lines else None
    return top


def command_help(commands: Any, name: str) -> str:
    """Return what a command does, on lines, with a capital letter."""
    said = next(str(each.help) for each in commands._choices_actions if each.dest == name)
    return "\n".join(textwrap.wrap(said[0].upper() + said[1:], WIDTH))


def one_line(message: str) -> str:
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
