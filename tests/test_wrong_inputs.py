"""Every public name and every command, given what it cannot take: a sentence, never a traceback."""

import re
import tempfile
from pathlib import Path

import pytest

import mmviz
from mmviz.cli import main, parser
from mmviz.engine import atomic
from mmviz.engine.struct import World

RACE, CASE = "iommu_group/release_order", "DelistThenRelease"
SIZED = "invalidate_page/faults_and_invalidators"
LONGEST = 1_000  # characters of a message
FOLDER = tempfile.TemporaryDirectory()  # which goes with the process
SAVED = f"{FOLDER.name}/run.svg"

TEXTS = {
    "empty": "",
    "unknown": "zz",
    "huge": "x" * 10_000_000,
    "control": "\x1b[31mred\x07\r",
    "direction": "\u202etxet\u2066",
    "surrogate": "\ud800",
    "zero": "\0",
}
OTHERS = {
    "none": None,
    "number": 5,
    "fraction": 1.5,
    "bytes": b"CPU0",
    "list": [3],
    "nested": [[["CPU0"]]],
    "mapping": {"CPU0": 3},
    "object": object(),
    "class": int,
}
WRONG = TEXTS | OTHERS


def found():
    return mmviz.find(RACE, CASE)


class Small(World):
    value: int = 0

    @atomic("toy")
    def load(self):
        """Read the number."""
        return self.value


async def loads(k):
    await k.load()


def wrong_number(k):
    """The number is wrong."""
    return k.value == 7


def race(**changes):
    return mmviz.Race(**{"world": Small, "actors": {"A": loads}, "bad": [wrong_number]} | changes)


def case(**changes):
    made = {"name": "Small", "world": Small, "actors": {"A": loads}, "bad": (wrong_number,)}
    return mmviz.Case(**made | changes)


PREDICT, DIAL = mmviz.Predict(RACE), mmviz.Dial(RACE)


def refused(found):
    """Raise what a text that cannot be read says, which is no error of the call."""
    if found.refused:
        raise mmviz.MmvizError(found.refused)


def earned(points):
    """Raise what is said of an answer that is none, which is no error of the call."""
    if not points.earned:
        raise mmviz.MmvizError(points.lines[0].reason)


