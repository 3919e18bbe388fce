"""Exercises: a race that goes wrong, what the reader is to do about it, and how that is judged.

    exercise = mmviz.exercise("iommu_group/one_critical_section")
    print(exercise)             # the task
    print(exercise.code)        # the code to edit
    exercise.hint()             # the next hint
    mmviz.judge(Mine)           # the card, mmviz/lessons/judge.py

They stand in `mmviz/lessons/exercises/<thread>.py`, in the tuple `EXERCISES`.  What an exercise
asks for is stated before any mistake: `jobs` are predicates of the world that hold at the end of
every completed run of a right answer, and `outcomes` are predicates each of which holds in some
run.  So doing nothing fails, and so does locking every other actor out.

A seed chooses one of the `variants`: the fields that differ.
"""

import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from importlib import import_module
from typing import Any, TypeVar

from mmviz.engine import Case, ModelError, Race, Scenario, nearest
from mmviz.engine.case import BadState
from mmviz.engine.race import Playing
from mmviz.engine.text import index, left_out, printable, short
from mmviz.lessons import progress
from mmviz.lessons.goals import deciding, shortest
from mmviz.lessons.played import played
from mmviz.lessons.sources import class_code, method_of, parts_of
from mmviz.scenarios import cases_of, one_case

T = TypeVar("T")
Predicate = Callable[[Any], bool]

CODE, SCHEDULE, STEP = "code", "schedule", "step"
KINDS = {
    CODE: "write the methods",
    SCHEDULE: "find a run that breaks the promise",
    STEP: "find the step after which the bad state is unavoidable",
}
WIDTH = 76  # of a task as text, which may stand behind "# "
KEPT = re.compile(r"\s|[-*] |[|#]|```|\d+\. ")  # lines of a list, a table, code
HOME = "mmviz.lessons.exercises"


