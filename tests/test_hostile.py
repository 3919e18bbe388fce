"""Whatever a person or a program hands over: one sentence, at once, and never a traceback."""

import enum
import itertools
import os
import signal
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy
import pytest

import mmviz
from mmviz.cli import main
from mmviz.engine import atomic
from mmviz.engine.struct import World
from mmviz.widgets.catalogue import Index

LONGEST, ECHO = 1_000, 80  # characters of a message, and of what it repeats of the input
SECONDS = 2  # of computing, for one call
DEEP = 20_000


# -- hostile values --------------------------------------------------------------------------


class Hostile(Exception):
    """What a hostile object raises."""


def refuses(*names):
    """Return an object whose methods of these names raise."""

    def raises(*_):
        raise Hostile("hostile")

    return type("Refuses", (), dict.fromkeys(names, raises) | {"__hash__": object.__hash__})()


class Word(str):
    """A text that lies about itself."""

    def __str__(self):
        raise Hostile("hostile")

    __repr__ = __format__ = __str__


class Endless:
    """An object that prints and compares without end."""

    def __repr__(self):
        while True:
            pass

    __str__ = __bool__ = __len__ = __repr__

    def __eq__(self, other):
        while True:
            pass

    __hash__ = object.__hash__


class Everything:
    """An object that has every attribute."""

    def __getattr__(self, name):
        return self


class Colour(enum.Enum):
    RED = 1


class Text(enum.StrEnum):
    ZZ = "zz"


def fails():
    yield "CPU0"
    raise Hostile("hostile")


def nested(kind):
    found = kind()
    for _ in range(DEEP):
        found = {"a": found} if kind is dict else kind([found])
    return found


def recursive(kind):
    found = kind()
    if kind is list:
        found.append(found)
    else:
        found["CPU0"] = found
    return found


TEXTS = {
    "empty": lambda: "",
    "spaces": lambda: "   ",
    "unknown": lambda: "zz",
    "lines": lambda: "zz\nyy\r\nxx",
    "huge": lambda: "x" * 10_000_000,
    "huge spaces": lambda: " " * 10_000_000,
    "many words": lambda: "zz " * 50_000,
    "ansi": lambda: "\x1b[31mred\x1b]0;t\x07",
    "control": lambda: "a\x00b\x08\x7f\x85\x9b",
    "direction": lambda: "\u202etxet\u2066\u200f",
    "surrogate": lambda: "\ud800",
    "null": lambda: "\0",
    "star": lambda: "CPU0*²",
    "circled": lambda: "CPU0*①",
    "many digits": lambda: "CPU0*" + "9" * 5_000,
    "number": lambda: "9" * 5_000,
    "brackets": lambda: "(" * 100_000,
    "markup": lambda: "<script>alert(1)</script>",
    "path": lambda: "../../etc/passwd",
    "enumeration of text": lambda: Text.ZZ,
    "numpy text": lambda: numpy.str_("zz"),
    "text that lies": lambda: Word("zz"),
}
NUMBERS = {
    "true": lambda: True,
    "false": lambda: False,
    "negative": lambda: -1,
    "five": lambda: 5,
    "large": lambda: 10**30,
    "many digits as a number": lambda: 10**5_000,
    "very negative": lambda: -(10**5_000),
    "float": lambda: 1.5,
    "nan": lambda: float("nan"),
    "infinite": lambda: float("inf"),
    "minus infinite": lambda: float("-inf"),
    "complex": lambda: 2j,
    "decimal": lambda: Decimal("1.5"),
    "decimal nan": lambda: Decimal("NaN"),
    "signalling nan": lambda: Decimal("sNaN"),
    "fraction": lambda: Fraction(1, 3),
    "numpy integer": lambda: numpy.int64(5),
    "numpy negative": lambda: numpy.int8(-7),
    "numpy nan": lambda: numpy.float64("nan"),
    "numpy bool": lambda: numpy.bool_(True),
    "numpy day": lambda: numpy.datetime64("2026-01-01"),
    "numpy no array": lambda: numpy.array([]),
    "numpy array": lambda: numpy.array([1, 2]),
    "numpy texts": lambda: numpy.array(["CPU0", "zz"]),
    "numpy objects": lambda: numpy.array([None, object()], dtype=object),
    "numpy scalar array": lambda: numpy.array(1.5),
}
OBJECTS = {
    "none": lambda: None,
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "bytes": lambda: b"CPU0",
    "bytearray": lambda: bytearray(b"CPU0"),
    "memoryview": lambda: memoryview(b"CPU0"),
    "list of a number": lambda: [3],
    "list of lists": lambda: [[["CPU0"]]],
    "list of none": lambda: [None],
    "set": lambda: {"CPU0", "CPU1"},
    "mapping": lambda: {"CPU0": 3},
    "mapping of all": lambda: {None: b"", 5: [], (): {}},
    "range": lambda: range(10**12),
    "deep list": lambda: nested(list),
    "deep tuple": lambda: nested(tuple),
    "deep mapping": lambda: nested(dict),
    "recursive list": lambda: recursive(list),
    "recursive mapping": lambda: recursive(dict),
    "endless words": lambda: itertools.repeat("CPU0"),
    "endless blanks": lambda: itertools.repeat(""),
    "endless numbers": itertools.count,
    "generator that raises": fails,
    "object": object,
    "class": lambda: int,
    "metaclass": lambda: type,
    "function": lambda: len,
    "lambda": lambda: lambda: None,
    "module": lambda: os,
    "exception": lambda: Hostile("hostile"),
    "enumeration": lambda: Colour.RED,
    "path object": lambda: Path("/"),
    "repr raises": lambda: refuses("__repr__", "__str__"),
    "eq raises": lambda: refuses("__eq__", "__ne__"),
    "bool raises": lambda: refuses("__bool__", "__len__"),
    "index raises": lambda: refuses("__index__", "__int__"),
    "iter raises": lambda: refuses("__iter__"),
    "next raises": lambda: refuses("__iter__", "__next__"),
    "getattr raises": lambda: refuses("__getattr__"),
    "all raise": lambda: refuses(
        *("__repr__", "__str__", "__eq__", "__bool__", "__index__", "__iter__"),
        *("__getattr__", "__len__", "__lt__", "__gt__", "__contains__", "__format__"),
    ),
    "prints without end": Endless,
    "has every attribute": Everything,
}
VALUES = TEXTS | NUMBERS | OBJECTS