RESULT = "made by mmviz; a reader only reads it"
CALLS = {
    "Case": {
        "name": lambda wrong: mmviz.explore(case(name=wrong)),
        "world": lambda wrong: mmviz.explore(case(world=wrong)),
        "actors": lambda wrong: mmviz.explore(case(actors=wrong)),
        "actor": lambda wrong: mmviz.explore(case(actors={"A": wrong})),
        "actor's name": lambda wrong: mmviz.explore(case(actors={wrong: loads})),
        "bad": lambda wrong: mmviz.explore(case(bad=wrong)),
        "kind": lambda wrong: case(kind=wrong),
    },
    "Counterexample": RESULT,
    "Debate": {
        "thread": mmviz.Debate,
        "kernel": lambda wrong: mmviz.Debate("exclusive", kernel=wrong),
    },
    "Dial": {
        "race": mmviz.Dial,
        "case": lambda wrong: mmviz.Dial(RACE, wrong),
        "step": lambda wrong: mmviz.Dial(found(), step=wrong),
        "height": lambda wrong: mmviz.Dial(found(), height=wrong),
        "turn": lambda wrong: DIAL.turn(True, wrong),
    },
    "defend": {
        "fix": mmviz.defend,
        "case": lambda wrong: mmviz.defend(RACE, wrong),
        "height": lambda wrong: mmviz.defend(found(), height=wrong),
    },
    "Driver": {
        "scenario": mmviz.Driver,
        "schedule": lambda wrong: mmviz.Driver(found(), wrong),
        "case": lambda wrong: mmviz.Driver(RACE, case=wrong),
        "views": lambda wrong: mmviz.Driver(found(), views=wrong),
        "goal": lambda wrong: mmviz.Driver(found(), goal=wrong),
        "height": lambda wrong: mmviz.Driver(found(), height=wrong),
        "choose": lambda wrong: mmviz.Driver(found()).choose(wrong),
        "choose at": lambda wrong: mmviz.Driver(found()).choose("CPU0", wrong),
        "run": lambda wrong: setattr(mmviz.Driver(found()), "run", wrong),
        "visit": lambda wrong: mmviz.Driver(found()).visit(wrong),
    },
    "Entry": {"kernel": lambda wrong: mmviz.Entry("0x0", kernel=wrong)},
    "Predict": {
        "race": mmviz.Predict,
        "schedule": lambda wrong: mmviz.Predict(found(), wrong),
        "case": lambda wrong: mmviz.Predict(RACE, case=wrong),
        "kind": lambda wrong: mmviz.Predict(found(), kind=wrong),
        "seed": lambda wrong: mmviz.Predict(found(), seed=wrong),
        "after": lambda wrong: mmviz.Predict(found(), after=wrong),
        "question": lambda wrong: mmviz.Predict(question=wrong),
        "height": lambda wrong: mmviz.Predict(found(), height=wrong),
        "answer": lambda wrong: PREDICT.answer(wrong),
        "show": lambda wrong: PREDICT.show(wrong),
    },
    "Frame": RESULT,
    "MmvizError": "an exception",
    "Player": {
        "scenario": mmviz.Player,
        "schedule": lambda wrong: mmviz.Player(found(), wrong),
        "case": lambda wrong: mmviz.Player(RACE, case=wrong),
        "views": lambda wrong: mmviz.Player(found(), views=wrong),
        "start": lambda wrong: mmviz.Player(found(), start=wrong),
        "moments": lambda wrong: mmviz.Player(found(), moments=wrong),
        "moment": lambda wrong: mmviz.Player(found(), moments={"here": wrong}),
        "moment's name": lambda wrong: mmviz.Player(found(), moments={wrong: "CPU0"}),
        "height": lambda wrong: mmviz.Player(found(), height=wrong),
        "cursor": lambda wrong: setattr(mmviz.Player(found()), "cursor", wrong),
        "run": lambda wrong: setattr(mmviz.Player(found()), "run", wrong),
        "visit": lambda wrong: mmviz.Player(found()).visit(wrong),
        "svg at": lambda wrong: mmviz.Player(found()).svg(wrong),
        "svg theme": lambda wrong: mmviz.Player(found()).svg(theme=wrong),
        "svg views": lambda wrong: mmviz.Player(found()).svg(views=wrong),
        "save": lambda wrong: mmviz.Player(found()).save(wrong),
        "save form": lambda wrong: mmviz.Player(found()).save(SAVED, wrong),
        "save at": lambda wrong: mmviz.Player(found()).save(SAVED, at=wrong),
        "save theme": lambda wrong: mmviz.Player(found()).save(SAVED, theme=wrong),
        "save views": lambda wrong: mmviz.Player(found()).save(SAVED, views=wrong),
    },
    "Race": {
        "world": lambda wrong: mmviz.explore(race(world=wrong).case("x", name="X", of=1)),
        "actors": lambda wrong: mmviz.explore(race(actors=wrong).case("x", name="X", of=1)),
        "bad": lambda wrong: mmviz.explore(race(bad=wrong).case("x", name="X", of=1)),
        "name": lambda wrong: race().case("x", name=wrong, of=1),
        "sometimes": lambda wrong: race().case("x", name="X", of=1, sometimes=wrong),
    },
    "Report": RESULT,
    "Run": {
        "case": mmviz.Run,
        "step": lambda wrong: mmviz.Run(found()).step(wrong),
        "fork": lambda wrong: mmviz.Run(found()).fork(wrong),
    },
    "Scenario": {"case": lambda wrong: mmviz.load(RACE).case(wrong)},
    "ScheduleError": "an exception",
    "UnknownName": "an exception",
    "Verdict": "an enumeration",
    "broken": "takes nothing",
    "catalogue": {
        "words": mmviz.catalogue,
        "bad_state": lambda wrong: mmviz.catalogue(bad_state=wrong),
        "thread": lambda wrong: mmviz.catalogue(thread=wrong),
        "kernel": lambda wrong: mmviz.catalogue(kernel=wrong),
    },
    "code": {"thing": mmviz.code},
    "counters": {"what": mmviz.counters},
    "debate": {
        "thread": mmviz.debate,
        "kernel": lambda wrong: mmviz.debate("exclusive", kernel=wrong),
    },
    "diagram": {
        "text": lambda wrong: refused(mmviz.diagram(wrong)),
        "race": lambda wrong: mmviz.diagram("CPU0: f()\nCPU1: g()\n", wrong),
    },
    "entry": {
        "value": mmviz.entry,
        "kernel": lambda wrong: mmviz.entry("0x0", wrong),
        "after": lambda wrong: mmviz.entry("0x0", after=wrong),
        "level": lambda wrong: mmviz.entry("0x0", level=wrong),
        "space": lambda wrong: mmviz.entry("0x0", space=wrong),
        "arch": lambda wrong: mmviz.entry("0x0", arch=wrong),
        "paging": lambda wrong: mmviz.entry("0x0", paging=wrong),
        "pte_marker": lambda wrong: mmviz.entry("0x0", pte_marker=wrong),
        "physical_bits": lambda wrong: mmviz.entry("0x0", physical_bits=wrong),
        "encryption_bit": lambda wrong: mmviz.entry("0x0", encryption_bit=wrong),
        "theme": lambda wrong: mmviz.entry("0x0").svg(wrong),
    },
    "every_case": "takes nothing",
    "exercise": {
        "name": mmviz.exercise,
        "seed": lambda wrong: mmviz.exercise("iommu_group/break_it", wrong),
    },
    "explore": {
        "what": mmviz.explore,
        "case": lambda wrong: mmviz.explore(RACE, wrong),
        "max_states": lambda wrong: mmviz.explore(RACE, CASE, max_states=wrong),
        "max_bytes": lambda wrong: mmviz.explore(RACE, CASE, max_bytes=wrong),
    },
    "family": {
        "what": mmviz.family,
        "numbers": lambda wrong: mmviz.family(lambda _: case(), wrong),
        "member": lambda wrong: mmviz.family(lambda _: wrong, [1]),
        "seconds": lambda wrong: mmviz.family({1: case()}, seconds=wrong),
        "size": lambda wrong: mmviz.family(SIZED, faults=wrong, invalidators=1, pages=1),
    },
    "find": {
        "scenario": lambda wrong: mmviz.find(wrong, CASE),
        "case": lambda wrong: mmviz.find(RACE, wrong),
    },
    "grade": {
        "answer": lambda wrong: earned(mmviz.grade(wrong, "iommu_group/break_it")),
        "exercise": lambda wrong: mmviz.grade(None, wrong),
    },
    "judge": {
        "mine": mmviz.judge,
        "exercise": lambda wrong: mmviz.judge(found(), wrong),
        "jobs": lambda wrong: mmviz.judge(found(), jobs=wrong),
        "outcomes": lambda wrong: mmviz.judge(found(), outcomes=wrong),
        "step": lambda wrong: mmviz.judge(wrong, "iommu_group/no_return"),
    },
    "link": {
        "case": lambda wrong: mmviz.link(wrong, "CPU0"),
        "schedule": lambda wrong: mmviz.link(found(), wrong),
        "at": lambda wrong: mmviz.link(found(), "CPU0", wrong),
    },
    "litmus": {
        "text": lambda wrong: refused(mmviz.litmus(wrong)),
        "model": lambda wrong: mmviz.litmus("", wrong),
    },
    "load": {"name": mmviz.load},
    "lockdep": {"text": lambda wrong: refused(mmviz.lockdep(wrong))},
    "mutations": {
        "scenario": lambda wrong: mmviz.mutations(wrong, CASE),
        "case": lambda wrong: mmviz.mutations(RACE, wrong),
    },
    "names": "takes nothing",
    "opened": {
        "case": lambda wrong: mmviz.opened(wrong, "load"),
        "step": lambda wrong: mmviz.opened(case(), wrong),
    },
    "possible": {
        "case": lambda wrong: mmviz.possible(wrong, "CPU0 is done"),
        "want": lambda wrong: mmviz.possible(found(), wrong),
        "value": lambda wrong: mmviz.possible(found(), {"group.refs": wrong}),
        "field": lambda wrong: mmviz.possible(found(), f"{wrong} == 0"),
        "max_states": lambda wrong: mmviz.possible(found(), "CPU0 is done", wrong),
    },
    "progress": {"forget": lambda wrong: mmviz.progress(forget=wrong)},
    "replay": {
        "case": lambda wrong: mmviz.replay(wrong, "CPU0"),
        "schedule": lambda wrong: mmviz.replay(found(), wrong),
    },
    "state_map": {
        "what": mmviz.state_map,
        "case": lambda wrong: mmviz.state_map(RACE, wrong),
    },
    "table": {"run": mmviz.table},
}
NAMES = ("actor's name", "moment's name")
NUMBERS = ("number", "fraction")
OMITTED = ("empty", "none")
CATALOGUED = ("words", "bad_state", "thread", "kernel")
MEANT = {  # what is not wrong there
    ("Case", "name", "unknown"),
    ("Case", "actor's name", "unknown"),
    ("diagram", "race", "none"),
    ("Driver", "goal", "none"),
    *(("Driver", "schedule", kind) for kind in ("empty", "none")),
    ("Driver", "visit", "empty"),
    ("Player", "cursor", "number"),
    ("Player", "moment", "empty"),
    *(("Player", "moment's name", kind) for kind in TEXTS if kind not in ("empty", "huge")),
    ("Player", "moments", "none"),
    ("Player", "visit", "empty"),
    *(("state_map", "case", kind) for kind in ("empty", "none")),
    ("Player", "schedule", "empty"),
    ("Player", "schedule", "none"),
    ("Player", "start", "number"),
    ("Player", "svg at", "number"),
    ("Player", "save at", "number"),
    *(("Player", f"save {given}", "none") for given in ("form", "at", "views")),
    ("Race", "name", "unknown"),
    ("Run", "fork", "none"),
    ("Scenario", "case", "number"),
    ("entry", "after", "none"),
    ("entry", "after", "number"),
    ("entry", "paging", "number"),
    *(("entry", name, "empty") for name in ("kernel", "level", "space", "arch")),
    ("Entry", "kernel", "empty"),
    ("entry", "value", "number"),
    *(("family", given, "list") for given in ("numbers", "size")),
    ("family", "numbers", "none"),
    *(("family", "seconds", kind) for kind in NUMBERS),
    ("exercise", "seed", "number"),
    ("find", "case", "number"),
    ("judge", "exercise", "none"),
    ("judge", "step", "number"),
    ("link", "schedule", "empty"),
    ("replay", "schedule", "empty"),
    *(("Debate", "kernel", kind) for kind in ("empty", "none")),
    *(("debate", "kernel", kind) for kind in ("empty", "none")),
    *((name, "case", kind) for name in ("Driver", "Player", "Predict") for kind in OMITTED),
    *(("Predict", given, kind) for given in ("schedule", "kind") for kind in OMITTED),
    ("Predict", "after", "none"),
    *((name, "case", kind) for name in ("Dial", "defend") for kind in OMITTED),
    *(("Dial", given, kind) for given in ("step", "turn") for kind in OMITTED),
    ("Predict", "seed", "number"),
    *((name, "views", "none") for name in ("Driver", "Player")),
    ("Player", "svg views", "none"),
    ("Driver", "choose at", "none"),
    *(("possible", "max_states", kind) for kind in NUMBERS),
    *(("explore", f"max_{what}", kind) for what in ("states", "bytes") for kind in NUMBERS),
    *(("catalogue", given, kind) for given in CATALOGUED for kind in ("empty", "none")),
    *(("catalogue", "words", kind) for kind in TEXTS if kind != "huge"),
    *((name, "thread", "none") for name in ("Debate", "debate")),
}
ROWS = [
    (name, argument, kind)
    for name, calls in CALLS.items()
    if isinstance(calls, dict)
    for argument in calls
    for kind in (TEXTS if argument in NAMES else WRONG)
    if (name, argument, kind) not in MEANT
]