@dataclass(frozen=True)
class Bounds:
    """What a fix may cost at most; None where an exercise sets no bound.

    Attributes:
        steps: steps of a shortest run that completes.
        wait: steps that other actors take while one waits, in the worst run.
        under: places in the code that run while a lock is held, by the lock's path.
    """

    steps: int | None = None
    wait: int | None = None
    under: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Misconception:
    """A wrong idea, and the machine under which the answer that follows from it would be right.

    Attributes:
        name: in a few words, "a reference keeps the page mapped".
        sentence: what is wrong with it.
        wrong: the answer that follows from it: a case of the race, or the code of a class `Mine`.
        under: the fields of the exercise that the other machine replaces: `world`, `actors`.
    """

    name: str
    sentence: str
    wrong: str
    under: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A task about one case, and what its answer is held to.

    Attributes:
        name: "thread/what_to_do".
        title: one line.
        task: Markdown.
        race: the race by its name; or a `Race`, a `Scenario` or a `Case`, where the exercise brings
            a world of its own.
        case: its failing case that the reader starts from; "" where `race` is a case.
        asks: what the answer is: "code", a "schedule", or the number of a "step".
        goal: of a schedule or a step, the bad state that it is about; "deadlock" for one.
        at_most: the most steps of the schedule that is asked for; 0 for no limit.
        run: of a question about a step, the run that it is asked of.
        writes: the methods to write.
        also: names of the race's module that an answer may need beside those of the given code.
        bad: bad states that are judged beside those of the case.
        jobs: predicates of the world; each holds at the end of every completed run. The first line
            of its docstring says what must have been achieved.
        outcomes: predicates of the world; each holds in some state of some run; one that is marked
            `@at_end` at the end of some completed run. The first line of its docstring says what
            must still be possible.
        alone: actors, "CPU0" or "CPU0 DEV" -> a predicate of the world that holds in some state of
            a run in which only these take steps: an actor that comes alone is not kept out.
        polls: an actor may try again as often as others are faster. By default a run in which an
            actor goes round a loop, while the others rest, is a fault.
        hints: from vague to precise.
        solved: a right answer: a case of the race, or the code of a class `Mine`; "" for a
            schedule or a step, which the search finds.
        solutions: more right answers, written in the same way.
        cheaper: what the answer may cost at most, where that is the task.
        misconceptions: wrong ideas, each with a machine under which it would be right.
        variants: for each seed in turn, the fields that differ.
        world, actors: where the exercise has others than the case.
        excluded: a safe case of the race that is no right answer here -> why.
        minutes: how long a reader takes.
        seed: which variant it is.
    """

    name: str
    title: str
    task: str
    race: str | Race | Scenario | Case
    case: str = ""
    asks: str = CODE
    goal: str = ""
    at_most: int = 0
    run: str = ""
    writes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    bad: tuple[BadState, ...] = ()
    jobs: tuple[Predicate, ...] = ()
    outcomes: tuple[Predicate, ...] = ()
    alone: Mapping[str, Predicate] = field(default_factory=dict)
    polls: bool = False
    hints: tuple[str, ...] = ()
    solved: str = ""
    solutions: tuple[str, ...] = ()
    cheaper: Bounds | None = None
    misconceptions: tuple[Misconception, ...] = ()
    variants: tuple[Mapping[str, Any], ...] = ()
    world: Callable[[], Any] | None = None
    actors: Mapping[str, Callable[..., Any]] | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    minutes: int = 10
    seed: int = 0
    _hinted: list[str] = field(default_factory=list, compare=False, repr=False)
    _kept: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @cached_property
    def failing(self) -> Case:
        """The case that the reader starts from, as the exercise has it."""
        return self.cast(self.variant(self.case), self.case)

    @cached_property
    def given(self) -> type:
        """The class whose code the reader edits: `class Mine(exercise.given)`."""
        made = type("Given", (self.variant(self.case),), {"__doc__": self.title})
        _GIVEN[made] = self
        return made

    @property
    def words(self) -> str:
        """Python that stands for the exercise."""
        seed = f", seed={self.seed}" if self.seed else ""
        return f'mmviz.exercise("{self.name}"{seed})'

    @cached_property
    def code(self) -> str:
        """The code to edit, ready to be run; of a schedule or a step the line that asks for it."""
        if self.asks == SCHEDULE:
            return f'mmviz.judge("{self._first_actor}", {self.words})'
        if self.asks == STEP:
            return f"mmviz.judge(1, {self.words})  # the number of the step"
        return self.written(self.variant(self.case))

    def written(self, variant: type) -> str:
        """Return the methods of a variant as the code of a class `Mine`."""
        home = sys.modules[method_of(variant, self.writes[0]).__module__]
        return class_code(variant, self.writes, f"{self.words}.given", home, self.also)

    def hint(self) -> str:
        """Return the next hint; after the last one, the last again."""
        if not self.hints:
            return "There is no hint. `solution()` shows an answer."
        number = min(len(self._hinted), len(self.hints) - 1)
        self._hinted.append(self.hints[number])
        progress.hinted(self.name)
        left = len(self.hints) - 1 - number
        more = f" ({left} more)" if left else " (the last; solution() shows an answer)"
        return f"{self.hints[number]}{more}"

    def solution(self) -> str:
        """Return a right answer: code, a schedule, or the number of a step."""
        if self.asks == SCHEDULE:
            return short(self.shortest)
        if self.asks == STEP:
            return str(deciding(self.failing, self.goal, self.run)[0])
        return self.text_of(self.solved)

    @cached_property
    def shortest(self) -> tuple[str, ...]:
        """A shortest run that reaches the goal."""
        return shortest(self.failing, self.goal)

    def text_of(self, answer: str) -> str:
        """Return the code of an answer: a case of the race, or code already."""
        if "\n" in answer:
            return parts_of(answer, f"{self.words}.given")
        return self.written(self.variant(answer))

    def case_of(self, name: str) -> Case:
        """Return a case of the race by its name."""
        return one_case(self.race, "" if isinstance(self.race, Case) else name)

    def variant(self, case: str) -> type:
        """Return the class that a case of the race is declared on.

        Raises:
            ModelError: the case is declared on a function, or on no variant.
        """
        for actor in self.case_of(case).actors.values():
            if isinstance(actor, Playing):
                found = actor.make or type(actor.variant)
                if isinstance(found, type):
                    return found
        raise ModelError(f"{self.name}: {case} is declared on no class, so none can be edited")

    def cast(self, variant: type, name: str) -> Case:
        """Return the case in which the actors play a variant, judged as the exercise demands."""
        case = self.case_of(self.case)
        roles = self.actors or {
            each: actor.role if isinstance(actor, Playing) else actor
            for each, actor in case.actors.items()
        }
        return replace(
            case,
            name=name,
            id="",
            title=self.title,
            scenario="",
            world=self.world or case.world,
            actors={each: playing(role, variant) for each, role in roles.items()},
            daemons=tuple(each for each in case.daemons if each in roles),
            bad=(*case.bad, *self.bad),
            expect={},
            schedules={},
            states=0,
            deadlock=False,
            livelock=False,
            interchangeable=(),
            source=None,
            note="",
            race=None,
            declares=False,
        )

    def kept(self, what: str, find: Callable[[], T]) -> T:
        """Return what is found once of an exercise, and kept."""
        if what not in self._kept:
            self._kept[what] = find()
        found: T = self._kept[what]
        return found

    def known_answers(self) -> Iterator[tuple[str, type]]:
        """Yield the variants of the race that have the methods to write, with their cases' names.

        They are written for the world of the failing case. Whether one is right here is for the
        judge to say.
        """
        seen: set[type] = set()
        world = self.case_of(self.case).world
        for case in (each for each in cases_of(self.race) if each.world == world):
            try:
                variant = self.variant(case.name)
                for name in self.writes:
                    method_of(variant, name)
            except (ModelError, LookupError):
                continue
            if variant not in seen:
                seen.add(variant)
                yield case.name, variant

    @property
    def _first_actor(self) -> str:
        return next(iter(self.failing.actors))

    @property
    def demands(self) -> list[tuple[str, str]]:
        """What a right answer is held to beside being safe: when, and what."""
        rows = [("must hold at the end:", sentence(each)) for each in self.jobs]
        rows += [("must stay possible:", sentence(each)) for each in self.outcomes]
        return rows + [(f"{who} alone:", sentence(each)) for who, each in self.alone.items()]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.title}", "", filled(self.task), ""]
        lines += [_row(head, words) for head, words in self.demands]
        return printable("\n".join(lines).rstrip())

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        rows = [f"- {head} {words}" for head, words in self.demands]
        code = f"```python\n{self.code.rstrip()}\n```"
        if self.asks != CODE:
            plays = "\n\n".join(played(self.failing))
            code = f"What the actors run:\n\n```python\n{plays}\n```\n\n{code}"
        return "\n".join([f"**{self.title}**", "", self.task.strip(), "", *rows, "", code])


def filled(text: str) -> str:
    """Return Markdown with its paragraphs filled to `WIDTH`; lists, tables and code as they are."""
    return "\n\n".join(
        part
        if any(KEPT.match(line) for line in part.splitlines())
        else textwrap.fill(" ".join(part.split()), WIDTH, break_on_hyphens=False)
        for part in text.strip().split("\n\n")
    )


def _row(head: str, words: str) -> str:
    return textwrap.fill(words, WIDTH, initial_indent=f"  {head:21} ", subsequent_indent=" " * 24)


_GIVEN: dict[type, Exercise] = {}
"""The exercise of each class that `given` has handed out; the class itself does not say."""


def exercise_of(mine: type) -> Exercise | None:
    """Return the exercise whose given class a class derives from; None if it derives from none."""
    return next((_GIVEN[each] for each in mine.__mro__ if each in _GIVEN), None)


def playing(role: Callable[..., Any], variant: type) -> Any:
    """Return the actor that plays a variant; one that takes none is itself the actor."""
    code = role.__code__
    if code.co_argcount - len(role.__defaults__ or ()) < 2:
        return role
    return Playing(role, variant(), variant)


def sentence(predicate: Predicate) -> str:
    """Return what a job or an outcome says: the first line of its docstring."""
    lines = (predicate.__doc__ or predicate.__name__.replace("_", " ")).strip().splitlines()
    return printable(lines[0].rstrip("."))


@cache
def exercises() -> Mapping[str, Exercise]:
    """Return every exercise by its name; the folder is looked through, and nothing is listed."""
    package = import_module(HOME)
    found: dict[str, Exercise] = {}
    for each in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        module = import_module(f"{HOME}.{each.name}")
        for made in getattr(module, "EXERCISES", ()):
            thread = made.name.partition("/")[0]
            if made.name in found or not f"{each.name}_".startswith(f"{thread}_"):
                raise ModelError(f"{module.__name__}: an exercise is misnamed {made.name!r}")
            found[made.name] = made
    return found


@cache
def _seeded(name: str, seed: int) -> Exercise:
    made = exercises()[name]
    if not seed or not made.variants:
        return made
    number = seed % (len(made.variants) + 1)  # 0 is the exercise as it stands
    changes = dict(made.variants[number - 1]) if number else {}
    known = {each.name for each in fields(Exercise)}
    if not changes.keys() <= known:
        raise ModelError(f"{name}: a variant changes {sorted(changes.keys() - known)}")
    return replace(made, **changes, seed=seed, _hinted=[])


def exercise(name: str, seed: int = 0) -> Exercise:
    """Return an exercise.

        mmviz.exercise("iommu_group/one_critical_section", seed=3)

    Args:
        name: "thread/what_to_do"; `mmviz exercise` lists them.
        seed: which variant; any integer. The same seed gives the same exercise.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
        MmvizError: the seed is not an integer.
    """
    known = nearest(
        {each: each for each in exercises()}, "" if left_out(name) else name, "exercise"
    )
    return _seeded(known, index(seed, "the seed of an exercise"))