# -- what they are handed to -----------------------------------------------------------------


class Small(World):
    value: int = 0

    @atomic("toy")
    def load(self):
        """Read the number."""
        return self.value

    @atomic("toy")
    def store(self, value):
        """Write the number."""
        self.value = value


async def adds(k):
    value = await k.load()
    await k.store(value + 1)


def lost_update(k):
    """The number is too small."""
    return k.value == 7


def race(**changes):
    made = {"world": Small, "actors": {"CPU0": adds, "CPU1": adds}, "bad": [lost_update]}
    return mmviz.Race(**made | changes)


def case(**changes):
    made = {"name": "Small", "world": Small, "actors": {"CPU0": adds}, "bad": (lost_update,)}
    return mmviz.Case(**made | changes)


RACE, CASE = "iommu_group/release_order", "DelistThenRelease"
FOLDER = tempfile.TemporaryDirectory()  # which goes with the process
SAVED = f"{FOLDER.name}/run.svg"
SMALL = race().case("two increments", name="Small", of=1)
REPORT = mmviz.explore(SMALL)
GROUP = mmviz.Scenario("Two increments", "None is lost", [SMALL])
PLAYER, DRIVER = mmviz.Player(SMALL), mmviz.Driver(SMALL)
DEBATE = mmviz.Debate([SMALL])
PREDICT, DIAL = mmviz.Predict("iommu_group/release_order"), mmviz.Dial(SMALL)
INDEX = Index(mmviz.catalogue(among=SMALL))
ENTRY = mmviz.Entry("0x0")
PICTURE = mmviz.entry("0x0")


def key(wrong):
    """Return a value that can be a key: of one that cannot, its class."""
    try:
        hash(wrong)
    except Exception:
        return type(wrong)
    return wrong


def sets(thing, name):
    """Return what sets a property."""
    return lambda wrong: setattr(thing, name, wrong)


def refused(found):
    """Raise what a text that cannot be read says, which is no error of the call."""
    if found.refused:
        raise mmviz.MmvizError(found.refused)


def earned(points):
    """Raise what is said of an answer that is none, which is no error of the call."""
    if not points.earned:
        raise mmviz.MmvizError(points.lines[0].reason)


