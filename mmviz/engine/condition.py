"""Conditions on a state, as a reader writes them: `page 7.refs == 0 and CPU0 is done`.

    condition  = part {"or" part}
    part       = unit {"and" unit}
    unit       = "not" unit | "(" condition ")" | atom
    atom       = FIELD ["==" | "!=" | "<" | "<=" | ">" | ">=" | "is" | "is not" | "contains" WHAT]
               | ACTOR ["is"] ["not"] "done" | "blocked" | "at" FUNCTION
               | BAD_STATE | "deadlock"
    WHAT       = another field, or a value as it is displayed: 3, yes, none, domain V, "domain V"

Names may contain spaces; the longest that fits is meant, whatever its case. Nothing is evaluated
by Python. What cannot be read is an error that says where, and what is near.
"""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NoReturn

from mmviz.engine.bits import token
from mmviz.engine.errors import MmvizError
from mmviz.engine.learn import Model
from mmviz.engine.text import quoted, spoken

LONGEST, DEEPEST = 2_000, 60  # characters, and units inside one another
MOST_NAMED = 8  # names or values in a message
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ORDERING = ("<", "<=", ">", ">=")
SIGN = re.compile(r"==|!=|<=|>=|<|>|=|≠|≤|≥|is\s+not\b|is\b|contains\b", re.IGNORECASE)
SIGNS = {"=": "==", "≠": "!=", "≤": "<=", "≥": ">=", "is": "=="}
NUMBER = re.compile(r"-?\d+")
WORD = re.compile(r"[^\s()]+")
SAME = {"null": "none", "true": "yes", "false": "no"}
DEADLOCK = "deadlock"

Holds = Callable[[int], bool]


class Unreadable(MmvizError):
    """A condition that cannot be read; the message says where, and what is near."""


def condition(model: Model, text: str) -> Holds:
    """Return a test of packed states.

    Args:
        model: the case, searched: values and functions that it has not met are not known.
        text: the condition.

    Raises:
        Unreadable: it is no condition of this case.
    """
    return _Reader(model, text).read()


def with_values(model: Model, wanted: Mapping[Any, Any]) -> Holds:
    """Return a test of whether fields have some values.

    Args:
        model: the case, searched.
        wanted: the path of a field -> its value, or the value as it is displayed.

    Raises:
        Unreadable: there is no such field, or it never has that value.
    """
    fields = {model.ledger.paths[slot]: slot for slot in model.told()}
    tests = []
    for path, value in wanted.items():
        if not isinstance(path, str) or path not in fields:
            raise Unreadable(f"there is no field {quoted(path)}{_near(path, fields)}")
        slot = fields[path]
        known = model.bits[slot].values.values()
        if not any(_is(value, each) for each in known):
            raise Unreadable(f"{path} is never {quoted(value)}; {_values_of(known)}")
        tests.append(_of_value(model, slot, partial(_is, value)))
    return lambda state: all(test(state) for test in tests)


def _is(value: Any, now: Any) -> bool:
    """Tell whether a field has the value wanted, or one that is displayed like it."""
    if isinstance(value, str) and spoken(now) == value:
        return True
    try:
        return bool(token(now) == token(value))
    except (TypeError, RecursionError):  # what cannot be a key is no field's value
        return False


def _of_value(model: Model, slot: int, test: Callable[[Any], bool]) -> Holds:
    """Return a test of the value of one field, asked once for each value."""
    bits = model.bits[slot]
    known: dict[int, bool] = {}

    def holds(state: int) -> bool:
        packed = state & bits.mask
        found = known.get(packed)
        if found is None:
            found = known[packed] = test(bits.values[packed])
        return found

    return holds


