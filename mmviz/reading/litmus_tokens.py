"""The tokens of a litmus test, and the error that names the line that is not read."""

import re
from typing import NamedTuple, NoReturn

from mmviz.engine import ModelError
from mmviz.engine.text import quoted

MOST_DEEP = 40  # brackets inside each other
MOST_DIGITS = 20


class Unread(ModelError):
    """What the text has and is not read.

    Attributes:
        reason: what it is, and what to write.
        row: the line of the text, 0 where it has none.
    """

    def __init__(self, reason: str, row: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.row = reason, row


class Token(NamedTuple):
    """A token: "number", "word", "sign" or "end", its text and its line."""

    kind: str
    text: str
    line: int


class Tokens:
    """The tokens of a part of the text, read from left to right.

    Args:
        pattern: matches one token, the blanks before it included.
        text: the part.
        line: of its first character.
    """

    def __init__(self, pattern: re.Pattern[str], text: str, line: int) -> None:
        self.all: list[Token] = []
        self.at = self.depth = 0
        end = len(text.rstrip())
        at = 0
        while at < end and (found := pattern.match(text, at)) and found.lastgroup:
            start = found.start(found.lastgroup)
            line += text.count("\n", at, start)
            self.all.append(Token(found.lastgroup, found[found.lastgroup], line))
            at = found.end()
        self.all.append(Token("end", "the end", line))

    @property
    def now(self) -> Token:
        """The next token, which stays."""
        return self.all[self.at]

    def after(self, count: int = 1) -> Token:
        """Return a later token."""
        return self.all[min(self.at + count, len(self.all) - 1)]

    def take(self) -> Token:
        """Take the next token."""
        found = self.now
        self.at = min(self.at + 1, len(self.all) - 1)
        return found

    def accept(self, *texts: str) -> str:
        """Take the next token if it is one of these; return it, or ""."""
        return self.take().text if self.now.text in texts and self.now.kind != "end" else ""

    def expect(self, text: str, where: str) -> None:
        """Take a token that has to be there.

        Raises:
            Unread: another one is.
        """
        if not self.accept(text):
            self.refuse(f"{where}: {text!r} is missing before {quoted(self.now.text)}")

    def word(self, where: str) -> str:
        """Take a word that has to be there."""
        if self.now.kind != "word":
            self.refuse(f"{where}: a name is missing before {quoted(self.now.text)}")
        return self.take().text

    def number(self, where: str) -> int:
        """Take a number that has to be there."""
        if self.now.kind != "number":
            self.refuse(f"{where}: a number is missing before {quoted(self.now.text)}")
        return integer(self.now.text, self.take().line)

    def refuse(self, reason: str) -> NoReturn:
        """Refuse the text because of the next token."""
        raise Unread(reason, self.now.line)

    def deeper(self) -> None:
        """Count a bracket that opens."""
        self.depth += 1
        if self.depth > MOST_DEEP:
            self.refuse(f"more than {MOST_DEEP} brackets stand inside each other")


def integer(text: str, line: int) -> int:
    """Return the value of a number."""
    if len(text) > MOST_DIGITS:
        raise Unread(f"the number {quoted(text)} has more than 64 bits", line)
    try:
        return int(text, 0)
    except ValueError:
        return int(text)  # 007