CALLS = {
    "explore": mmviz.explore,
    "explore case": lambda wrong: mmviz.explore(GROUP, wrong),
    "explore max_states": lambda wrong: mmviz.explore(SMALL, max_states=wrong),
    "explore max_bytes": lambda wrong: mmviz.explore(SMALL, max_bytes=wrong),
    "explore progress": lambda wrong: mmviz.explore(SMALL, progress=wrong),
    "explore stop": lambda wrong: mmviz.explore(SMALL, stop=wrong),
    "progress forget": lambda wrong: mmviz.progress(forget=wrong),
    "replay": mmviz.replay,
    "replay schedule": lambda wrong: mmviz.replay(SMALL, wrong),
    "grade": lambda wrong: earned(mmviz.grade(wrong, "iommu_group/break_it")),
    "grade exercise": lambda wrong: mmviz.grade(None, wrong),
    "exercise": mmviz.exercise,
    "exercise seed": lambda wrong: mmviz.exercise("iommu_group/break_it", wrong),
    "judge": mmviz.judge,
    "judge exercise": lambda wrong: mmviz.judge(SMALL, wrong),
    "judge jobs": lambda wrong: mmviz.judge(SMALL, jobs=wrong),
    "judge outcomes": lambda wrong: mmviz.judge(SMALL, outcomes=[wrong]),
    "judge step": lambda wrong: mmviz.judge(wrong, "iommu_group/no_return"),
    "link": lambda wrong: mmviz.link(wrong, "CPU0"),
    "link schedule": lambda wrong: mmviz.link(mmviz.find(RACE, CASE), wrong),
    "link at": lambda wrong: mmviz.link(mmviz.find(RACE, CASE), "CPU0", wrong),
    "litmus": lambda wrong: refused(mmviz.litmus(wrong)),
    "litmus model": lambda wrong: mmviz.litmus("", wrong),
    "possible": lambda wrong: mmviz.possible(wrong, "CPU0 is done"),
    "possible want": lambda wrong: mmviz.possible(SMALL, wrong),
    "possible wants": lambda wrong: mmviz.possible(SMALL, [wrong]),
    "possible value": lambda wrong: mmviz.possible(SMALL, {"value": wrong}),
    "possible path": lambda wrong: mmviz.possible(SMALL, {key(wrong): 0}),
    "possible max_states": lambda wrong: mmviz.possible(SMALL, "CPU0 is done", wrong),
    "catalogue words": lambda wrong: INDEX.find({"words": wrong}),
    "catalogue bad_state": lambda wrong: mmviz.catalogue(bad_state=wrong),
    "catalogue thread": lambda wrong: mmviz.catalogue(thread=wrong),
    "catalogue kernel": lambda wrong: mmviz.catalogue(kernel=wrong),
    "catalogue among": lambda wrong: mmviz.catalogue(among=wrong),
    "debate progress": lambda wrong: mmviz.debate(SMALL, wrong),
    "debate kernel": lambda wrong: mmviz.debate(SMALL, kernel=wrong),
    "mutations": mmviz.mutations,
    "mutations case": lambda wrong: mmviz.mutations(GROUP, wrong),
    "load": mmviz.load,
    "find": lambda wrong: mmviz.find(wrong, CASE),
    "find case": lambda wrong: mmviz.find(RACE, wrong),
    "code": mmviz.code,
    "table": mmviz.table,
    "table width": lambda wrong: mmviz.table(mmviz.Run(SMALL), wrong),
    "table shown": lambda wrong: mmviz.table(mmviz.Run(SMALL), shown=wrong),
    "counters": mmviz.counters,
    "state_map": mmviz.state_map,
    "state_map case": lambda wrong: mmviz.state_map(GROUP, wrong),
    "entry": mmviz.entry,
    "entry kernel": lambda wrong: mmviz.entry("0x0", wrong),
    "entry after": lambda wrong: mmviz.entry("0x0", after=wrong),
    "entry level": lambda wrong: mmviz.entry("0x0", level=wrong),
    "entry space": lambda wrong: mmviz.entry("0x0", space=wrong),
    "entry arch": lambda wrong: mmviz.entry("0x0", arch=wrong),
    "entry paging": lambda wrong: mmviz.entry("0x0", paging=wrong),
    "entry physical_bits": lambda wrong: mmviz.entry("0x0", physical_bits=wrong),
    "entry encryption_bit": lambda wrong: mmviz.entry("0x0", encryption_bit=wrong),
    "entry pte_marker": lambda wrong: mmviz.entry("0x0", pte_marker=wrong),
    "entry's svg": PICTURE.svg,
    "Run": mmviz.Run,
    "Run model": lambda wrong: mmviz.Run(SMALL, wrong),
    "Run.step": lambda wrong: mmviz.Run(SMALL).step(wrong),
    "Run.fork": lambda wrong: mmviz.Run(SMALL).fork(wrong),
    "Run.describe": lambda wrong: mmviz.Run(SMALL).describe(wrong),
    "Report.said": REPORT.said,
    "Case name": lambda wrong: case(name=wrong),
    "Case world": lambda wrong: mmviz.explore(case(world=wrong)),
    "Case actors": lambda wrong: mmviz.explore(case(actors=wrong)),
    "Case actor": lambda wrong: mmviz.explore(case(actors={"CPU0": wrong})),
    "Case actor's name": lambda wrong: case(actors={key(wrong): adds}),
    "Case bad": lambda wrong: mmviz.explore(case(bad=wrong)),
    "Case bad state": lambda wrong: mmviz.explore(case(bad=[wrong])),
    "Case id": lambda wrong: case(id=wrong),
    "Case title": lambda wrong: case(title=wrong),
    "Case expect": lambda wrong: case(expect=wrong),
    "Case verdict": lambda wrong: case(expect={"lost_update": wrong}),
    "Case states": lambda wrong: case(states=wrong),
    "Case daemons": lambda wrong: case(daemons=wrong),
    "Case schedules": lambda wrong: case(schedules=wrong),
    "Case schedule": lambda wrong: mmviz.Player(case(schedules={"first": wrong})),
    "Case promise": lambda wrong: case(promise=wrong),
    "Case note": lambda wrong: case(note=wrong),
    "Case kind": lambda wrong: case(kind=wrong),
    "Case memory": lambda wrong: case(memory=wrong),
    "Case scenario": lambda wrong: case(scenario=wrong),
    "Case interchangeable": lambda wrong: mmviz.explore(case(interchangeable=wrong)),
    "Case.sentence": SMALL.sentence,
    "Race id": lambda wrong: mmviz.Race(wrong, world=Small, actors={"A": adds}, bad=[]),
    "Race world": lambda wrong: race(world=wrong),
    "Race actors": lambda wrong: race(actors=wrong),
    "Race bad": lambda wrong: race(bad=wrong),
    "Race daemons": lambda wrong: race(daemons=wrong).case("x", name="X", of=1),
    "Race.case": lambda wrong: race().case(wrong, name="X", of=1),
    "Race.case name": lambda wrong: race().case("x", name=wrong, of=1),
    "Race.case sometimes": lambda wrong: race().case("x", name="X", of=1, sometimes=wrong),
    "Race.case always": lambda wrong: race().case("x", name="X", of=1, always=wrong),
    "Race.case world": lambda wrong: race().case("x", name="X", of=1, world=wrong),
    "Race.case actors": lambda wrong: race().case("x", name="X", of=1, actors=wrong),
    "Race.case daemons": lambda wrong: race().case("x", name="X", of=1, daemons=wrong),
    "Race[]": lambda wrong: GROUP[wrong],
    "Scenario title": lambda wrong: mmviz.Scenario(wrong, "", [SMALL]),
    "Scenario promise": lambda wrong: mmviz.Scenario("x", wrong, [SMALL]),
    "Scenario cases": lambda wrong: mmviz.Scenario("x", "", wrong),
    "Scenario story": lambda wrong: mmviz.Scenario("x", "", [SMALL], story=wrong),
    "Scenario.case": GROUP.case,
    "Player": mmviz.Player,
    "Player schedule": lambda wrong: mmviz.Player(SMALL, wrong),
    "Player case": lambda wrong: mmviz.Player(GROUP, case=wrong),
    "Player views": lambda wrong: mmviz.Player(SMALL, views=wrong),
    "Player start": lambda wrong: mmviz.Player(SMALL, start=wrong),
    "Player moments": lambda wrong: mmviz.Player(SMALL, moments=wrong),
    "Player moment": lambda wrong: mmviz.Player(SMALL, moments={"here": wrong}),
    "Player height": lambda wrong: mmviz.Player(SMALL, height=wrong),
    "Player.run": sets(PLAYER, "run"),
    "Player.cursor": sets(PLAYER, "cursor"),
    "Player.visit": PLAYER.visit,
    "Player.visit k": lambda wrong: PLAYER.visit("", wrong),
    "Player.frame_at": PLAYER.frame_at,
    "Player.svg": PLAYER.svg,
    "Player.svg theme": lambda wrong: PLAYER.svg(theme=wrong),
    "Player.svg views": lambda wrong: PLAYER.svg(views=wrong),
    "Player.save": PLAYER.save,
    "Player.save form": lambda wrong: PLAYER.save(SAVED, wrong),
    "Player.save at": lambda wrong: PLAYER.save(SAVED, at=wrong),
    "Player.save theme": lambda wrong: PLAYER.save(SAVED, theme=wrong),
    "Player.save views": lambda wrong: PLAYER.save(SAVED, views=wrong),
    "Driver": mmviz.Driver,
    "Driver schedule": lambda wrong: mmviz.Driver(SMALL, wrong),
    "Driver goal": lambda wrong: mmviz.Driver(SMALL, goal=wrong),
    "Driver.run": sets(DRIVER, "run"),
    "Driver.choose": lambda wrong: DRIVER.choose(wrong),
    "Driver.choose k": lambda wrong: DRIVER.choose("CPU0", wrong),
    "Debate": lambda wrong: mmviz.Debate([wrong]),
    "Debate kernel": lambda wrong: mmviz.Debate(SMALL, kernel=wrong),
    "Predict": mmviz.Predict,
    "Predict kind": lambda wrong: mmviz.Predict(SMALL, kind=wrong),
    "Predict question": lambda wrong: mmviz.Predict(question=wrong),
    "Predict after": lambda wrong: mmviz.Predict(SMALL, after=wrong),
    "Predict.answer": lambda wrong: PREDICT.answer(wrong),
    "Predict.show": lambda wrong: PREDICT.show(wrong),
    "Dial": mmviz.Dial,
    "Dial step": lambda wrong: DIAL.turn(True, wrong),
    "defend": mmviz.defend,
    "opened": lambda wrong: mmviz.opened(wrong, "load"),
    "opened step": lambda wrong: mmviz.opened(SMALL, wrong),
    "Debate.play": DEBATE.play,
    "Debate.play what": lambda wrong: DEBATE.play(0, wrong),
    "Debate.show": lambda wrong: DEBATE.show(wrong, "lost_update"),
    "Index.show": lambda wrong: INDEX.show(wrong, "watch"),
    "Index.show what": lambda wrong: INDEX.show(0, wrong),
    "Index.find": lambda wrong: INDEX.find(wrong),
    "Entry": mmviz.Entry,
    "Entry kernel": lambda wrong: mmviz.Entry("0x0", wrong),
    "Entry after": lambda wrong: mmviz.Entry("0x0", after=wrong),
    "Entry level": lambda wrong: mmviz.Entry("0x0", level=wrong),
    "Entry arch": lambda wrong: mmviz.Entry("0x0", arch=wrong),
    "Entry.value": sets(ENTRY, "value"),
    "Entry.after": sets(ENTRY, "after"),
    "Entry.kernel": sets(ENTRY, "kernel"),
}