class _Reader:
    """Reads one condition, from left to right."""

    def __init__(self, model: Model, text: Any) -> None:
        if not isinstance(text, str):
            raise Unreadable(f"a condition is text, not {quoted(text)}; {EXAMPLE}")
        if len(text) > LONGEST:
            raise Unreadable(f"a condition has at most {LONGEST:,} characters; this one has more")
        self.model, self.text, self.at, self.depth = model, text, 0, 0
        self.fields = {model.ledger.paths[slot]: slot for slot in model.told()}
        raised = model.bits[model.complaints].values.values()
        self.bad = {*model.case.bad_states, *(name for names in raised for name in names)}

    def read(self) -> Holds:
        """Return the test that the whole text stands for."""
        if not self.text.strip():
            self.refuse("a condition is missing")
        found = self.condition()
        if self.rest():
            self.refuse(f"{quoted(self.word())} is not expected; write `and` or `or` before it")
        return found

    # -- the text --------------------------------------------------------------------------

    def rest(self) -> str:
        """Return what is left to read."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at :]

    def word(self) -> str:
        """Return the next word, without reading it."""
        found = WORD.match(self.rest())
        return found[0] if found else self.rest()[:1]

    def take(self, names: Iterable[str]) -> str:
        """Read the longest of some names that stands here, and return it; "" if none does."""
        rest = self.rest()
        folded = rest.lower()
        fits = [name for name in names if folded.startswith(name.lower()) and _ends(rest, name)]
        if not fits:
            return ""
        best = max(fits, key=lambda name: (len(name), rest.startswith(name)))
        self.at += len(best)
        return best

    def refuse(self, why: str) -> NoReturn:
        """Raise the error for the place that is being read."""
        raise Unreadable(f"character {self.at + 1} of {quoted(self.text)}: {why}")

    # -- the grammar -----------------------------------------------------------------------

    def condition(self) -> Holds:
        """Read what stands between two parentheses, or the whole."""
        parts = [self.part()]
        while self.take(["or"]):
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else lambda state: any(each(state) for each in parts)

    def part(self) -> Holds:
        """Read what stands between two `or`."""
        units = [self.unit()]
        while self.take(["and"]):
            units.append(self.unit())
        return units[0] if len(units) == 1 else lambda state: all(each(state) for each in units)

    def unit(self) -> Holds:
        """Read what stands between two `and`."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.refuse("too many parentheses are open")
        if not self.rest():
            self.refuse("the condition ends here, and something is missing")
        if self.rest().startswith("("):
            self.at += 1
            found = self.condition()
            if not self.rest().startswith(")"):
                self.refuse("a closing parenthesis is missing")
            self.at += 1
        elif self.take(["not"]):
            inner = self.unit()
            found = lambda state: not inner(state)  # noqa: E731
        else:
            found = self.atom()
        self.depth -= 1
        return found

    def atom(self) -> Holds:
        """Read a statement about a field, an actor or a bad state."""
        model = self.model
        name = self.take([*self.fields, *model.actors, *self.bad, DEADLOCK])
        if name in self.fields:
            return self.of_field(name)
        if name in model.index:
            return self.of_actor(name)
        if name in self.bad:
            return lambda state: name in model.violated(state)
        if name == DEADLOCK:
            return lambda state: (
                not _finished(model, state)
                and not any(model.successor(state, p) is not None for p in range(len(model.actors)))
            )
        words = re.split(r"\s*(?:[=!<>≠≤≥()]|\b(?:is|and|or|contains)\b)", self.rest())[0]
        known = [*self.fields, *model.actors, *sorted(self.bad)]
        wrong = quoted(words or self.word())
        return self.refuse(f"there is no field, actor or bad state {wrong}{_near(words, known)}")

    def of_actor(self, name: str) -> Holds:
        """Read what is said of an actor."""
        model, p = self.model, self.model.index[name]
        self.take(["is"])
        is_not = bool(self.take(["not"]))
        what = self.take(["done", "finished", "blocked", "at"])
        if what in ("done", "finished"):
            test: Holds = lambda state: model.is_done(state, p)  # noqa: E731
        elif what == "blocked":
            test = lambda state: (  # noqa: E731
                not model.is_done(state, p) and model.successor(state, p) is None
            )
        elif what == "at":
            test = self.at_function(name, p)
        else:
            self.refuse(f"write `{name} is done`, `{name} is blocked` or `{name} at some_function`")
        return (lambda state: not test(state)) if is_not else test

    def at_function(self, name: str, p: int) -> Holds:
        """Read the function that an actor is in, or is about to call."""
        functions = {
            function
            for location in self.model.locations[p].values()
            for function in _functions(location)
        }
        wanted = self.take(sorted(functions))
        if not wanted:
            word = self.word()
            self.refuse(f"{name} is never at {quoted(word)}{_near(word, sorted(functions))}")
        if self.rest().startswith("()"):
            self.at += 2
        model = self.model
        return lambda state: wanted in _functions(model.location(state, p))

    def of_field(self, path: str) -> Holds:
        """Read what is said of a field: nothing more for one that is yes or no."""
        model, slot = self.model, self.fields[path]
        values = list(model.bits[slot].values.values())
        sign = SIGN.match(self.rest())
        if sign is None:
            if not all(isinstance(value, bool) for value in values):
                self.refuse(f"what {path} is to be is missing; {_values_of(values)}")
            return _of_value(model, slot, lambda now: now is True)
        self.at += len(sign[0])
        how = " ".join(sign[0].lower().split())
        how = SIGNS.get(how, "!=" if how == "is not" else how)
        longest, before = self.longest_value(values), self.at
        other = self.take(self.fields)
        if len(other) > longest:
            return self.two_fields(path, slot, how, other)
        self.at = before
        if how == "contains":
            return self.contains(path, slot, values)
        return self.one_value(path, slot, how, values)

    def longest_value(self, values: list[Any]) -> int:
        """Return the length of the longest value that stands here, without reading it."""
        here = self.at
        found = self.take(map(spoken, values))
        self.at = here
        return len(found)

    def two_fields(self, path: str, slot: int, how: str, other: str) -> Holds:
        """Return the comparison of two fields."""
        model, against = self.model, self.fields[other]
        one, two = model.bits[slot], model.bits[against]
        if how == "contains":
            self.refuse(f"write the name of what {path} is to contain, not a field")
        if how in ORDERING and not all(
            _is_number(value) for bits in (one, two) for value in bits.values.values()
        ):
            self.refuse(f"{path} and {other} are not both numbers, so {how} does not compare them")
        compare = OPERATORS[how]
        read = token if how in ("==", "!=") else lambda value: value
        return lambda state: bool(
            compare(read(one.values[state & one.mask]), read(two.values[state & two.mask]))
        )

    def one_value(self, path: str, slot: int, how: str, values: list[Any]) -> Holds:
        """Read a value, and return the comparison of a field with it."""
        number = NUMBER.match(self.rest())
        words = {spoken(value): value for value in values}
        if number and _ends(self.rest(), number[0]) and any(map(_is_number, values)):
            self.at += len(number[0])
            wanted = int(number[0])
            compare = OPERATORS[how]
            return _of_value(
                self.model,
                slot,
                lambda now: compare(now, wanted) if _is_number(now) else how == "!=",
            )
        if how in ORDERING:
            self.refuse(f"{how} compares numbers; {path} is compared with == or !=")
        text = self.value(path, words)
        return _of_value(self.model, slot, lambda now: (spoken(now) == text) == (how == "=="))

    def contains(self, path: str, slot: int, values: list[Any]) -> Holds:
        """Read a member of a list or set, and return the test whether a field contains it."""
        several = [value for value in values if isinstance(value, tuple | frozenset)]
        if not several:
            self.refuse(f"{path} is not a list: write {path} == …; {_values_of(values)}")
        members = {spoken(part): part for value in several for part in value}
        text = self.value(path, members)
        return _of_value(
            self.model,
            slot,
            lambda now: isinstance(now, tuple | frozenset) and text in map(spoken, now),
        )

    def value(self, path: str, words: Mapping[str, Any]) -> str:
        """Read a value as it is displayed, in quotes or not."""
        rest = self.rest()
        if not rest:
            self.refuse(f"a value of {path} is missing; {_values_of(words.values())}")
        begin = self.at
        if rest[0] in "\"'":
            end = rest.find(rest[0], 1)
            if end < 0:
                self.refuse("a closing quote is missing")
            self.at += end + 1
            text = rest[1:end]
        else:
            text = self.take([*words, *SAME])
        text = text if text in words else SAME.get(text.lower(), text)
        if text not in words:
            self.at = begin
            what = quoted(text or re.split(r"\s+(?:and|or)\b|\)", rest)[0])
            self.refuse(f"{path} is never {what}; {_values_of(words.values())}")
        return text


