"""What one can type: commands, options, an example of each, and what a mistyped word is near."""

import argparse
import difflib
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from mmviz.cli import numbers
from mmviz.cli.examples import EXAMPLES
from mmviz.engine.text import printable, quoted
from mmviz.engine.version import VERSION
from mmviz.lessons.question import KINDS
from mmviz.writing.forms import FORMS

USAGE, WIDTH = 2, 78
LONGEST_MESSAGE, LONGEST_WORD = 900, 40  # characters
SELECTION = (
    "a thread (iommu_group), a scenario (iommu_group/release_order), a case of it by name or id "
    "(iommu_group/release_order:B1/n5), or a file (my_race.py, my_race.py:Case); everything when "
    "left out"
)


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
        "--max-states", type=numbers.count, metavar="N", help="cut a search off above N states"
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
        type=numbers.count,
        metavar="N",
        help="pml: the states that a short search visits to find the values of the fields",
    )
    export.add_argument(
        "--step",
        type=numbers.step,
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
        "--qr",
        action="store_true",
        help="svg, png, txt: the link of the run as a QR code (--step: where it looks; txt is for "
        "a light background, --theme dark for a dark one)",
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

    quiz = commands.add_parser(
        "quiz",
        help="ask questions about a race, made from its states; without a terminal on stdin, print "
        "them; status 1 when there is none",
    )
    quiz.add_argument("race", metavar="RACE", help="thread/race, or the path of a file")
    quiz.add_argument(
        "--case", default="", metavar="CASE", help="a case's name or id (default: several cases)"
    )
    quiz.add_argument(
        "--kind",
        default="",
        metavar="KIND",
        help="; ".join(f"{kind}: {asks}" for kind, asks in KINDS.items()) + " (default: all)",
    )
    quiz.add_argument(
        "--seed", type=numbers.seed, default=0, metavar="N", help="another number, other questions"
    )
    quiz.add_argument(
        "--count", type=numbers.count, default=5, metavar="N", help="how many (default: 5)"
    )
    quiz.add_argument(
        "--answers", action="store_true", help="print the questions with their answers and reasons"
    )
    quiz.add_argument("--json", action="store_true", help="print JSON on stdout")

    exercise = commands.add_parser(
        "exercise", help="list the exercises, or print the code of one to edit"
    )
    exercise.add_argument(
        "name", nargs="?", metavar="NAME", help="thread/name, or a thread; all when left out"
    )
    judge = commands.add_parser(
        "judge", help="judge an answer to an exercise; status 1 when it is not right"
    )
    judge.add_argument(
        "file",
        metavar="FILE",
        help="the code of an answer, which is run; or with --exercise a schedule or the number of "
        "a step; - for stdin",
    )
    judge.add_argument("--exercise", metavar="NAME", help="the exercise (default: as FILE says)")
    for command in (exercise, judge):
        command.add_argument(
            "--seed", type=numbers.seed, default=0, metavar="N", help="which variant (default: 0)"
        )
        command.add_argument("--json", action="store_true", help="print JSON on stdout")

    entry = commands.add_parser(
        "entry", help="say what a page-table entry means, or what a value was that cannot be one"
    )
    entry.add_argument(
        "what",
        metavar="VALUE|FILE",
        help="a raw entry, 0x…; a line of a log; a file with a log, or with values; - for stdin",
    )
    for name, metavar, words in (
        ("kernel", "RELEASE", "6.15, 5.15.0-91-generic (default: as the log says, or the newest)"),
        ("level", "LEVEL", "pte, pmd, pud, p4d, pgd (default: as the log says, or pte)"),
        ("space", "SPACE", "user or kernel (default: as the log says, or what fits)"),
        ("arch", "ARCH", "x86-64 or arm64 (default: as the log says, or x86-64)"),
    ):
        entry.add_argument(f"--{name}", default="", metavar=metavar, help=words)
    entry.add_argument("--json", action="store_true", help="print JSON on stdout")

    lab = commands.add_parser(
        "lab", help="write an edition of the course, and open it in JupyterLab"
    )
    lab.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="where the course is written to (default: ./mmviz-course, or "
        "./mmviz-course-teacher); a file you changed is never overwritten",
    )
    lab.add_argument(
        "--edition",
        choices=("self", "student", "teacher"),
        default="self",
        help="for self-study; for a class, without any answer; or for its teacher, with answers, "
        "minutes, misconceptions, a board sketch and questions (default: self)",
    )
    lab.add_argument(
        "--copy-only", action="store_true", help="write the course, and do not start JupyterLab"
    )
    lab.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    lab.add_argument(
        "--port",
        type=numbers.port,
        metavar="N",
        help="let JupyterLab listen at this port (default: a free one from 8888 on)",
    )
    lab.add_argument(
        "--notebook",
        default="start",
        metavar="NAME",
        help="the notebook to open, for example exclusive (default: start)",
    )

    handout = commands.add_parser(
        "assignment", help="write a graded notebook of exercises and predictions"
    )
    handout.add_argument(
        "items",
        nargs="+",
        metavar="EXERCISE",
        help="the name of an exercise; or a case and the kind of a question, "
        "thread/race:Case?next; @3 after it for its third variant",
    )
    handout.add_argument(
        "--for",
        dest="form",
        choices=("jupyter", "nbgrader", "otter"),
        default="jupyter",
        help="whose form the notebook has (default: jupyter)",
    )
    handout.add_argument(
        "-o", "--output", metavar="FOLDER", default=".", help="where it is written (default: here)"
    )
    handout.add_argument(
        "--name", metavar="NAME", default="races", help="of the assignment (default: races)"
    )

    grade = commands.add_parser(
        "grade", help="print the points of notebooks that were handed in; runs only their answers"
    )
    grade.add_argument("original", metavar="ASSIGNMENT", help="the notebook as it was given out")
    grade.add_argument("submissions", nargs="+", metavar="FILE", help="a notebook handed in")
    grade.add_argument("--json", action="store_true", help="print JSON on stdout")

    progress = commands.add_parser(
        "progress", help="show what you have seen and done on this machine"
    )
    progress.add_argument("--json", action="store_true", help="print JSON on stdout")
    progress.add_argument("--forget", action="store_true", help="remove it first")

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