# -- the test ----------------------------------------------------------------------------------

# One of each kind is handed every value, and what takes some milliseconds few.
WHOLE = (
    "explore",
    "replay schedule",
    "possible want",
    "catalogue among",
    "find",
    "Run",
    "Race.case",
)
WHOLE += ("Case name", "Case bad", "Case daemons", "Player.cursor", "Player.visit", "Debate.play")
WHOLE += ("Index.show", "table width", "entry paging", "Report.said", "Scenario title", "code")
FEW = (
    *(
        "empty",
        "huge",
        "many words",
        "ansi",
        "surrogate",
        "null",
        "star",
        "many digits",
        "brackets",
    ),
    *("text that lies", "numpy text", "true", "negative", "five", "many digits as a number", "nan"),
    *("infinite", "signalling nan", "numpy integer", "numpy nan", "numpy texts", "none", "bytes"),
    *("list of lists", "set", "mapping of all", "deep list", "recursive mapping", "endless words"),
    *("generator that raises", "class", "lambda", "all raise", "prints without end"),
    "has every attribute",
)
CALLABLE = {"class", "metaclass", "function", "lambda"}  # what they raise is the reader's own
TEXT = {*TEXTS}
SHORT = TEXT - {"huge", "huge spaces"}
LABELS = SHORT - {"empty", "lines", "many words", "ansi", "control", "direction", "surrogate"}
LABELS -= {"null", "many digits", "number", "brackets"}
OMITTED, EMPTY = {"empty", "none"}, {"numpy no array"}
INTEGERS = {"five", "numpy integer"}
LIMITS = INTEGERS | {"large", "many digits as a number", "float", "infinite"}
STEPS = {"empty", "spaces", "huge spaces"} | EMPTY
NONE, NEGATIVE, ANY = {"none"}, {"negative"}, set(VALUES)
MEANT = {  # what is not wrong there
    **dict.fromkeys(("explore case", "mutations case", "state_map case", "Player case"), OMITTED),
    **dict.fromkeys(("catalogue bad_state", "catalogue thread", "catalogue kernel"), OMITTED),
    **dict.fromkeys(("debate kernel", "Debate kernel", "Player schedule"), OMITTED),
    **dict.fromkeys(("Driver schedule",), OMITTED),
    **dict.fromkeys(("explore progress", "explore stop", "debate progress"), NONE),
    **dict.fromkeys(("catalogue among", "Run model", "Run.fork", "Race.case actors"), NONE),
    **dict.fromkeys(("Player views", "Player moments", "Player.svg views"), NONE),
    **dict.fromkeys(("explore max_states", "explore max_bytes", "possible max_states"), LIMITS),
    **dict.fromkeys(("replay schedule", "Case schedule", "Player moment", "Player.visit"), STEPS),
    "link schedule": STEPS,
    **dict.fromkeys(("table width", "entry", "entry paging"), INTEGERS),
    **dict.fromkeys(("Case name", "Race.case name"), LABELS),
    **dict.fromkeys(("Case bad", "Case interchangeable"), EMPTY),
    **dict.fromkeys(("Race.case sometimes", "Race.case always"), EMPTY),
    **dict.fromkeys(("Case id", "Case title", "Case promise", "Case note", "Case memory"), SHORT),
    **dict.fromkeys(("Case scenario", "Race.case", "Scenario title", "Scenario promise"), SHORT),
    **dict.fromkeys(("Scenario story", "Case.sentence"), SHORT),
    **dict.fromkeys(("Race[]", "Scenario.case", "Player start", "Player.cursor"), NEGATIVE),
    **dict.fromkeys(("Player.visit k", "Player.frame_at", "Player.svg"), NEGATIVE),
    **dict.fromkeys(("Player.save form", "Player.save views"), NONE),
    "Player.save at": NEGATIVE | NONE,
    **dict.fromkeys(("Entry", "Entry after", "Entry.value", "Entry.after"), ANY),
    "Case actor's name": LABELS - {"spaces", "star", "circled"},
    "Case daemons": EMPTY | {"mapping", "recursive mapping"},
    "Case schedules": {"recursive mapping"},
    "Case states": LIMITS - {"float", "infinite"},
    "Driver goal": {"none"},
    **dict.fromkeys(("Predict kind", "Dial step"), OMITTED),
    "Predict after": NONE,
    "Driver.choose k": {"negative", "none"},
    "Race bad": EMPTY | {"numpy texts", "set"},
    "Race daemons": EMPTY | {"set", "mapping", "recursive mapping"},
    "Race id": TEXT,
    "Race world": {"class", "lambda"},
    "Race.case daemons": EMPTY | {"none", "set", "mapping", "recursive mapping"},
    "Race.case world": {"none", "class", "lambda"},
    "catalogue words": SHORT | {"none"},
    "code": {"lambda"},
    "entry after": INTEGERS | {"none"},
    "entry kernel": {"empty"},
    "entry level": {"empty"},
    "entry space": {"empty"},
    "entry arch": {"empty"},
    "Entry kernel": {"empty"},
    "Entry.kernel": {"empty"},
    "entry pte_marker": {"true", "false"},
    "exercise seed": INTEGERS | {"negative", "numpy negative", "large", "many digits as a number"},
    "judge exercise": {"none"},
    "judge jobs": EMPTY,
    "judge step": INTEGERS,
    "progress forget": {"true", "false"},
    "find case": INTEGERS | {"negative", "numpy negative"},
}