def is_sentence(text):
    """Tell whether a message is short, on its lines, and has nothing that a terminal obeys."""
    return 10 < len(text) <= LONGEST and text.replace("\n", "").isprintable()


def test_every_public_name_has_a_row():
    assert set(CALLS) == set(mmviz.__all__)


@pytest.mark.parametrize(("name", "argument", "kind"), ROWS)
def test_a_wrong_input_is_answered_with_a_sentence(name, argument, kind):
    call, wrong = CALLS[name][argument], WRONG[kind]
    with pytest.raises((mmviz.MmvizError, IndexError)) as error:
        call(wrong)
    assert is_sentence(str(error.value))
    if not isinstance(error.value, mmviz.MmvizError):
        assert re.search(
            r"this run has frames 0 to|a run of \d+ steps has no step", str(error.value)
        )


# -- commands ------------------------------------------------------------------------------

MAILED = str(Path(__file__).parent / "reading" / "diagrams" / "seed004.txt")
COMMANDS = {
    "list": [["list", "{}"], ["list", "--kernel={}"], ["list", "--frob={}"]],
    "check": [["check", "{}"], ["check", f"{RACE}:{{}}"], ["check", RACE, "--max-states={}"]],
    "replay": [
        ["replay", "{}", CASE],
        ["replay", RACE, "{}"],
        ["replay", RACE, CASE, "{}"],
        ["replay", RACE, CASE, "[{}"],
        ["replay", "mmviz:0.2.0/{}"],
        ["replay", RACE, CASE, "--json", "CPU0*{}"],
    ],
    "mutate": [["mutate", "{}"], ["mutate", f"{RACE}:{{}}"]],
    "verify": [["verify", "{}"], ["verify", f"{RACE}:{{}}"]],
    "new": [["new", "{}"]],
    "export": [
        ["export", "{}", CASE],
        ["export", RACE, "{}"],
        ["export", RACE, CASE, "--form=svg", "--step={}"],
        ["export", RACE, CASE, "--qr", "--step={}"],
        ["export", "--site=zz", "{}"],
    ],
    "diagram": [["diagram", "{}"], ["diagram", MAILED, "--race={}"], ["diagram", MAILED, "-o={}"]],
    "litmus": [["litmus", "{}"], ["litmus", MAILED, "--model={}"]],
    "lockdep": [["lockdep", "{}"]],
    "entry": [
        ["entry", "{}"],
        *(["entry", "0x0", f"--{name}={{}}"] for name in ("kernel", "level", "space", "arch")),
    ],
    "quiz": [
        ["quiz", "{}"],
        ["quiz", f"{RACE}:{{}}"],
        ["quiz", RACE, "--case={}"],
        ["quiz", RACE, "--kind={}"],
        ["quiz", RACE, "--seed={}"],
        ["quiz", RACE, "--count={}"],
    ],
    "assignment": [["assignment", "{}"], ["assignment", "hmm/one_put", "--for={}"]],
    "exercise": [["exercise", "{}"], ["exercise", "--seed={}"]],
    "judge": [["judge", "{}"], ["judge", MAILED, "--exercise={}"], ["judge", MAILED, "--seed={}"]],
    "grade": [["grade", "{}", "zz"]],
    "progress": [["progress", "{}"]],
    "lab": [["lab", "--port={}"], ["lab", "--copy-only", "--edition={}"]],
    "schema": [["schema", "{}"]],
    "completion": [["completion", "{}"]],
}
WORDS = TEXTS | {
    "option": "-x",
    "brackets": "[" * 100_000,
    "braces": '{"a":' * 50_000,
    "digits": "9" * 5_000,
    "superscript": "²",
    "circled": "①",
}
FINE = {
    ("diagram", f"diagram {MAILED} --race={{}}", "empty"),
    *(
        ("entry", f"entry 0x0 --{name}={{}}", "empty")
        for name in ("kernel", "level", "space", "arch")
    ),
    ("list", "list --kernel={}", "empty"),
    ("quiz", f"quiz {RACE} --case={{}}", "empty"),
    ("quiz", f"quiz {RACE} --kind={{}}", "empty"),
    ("replay", f"replay {RACE} {CASE} {{}}", "empty"),
}


def commands():
    """Return the names of the commands."""
    return next(iter(parser()._subparsers._group_actions)).choices


def test_every_command_has_a_row():
    assert set(COMMANDS) == set(commands())


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize(
    ("command", "words"), [(name, words) for name, each in COMMANDS.items() for words in each]
)
def test_a_wrong_word_is_answered_in_one_sentence_with_status_2(capsys, command, words, kind):
    try:
        status = main([word.replace("{}", WORDS[kind]) for word in words])
    except SystemExit as left:
        status = left.code
    out, err = capsys.readouterr()
    if (command, " ".join(words), kind) in FINE:
        assert (status, err) == (0, "")
        return
    assert (status, out) == (2, "")
    assert is_sentence(err.splitlines()[-1])
    assert "Traceback" not in err
    assert all(char.isprintable() or char == "\n" for char in err)