EXAMPLE = 'write a text such as "page 7.refs == 0 and CPU0 is done", or {"page 7.refs": 0}'


def _ends(text: str, name: str) -> bool:
    """Tell whether a name ends where the text that begins with it has no letter more."""
    after = text[len(name) : len(name) + 1]
    is_word = name[-1:].isalnum() or name[-1:] == "_"
    return not (is_word and (after.isalnum() or after in ("_", ".", "[")) and after)


def _functions(location: Any) -> set[str]:
    """Return the functions that an actor is in, and the one that it is about to call."""
    if location.step is None:
        return set()
    return {line.function for line in location.lines} | {location.step.body.__name__}


def _finished(model: Model, state: int) -> bool:
    return model.is_dead(state) or model.is_complete(state)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _near(word: Any, known: Iterable[str]) -> str:
    """Return the nearest of the names that are known, as the end of a message."""
    names = list(known)
    folded = {name.lower(): name for name in names}
    asked = word.lower()[:80] if isinstance(word, str) else quoted(word)
    close = difflib.get_close_matches(asked, folded, n=3, cutoff=0.4)
    if close:
        return f"; did you mean {' or '.join(folded[each] for each in close)}?"
    return f"; there is {', '.join(names[:MOST_NAMED])}" + (", …" if names[MOST_NAMED:] else "")


def _values_of(values: Iterable[Any]) -> str:
    """Return what a field may be, as the end of a message."""
    words = list(dict.fromkeys(map(spoken, values)))
    listed = ", ".join(words[:MOST_NAMED]) + (", …" if words[MOST_NAMED:] else "")
    return f"in some state it is {listed}" if len(words) > 1 else f"it is always {listed}"