class TooLong(BaseException):
    """The call has computed for longer than it may."""


def stop(*_):
    raise TooLong


def kinds_for(name):
    """Return the kinds of values that a call is handed."""
    wanted = [kind for kind in VALUES if kind in FEW or name in WHOLE]
    own = name.endswith((" progress", " stop"))
    return [kind for kind in wanted if not (own and kind in CALLABLE)]


def trouble(call, value, may_return):
    """Return what is wrong with the answer to a value, "" for nothing."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        call(value)
    except (mmviz.MmvizError, IndexError) as error:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return "" if is_sentence(str(error)) else f"no sentence: {str(error)[:LONGEST]!r}"
    except TooLong:
        return f"it computes for {SECONDS} seconds"
    except BaseException as error:
        return f"{type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return "" if may_return else "nothing is said"


def is_sentence(text):
    """Tell whether a message is short and has nothing that a terminal obeys."""
    return 10 < len(text) <= LONGEST and text.replace("\n", "").isprintable()


@pytest.fixture
def bounded():
    before = signal.signal(signal.SIGVTALRM, stop)
    yield
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("name", CALLS)
def test_a_hostile_value_is_answered_with_a_sentence(bounded, name):
    wrong = {}
    for kind in kinds_for(name):
        said = trouble(CALLS[name], VALUES[kind](), kind in MEANT.get(name, ()))
        if said:
            wrong[kind] = said
    assert not wrong


# -- the command line --------------------------------------------------------------------------

LONG = "x" * 1_000_000
WORDS = {
    "empty": "",
    "unknown": "zz",
    "huge": LONG,
    "words": "zz " * 50_000,
    "ansi": "\x1b[31mred\x07",
    "direction": "\u202etxet",
    "surrogate": "\udcff",
    "null": "a\0b",
    "superscript": "CPU0*²",
    "circled": "①",
    "digits": "9" * 5_000,
    "negative": "-1",
    "nan": "nan",
    "brackets": "[" * 100_000,
    "folder": "/",
    "pipe": "{tmp}/pipe.py",
    "folder of that name": "{tmp}/folder.py",
    "missing": "{tmp}/missing/file.py",
    "unreadable": "{tmp}/loop.py",
    "binary": "{tmp}/binary.py",
    "syntax": "{tmp}/syntax.py",
    "deep": "{tmp}/deep.py",
    "leaves": "{tmp}/leaves.py",
    "raises": "{tmp}/raises.py",
    "no race": "{tmp}/nothing.py",
    "hostile race": "{tmp}/hostile.py",
}
FILES = {
    "binary.py": bytes(range(256)),
    "syntax.py": b"def (:\n",
    "deep.py": b"(" * 5_000,
    "leaves.py": b"import sys\nsys.exit(0)\n",
    "raises.py": b"raise BaseException(chr(27))\n",
    "nothing.py": b"x = 1\n",
    "hostile.py": b"class A:\n    def __getattr__(self, name):\n        1 / 0\nrace = A()\n",
}
NOT_READ = {"unreadable", "binary", "syntax", "deep", "leaves", "raises", "no race", "hostile race"}
READS = {"diagram", "litmus", "lockdep"}  # a file that is read, and holds neither
SVG = ["export", RACE, CASE, "--form=svg"]
MAILED = str(Path(__file__).parent / "reading" / "diagrams" / "seed004.txt")
COMMANDS = [
    *(["list", "W"], ["list", "--kernel=W"], ["check", "W"], ["check", f"{RACE}:W"]),
    *(["check", RACE, "--max-states=W"], ["check", "hmm/eagain_leaves_count", "--set=W"]),
    *(["replay", "W", CASE], ["replay", RACE, "W"], ["replay", RACE, CASE, "W"]),
    *(["replay", RACE, CASE, "[W"], ["mutate", "W"], ["mutate", f"{RACE}:W"], ["verify", "W"]),
    *(["new", "zz/W.py"], ["export", "W", CASE], ["export", RACE, "W"]),
    ["export", "--site=zz", "W"],
    *(["export", RACE, CASE, "--sample=W"], ["export", RACE, CASE, "W", "--form=svg"]),
    *([*SVG, "--step=W"], [*SVG, "--views=W"], [*SVG, "--theme=W"], ["export", "W", "--form=W"]),
    *(
        ["diagram", "W"],
        ["diagram", MAILED, "--race=W"],
        ["litmus", "W"],
        ["litmus", MAILED, "--model=W"],
        ["lockdep", "W"],
        ["quiz", "W"],
        ["quiz", RACE, "--case=W"],
        ["quiz", RACE, "--kind=W"],
        ["quiz", RACE, "--seed=W"],
        ["quiz", RACE, "--count=W"],
        ["lab", "--port=W"],
        ["lab", "--copy-only", "--edition=W"],
        ["assignment", "W"],
        ["assignment", "hmm/one_put", "--for=W"],
        ["exercise", "W"],
        ["exercise", "--seed=W"],
        ["judge", "W"],
        ["judge", MAILED, "--exercise=W"],
        ["judge", MAILED, "--seed=W"],
        ["grade", "W", "zz"],
        ["progress", "W"],
        ["W"],
        ["list", "--W"],
    ),
]
SOME_WORDS = ("unknown", "words", "ansi", "surrogate", "null", "superscript", "digits", "brackets")
FINE = {("list --kernel=W", "empty"), ("list --W", "empty"), (f"replay {RACE} {CASE} W", "empty")}
FINE |= {(f"quiz {RACE} --case=W", "empty"), (f"quiz {RACE} --kind=W", "empty")}
FINE |= {(f"export {RACE} {CASE} W --form=svg", "empty"), (f"diagram {MAILED} --race=W", "empty")}
OUTPUTS = ["", " ", "/", "{tmp}", "{tmp}/pipe.py", "{tmp}/missing/a.svg", "{tmp}/loop.py", "a\0b/c"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile")
    for name, text in FILES.items():
        (path / name).write_bytes(text)
    (path / "folder.py").mkdir()
    (path / "loop.py").symlink_to("loop.py")
    os.mkfifo(path / "pipe.py")
    return path


def answer(words, capsys):
    """Return the exit status of a command, and what it printed."""
    try:
        status = main(words)
    except SystemExit as left:
        status = left.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_answers_a_hostile_word_in_one_line(bounded, capsys, folder, words):
    for kind, word in WORDS.items():
        few = "--form=svg" in words
        if (" ".join(words), kind) in FINE or (few and kind not in SOME_WORDS):
            continue
        given = [each.replace("W", word.replace("{tmp}", str(folder))) for each in words]
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        status, out, err = answer(given, capsys)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if out.startswith("Refused: ") and words[0] in READS:
            assert (kind, status, err) == (kind, 1, "")
            continue
        lines = err.splitlines()
        assert (kind, status in ((1, 2) if kind in NOT_READ else (2,)), out) == (kind, True, "")
        assert is_sentence(lines[-1]), kind
        assert has_nothing_to_obey(err), kind
        assert "Traceback" not in err
        assert len(lines) == 1 or lines[0].startswith("usage:"), kind


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("form", ["pml", "svg", "txt"])
def test_what_cannot_be_written_to_is_refused(bounded, capsys, folder, form, output):
    given = ["export", RACE, CASE, f"--form={form}", "-o", output.replace("{tmp}", str(folder))]
    status, out, err = answer(given, capsys)
    assert (status, out) == (2, "")
    assert is_sentence(err.splitlines()[-1])
    assert "Traceback" not in err


def has_nothing_to_obey(text):
    return text.replace("\n", "").isprintable()


def test_there_are_enough_hostile_calls():
    assert sum(len(kinds_for(name)) for name in CALLS) >= 4_000


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda _: None, "nothing is said"),
        (lambda _: int("x"), "ValueError"),
        (lambda value: mmviz.load("\n".join(["x"] * 9)) and value, ""),
        (Endless.__repr__, f"it computes for {SECONDS} seconds"),
    ],
)
def test_the_test_sees_what_is_wrong(bounded, monkeypatch, call, said):
    monkeypatch.setitem(globals(), "SECONDS", 0.1) if "computes" in said else None
    found = trouble(call, 5, may_return=False)
    assert found.partition(" for ")[0] == said.partition(" for ")[0]


@pytest.mark.parametrize("integer", [numpy.int64(2), numpy.uint8(2), numpy.array(2)])
def test_a_number_of_numpy_is_a_number(integer):
    run = mmviz.replay(SMALL, "CPU0*2 CPU1")
    player = mmviz.Player(SMALL, run.schedule, start=integer)
    assert player.cursor == 2
    assert player.svg(integer) == player.svg(2)
    assert run.fork(integer).schedule == run.schedule[:2]
    assert GROUP[integer - 2] is GROUP[0]
    assert mmviz.explore(SMALL, max_states=integer).cut
    assert mmviz.entry(integer).value == 2


def test_ten_million_characters_are_echoed_shortened():
    with pytest.raises(mmviz.MmvizError) as error:
        mmviz.load("y" * 10_000_000)
    assert 10 < max(map(len, str(error.value).split())) <= ECHO
