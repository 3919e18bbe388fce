"""Completion in a shell, of commands, options, and the names of races and cases.

argcomplete speaks to the shell; what is asked of it needs the package, and nothing else does.
"""

from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from mmviz.cli.parser import SHELLS, Parser
from mmviz.engine import MmvizError
from mmviz.engine import nearest as the_nearest
from mmviz.scenarios import load, names

PACKAGE = (
    "completion needs the package argcomplete, which is not installed: pip install argcomplete"
)


def show_completion(shell: str) -> int:
    """Print what makes a shell complete, and return the exit status.

    Raises:
        MmvizError: it is another shell, or argcomplete is not installed.
    """
    chosen: str = the_nearest({each: each for each in SHELLS}, shell, "shell")
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError:
        raise MmvizError(PACKAGE) from None
    print(shellcode(["mmviz"], shell=chosen))
    return 0


def complete(top: Parser) -> None:
    """Answer a shell that asks what may come next, and exit.

    Raises:
        MmvizError: argcomplete is not installed.
    """
    try:
        import argcomplete
    except ImportError:
        raise MmvizError(PACKAGE) from None
    for command in top.commands.values():
        for action in command._actions:
            found = COMPLETERS.get(action.dest)
            if found is not None:
                action.completer = found  # type: ignore[attr-defined]  # argcomplete's way
    argcomplete.autocomplete(top, always_complete_options=False)


def scenarios(**_: Any) -> Iterable[str]:
    """Return the names of the races."""
    return names()


def selections(prefix: str, **_: Any) -> Iterable[str]:
    """Return threads and races; after a colon, the cases of the race before it."""
    race, colon, _case = prefix.partition(":")
    if colon:
        return [f"{race}:{case}" for case in _cases(race)]
    return [*dict.fromkeys(name.partition("/")[0] for name in names()), *names()]


def cases(parsed_args: Namespace, **_: Any) -> Iterable[str]:
    """Return the cases of the race that has been typed."""
    return _cases(parsed_args.scenario)


def schedules(parsed_args: Namespace, **_: Any) -> Iterable[str]:
    """Return the actors of the case that has been typed."""
    try:
        return list(load(parsed_args.scenario).case(parsed_args.case).actors)
    except MmvizError:
        return []


def _cases(race: str) -> list[str]:
    return [case.name for case in load(race).cases] if race in names() else []


COMPLETERS = {
    "scenario": scenarios,
    "selection": selections,
    "case": cases,
    "schedule": schedules,
    "race": selections,
    "shell": lambda **_: SHELLS,
}
