"""The rows of a lock report, without what loggers, consoles and mailers put around them.

A row may be cut in two where the console was busy, with rows of other tasks between: a lock's name
that a row leaves open goes on in a row below that has one word only.
"""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from mmviz.reading.mail import rows_of

DAY = r"[A-Z][a-z]{2} {1,2}\d{1,2}"
BEFORE = (
    r"(?:> ?)+",
    rf"(?:{DAY} \d\d:\d\d:\d\d|\d{{4}}-\d\d-\d\d[A-Z ]\d\d:\d\d:\d\d)\S*"
    r"(?: \S+)? (?:kernel|klogd)(?:\[\d+\])?:",
    r"kernel:",
    r"kern +:\w+ *:",
    r"<\d{1,3}>",
    r"\[ *\+?\d+[.,]\d+ *\]",
    r"\[(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} *\d{1,2} \d\d:\d\d(?::\d\d \d{4})?\]",
    r"\[ *(?P<task>[A-Z]{1,2}\d+)(?:@[A-Z]\d+)?\]",
    r"\(\d+\)\[\d+:[^\]]*\]",
)
PREFIX = re.compile(rf"(?:\|  ?|# )?(?: *(?:{'|'.join(BEFORE)}) ?)+(?:\| ?)?|\| ?")
SYSLOG_NEWLINE = "#" + "012"  # in octal
WRAPPED_ARROW = re.compile(r"-\n>(?=[a-z_])")
OPENS_USE = re.compile(
    r"(?:-> #\d+|#\d+:(?:\s+[0-9a-f]{8,16})?|^\s*[0-9a-f]{8,16})(?:\s+(?P<rest>\(.*))?$"
    r"|^\s*(?P<name>\([^{}\s]*)$"
)
OPENS_CALL = re.compile(r"\b(?:r?lock|sync)\((?P<rest>[^;]*)$")
ENDS_USE = re.compile(r"\)\s*\{[^}]*\}")
GOES_ON = re.compile(r"\S+$|\S*\)\s*[{;]|\(\S.*\)\s*\{")
ONE_MORE_BLANK = re.compile(r"(?:#\d+:?|\b[0-9a-f]{8,16}|ptrval_*\))$")
WIDEST = 500  # characters of a row; none of lockdep's is wider
MOST_ROWS = 12  # a name is left open over at most so many


class Logged(NamedTuple):
    """A row, and the task that printed it, "" where the log does not say."""

    text: str
    task: str


def logged(text: str) -> list[Logged]:
    """Return the rows of a text, each without quoting, times, log levels and task ids."""
    if "-&gt; #" in text or "&lt;Interrupt&gt;" in text:
        text = html.unescape(text)
    found = []
    for row in rows_of(WRAPPED_ARROW.sub("->", text.replace("\r\n", "\n"))):
        task = ""
        for part in row.expandtabs(8).split(SYSLOG_NEWLINE):
            if match := PREFIX.match(part):
                task = match["task"] or task
                part = part[match.end() :]
            found.append(Logged(part[:WIDEST].rstrip(), task))
    return found


def of_one_task(rows: list[Logged]) -> list[str]:
    """Return the rows of the task that printed the first, and those whose task is not said."""
    task = rows[0].task if rows else ""
    mine = [row.text for row in rows if not (task and row.task and row.task != task)]
    return list(_joined(mine))


def _joined(rows: list[str]) -> Iterator[str]:
    """Yield the rows, those joined that a lock's name goes over."""
    at = 0
    while at < len(rows):
        row, after = rows[at], at + 1
        if _is_open(row):
            text = row
            for number in range(at + 1, min(at + 1 + MOST_ROWS, len(rows))):
                more = rows[number].strip()
                if not more or not GOES_ON.match(more):
                    continue
                text += (" " if ONE_MORE_BLANK.search(text) else "") + more
                if not _is_open(text):
                    row, after = text, number + 1
                    break
        yield row
        at = after


def _is_open(row: str) -> bool:
    """Tell whether a row ends within the name of a lock, or right before it."""
    if match := OPENS_CALL.search(row):
        return match["rest"].count("(") >= match["rest"].count(")")
    match = OPENS_USE.search(row)
    return match is not None and not ENDS_USE.search(match["rest"] or match["name"] or "")
