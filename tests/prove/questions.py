"""Confirm every question that is made, by a machine that shares no code with what makes them.

    make questions      or    python -m tests.prove.questions [SCENARIO[:CASE] …] [--seeds 200]

What is checked is what a learner reads: the machine below reads the question's text and the texts
of its options, and finds each answer anew. It walks runs step by step, and visits every state by
stepping runs (`Run.step`, `Run.enabled`, the values of frames), without the graph, the fates, or
anything of `mmviz.lessons`. Lines that are left out are judged by `omissions` and `explore`.

Status 1 when a question is wrong: more or fewer than one option is right, the right one is not
the one that is marked, two read the same, a run does not replay, or a reason is missing.
"""

import argparse
import os
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache, cached_property

from mmviz.cli.listing import select
from mmviz.engine import Case, MmvizError, Run, ScheduleError, explore
from mmviz.engine.mutation import omissions
from mmviz.engine.text import spoken
from mmviz.lessons.question import KINDS, Question
from mmviz.lessons.questions import questions

SEEDS = 200
TOGETHER = 2  # cases at the same time
A_SEED = 6  # questions: one of each kind
NUMBERS = ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
NEXT = re.compile(r"Which of (.+) can take the next step now\?")
ALONE = re.compile(r"Can (\S+) take its next step now\?")
HOLDER = re.compile(
    r"(\S+) is blocked at .+\. Which actor holds what it waits for, and since which step\?"
)
LONG = re.compile(
    r"(\S+) is blocked at .+\. Only (\S+) goes on now\. After which of \S+'s next steps can \S+ "
    r"go on for the first time\?"
)
RETURNS = re.compile(r"What does (\S+)'s next step, .+, return\?")
ONE_STEP = re.compile(r"What does (.+) hold after (\S+)'s next step, .+\?")
SOME_STEPS = re.compile(
    r"(\S+) takes its next (\d+) steps, and no other actor steps\. What does (.+) hold then\?"
)
REACHABLE = re.compile(r".+ Can this bad state \((\w+)\) still be reached\?", re.S)
FINAL = re.compile(r"(From here on, w|W)hich of these is possible once (.+) ha(?:s|ve) finished\?")
WINDOW = re.compile(
    r"(\S+) runs, and (\S+) interrupts it once: .+ Where must \S+ come in, so that this happens: "
    r"(\w+): .+\?",
    re.S,
)
OMITTED = "Nothing goes wrong in this case. One of these lines is left out. For which of them does"
BREAKS = re.compile(
    r"Nothing goes wrong in this case\. What can go wrong when this line of (\S+)\(\) is left out: "
    r"(.+)\?(?: \(With a line .+\))?"
)


class Wrong(Exception):
    """A question that is not what it says."""


class Machine:
    """Every state of a case, found by stepping runs breadth first.

    Args:
        case: the case.

    Attributes:
        runs: a run to each state, by the state.
        after: (actor, state) for each step from a state.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        first = Run(case)
        self.runs = {first.tip.state: first}
        self.after: dict[int, list[tuple[str, int]]] = {}
        for state in (queue := [first.tip.state]):
            steps = self.after[state] = []
            for actor in self.runs[state].enabled():
                ahead = self.runs[state].fork()
                to = ahead.step(actor).state
                steps.append((actor, to))
                if to not in self.runs:
                    self.runs[to] = ahead
                    queue.append(to)
        self.model = first.model
        self._values: dict[int, dict[str, str]] = {}
        self._models = {id(case): (case, self.model)}

    def run(self, schedule: tuple[str, ...]) -> Run:
        """Return a run, step by step."""
        run = Run(self.case, self.model)
        for actor in schedule:
            run.step(actor)
        return run

    def replay(self, case: Case, schedule: tuple[str, ...]) -> Run:
        """Return a run of this case, or of another, whose model is kept."""
        run = Run(case, self._models.get(id(case), (case, None))[1])
        self._models[id(case)] = case, run.model
        for actor in schedule:
            run.step(actor)
        return run

    def below(self, state: int, without: str = "") -> set[int]:
        """Return the states that can be reached, if one actor does not step."""
        found, queue = {state}, [state]
        for each in queue:
            for actor, to in self.after[each]:
                if actor != without and to not in found:
                    found.add(to)
                    queue.append(to)
        return found

    def threads_done(self, state: int) -> bool:
        """Tell whether every actor that must finish has finished."""
        must = set(self.case.actors) - set(self.case.daemons)
        return must <= set(self.runs[state].tip.done)

    def ends(self, state: int) -> bool:
        """Tell whether a run may end here."""
        return not self.after[state] or self.threads_done(state)

    def values(self, state: int) -> dict[str, str]:
        """Return what each field holds, as displayed."""
        if state not in self._values:
            frame = self.runs[state].tip
            self._values[state] = {path: spoken(each) for path, each in frame.values.items()}
        return self._values[state]

    @cached_property
    def paths(self) -> list[str]:
        """The paths of all fields."""
        return list(self.runs[next(iter(self.runs))].tip.values)

    @cached_property
    def without_lines(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return what breaks without each line of a safe case, by the line and its function."""
        return {
            (each.spot.text.removeprefix("await ").rstrip(":"), each.spot.line.function): (
                each.breaks
            )
            for each in omissions(self.case)
        }

    @cache  # noqa: B019
    def bad(self, name: str) -> frozenset[int]:
        """Return the states in which a bad state holds."""
        return frozenset(s for s, run in self.runs.items() if name in self.model.violated(s))


def check(question: Question, machine: Machine) -> None:
    """Check one question.

    Raises:
        Wrong: it is not what it says.
    """
    texts = [each.text for each in question.options]
    marked = [each.text for each in question.options if each.right]
    if not 2 <= len(texts) <= 5 or len(set(texts)) < len(texts):
        raise Wrong(f"options {texts}")
    if len(marked) != 1:
        raise Wrong(f"{len(marked)} options are marked right")
    for each in question.options:
        if not each.reason.strip() or not each.reason.endswith((".", "…", "!", "?")):
            raise Wrong(f"the reason of {each.text!r}: {each.reason!r}")
        if each.schedule is not None:
            machine.replay(each.case or question.case, each.schedule)
    right = [each for each in question.options if TRUTH[question.kind](question, machine, each)]
    if [each.text for each in right] != marked:
        raise Wrong(f"right is {[each.text for each in right]}, and marked {marked}")
    said = [
        each
        for each in texts
        if len(each) > 3 and re.search(rf"(?<!\w){re.escape(each)}(?!\w)", question.text)
    ]
    if said == marked:
        raise Wrong("the question says its answer")


# -- what is true: one function a kind -------------------------------------------------------


def can_step(run: Run, actor: str) -> bool:
    """Tell whether an actor can step, by trying."""
    try:
        run.fork().step(actor)
    except ScheduleError:
        return False
    return True


def names_in(text: str) -> set[str]:
    return set(re.split(r", | and ", text))


def true_next(question, machine, option):
    run = machine.run(question.schedule)
    if alone := ALONE.fullmatch(question.text):
        return (option.text == "Yes") == can_step(run, alone[1])
    asked = names_in(NEXT.fullmatch(question.text)[1])
    if not asked <= set(machine.case.actors) or asked & set(run.tip.done):
        raise Wrong(f"actors {asked}")
    if option.text in ("Both of them", "All of them"):
        said = asked
        if (option.text == "Both of them") != (len(asked) == 2):
            raise Wrong("both")
    elif option.text == "None of them":
        said = set()
    else:
        said = names_in(option.text.removeprefix("Only "))
    return said == {name for name in asked if can_step(run, name)}


def named(value) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, tuple | frozenset):
        return {name for part in value for name in named(part)}
    return set()


def true_blocked(question, machine, option):
    run = machine.run(question.schedule)
    if long := LONG.fullmatch(question.text):
        waits, other = long.groups()
        if can_step(run, waits) or waits in run.tip.done:
            raise Wrong(f"{waits} is not blocked")
        lets, count = None, 0
        while lets is None and count < 300 and can_step(run, other):
            run.step(other)
            count += 1
            lets = count if can_step(run, waits) else None
        if lets is None and count == 300:
            raise Wrong("not decided")
        if option.text == "Not while the others wait":
            return lets is None
        word = option.text.removeprefix("Its ")
        number = NUMBERS.index(word) if word in NUMBERS else int(word.removesuffix("th"))
        return number == lets
    (waits,) = HOLDER.fullmatch(question.text).groups()
    if can_step(run, waits) or waits in run.tip.done:
        raise Wrong(f"{waits} is not blocked")
    who, since = re.fullmatch(r"(\S+), (?:since step (\d+)|from the start)", option.text).groups()
    step = int(since or 0)
    if who == waits:
        return False  # it would have to be shown that it waits for itself
    p = machine.model.index[waits]
    guard = machine.model.location(run.tip.state, p).step
    looked = {
        machine.model.ledger.paths[slot]
        for slot in machine.model.execute(run.tip.state, p, guard).reads
    }
    frames = run.frames
    if step and frames[step].actor != who:
        raise Wrong(f"step {step} is not one of {who}'s")
    holds = any(
        all(who in named(frame.values[path]) for frame in frames[step:])
        and (not step or frames[step - 1].values[path] != frames[step].values[path])
        and not any(
            frames[k].actor == who and frames[k].values[path] != frames[k - 1].values[path]
            for k in range(step + 1, len(frames))
        )
        for path in looked
    )
    if holds:
        # nothing but a step of the holder lets it go on
        for state in machine.below(run.tip.state, without=who):
            if any(actor == waits for actor, _ in machine.after[state]):
                raise Wrong(f"{waits} can go on while {who} waits")
    return holds


def true_value(question, machine, option):
    run = machine.run(question.schedule)
    if returns := RETURNS.fullmatch(question.text):
        return spoken(run.step(returns[1]).answer) == option.text
    if some := SOME_STEPS.fullmatch(question.text):
        actor, count, path = some.groups()
        for _ in range(int(count)):
            run.step(actor)
    else:
        path, actor = ONE_STEP.fullmatch(question.text).groups()
        run.step(actor)
    return spoken(run.tip.values[path]) == option.text


def true_reachable(question, machine, option):
    (name,) = REACHABLE.fullmatch(question.text).groups()
    run = machine.run(question.schedule)
    bad, here = machine.bad(name), run.tip.state
    if any(frame.state in bad for frame in run.frames):
        raise Wrong("it has been reached already")
    below = machine.below(here)
    if option.text.startswith("No:"):
        return not below & bad
    clean, queue = {here}, [here]  # reached without the bad state on the way
    for state in queue:
        for _, to in machine.after[state]:
            if to not in bad and to not in clean:
                clean.add(to)
                queue.append(to)
    ends = any(machine.ends(state) for state in clean)
    if option.text.startswith("It depends:"):
        return bool(below & bad) and ends
    return bool(below & bad) and not ends and not has_loop(machine, clean)


def has_loop(machine, states) -> bool:
    """Tell whether some run goes round within some states, by taking away those that cannot."""
    ahead = {state: {to for _, to in machine.after[state] if to in states} for state in states}
    backwards: dict[int, list[int]] = {}
    for state, nexts in ahead.items():
        for to in nexts:
            backwards.setdefault(to, []).append(state)
    queue = [state for state, nexts in ahead.items() if not nexts]
    for state in queue:
        for before in backwards.get(state, ()):
            ahead[before].discard(state)
            if not ahead[before]:
                queue.append(before)
    return any(ahead.values())


def fields_of(text: str, machine) -> list[str]:
    """Return the paths of the fields in an option, in its order."""
    at = [
        (there.start(), path)
        for path in machine.paths
        if (there := re.search(rf"(?:^|, ){re.escape(path)} = ", text))
    ]
    return [path for _, path in sorted(at)]


def true_final(question, machine, option):
    asked = FINAL.fullmatch(question.text)
    must = set(machine.case.actors) - set(machine.case.daemons)
    if names_in(asked[2]) != must or asked[1].startswith("F") != bool(question.schedule):
        raise Wrong("who finishes, or from where")
    fields = fields_of(option.text, machine)
    run = machine.run(question.schedule)
    return any(
        option.text == ", ".join(f"{path} = {machine.values(state)[path]}" for path in fields)
        for state in machine.below(run.tip.state)
        if machine.threads_done(state)
    )


def true_line(question, machine, option):
    if window := WINDOW.fullmatch(question.text):
        one, other, name = window.groups()
        count = re.match(rf"After {one}'s step (\d+), ", option.text)
        if not count and option.text != f"Before {one}'s first step":
            raise Wrong(option.text)
        run = machine.run((one,) * int(count[1] if count else 0))
        for actor in (other, one, other):
            while can_step(run, actor):
                run.step(actor)
        found = {each for frame in run.frames for each in machine.model.violated(frame.state)}
        if run.deadlock:
            found.add("deadlock")
        return name in found
    known = machine.without_lines
    if question.text.startswith(OMITTED):
        function, line = re.fullmatch(r"(\S+)\(\): (.+)", option.text).groups()
        breaks = known[line, function]
        if breaks and option.schedule is not None:
            confirm(machine.replay(option.case, option.schedule), breaks)
        return bool(breaks)
    function, line = BREAKS.fullmatch(question.text).groups()
    breaks = known[line, function]
    if option.text == "Nothing: every run still ends well":
        return not breaks
    if not breaks:
        return False
    mutants = [each.case for each in question.options if each.case is not None]
    if not mutants:
        raise Wrong(f"without it there is {breaks}, and no option knows the case")
    report = explore(mutants[0])
    found = {name for name, verdict in report.verdicts.items() if verdict != "Never"}
    found |= {"deadlock"} if report.deadlock else set()
    return option.text.partition(":")[0] in found


def confirm(run: Run, breaks) -> None:
    """Check that a run of a mutant reaches what goes wrong."""
    found = set(run.violated) | ({"deadlock"} if run.deadlock else set())
    if not found:
        raise Wrong(f"the run of the mutant reaches nothing of {breaks}")


TRUTH = {
    "next": true_next,
    "blocked": true_blocked,
    "value": true_value,
    "reachable": true_reachable,
    "final": true_final,
    "line": true_line,
}


def prove(case: Case, seeds: range) -> tuple[Counter, list[str]]:
    """Check each question of a case for some seeds; return counts and what is wrong."""
    machine, seen, counts, wrong = Machine(case), {}, Counter(), []
    for seed in seeds:
        for question in questions(case, seed=seed, count=A_SEED):
            counts[question.kind] += 1
            counts["right first"] += question.right == 0
            longest = max(len(each.text) for each in question.options)
            counts["right alone is longest"] += [
                len(each.text) == longest for each in question.options
            ].count(True) == 1 and len(question.options[question.right].text) == longest
            texts = tuple(sorted((each.text, each.right, each.reason) for each in question.options))
            key = (question.kind, question.schedule, question.text, texts)
            if key in seen:
                continue
            seen[key] = question
            counts["different"] += 1
            try:
                check(question, machine)
            except (Wrong, MmvizError, LookupError, ValueError, TypeError, AttributeError) as error:
                wrong.append(f"seed {seed}: {type(error).__name__} {error}\n{question!r}\n")
    return counts, wrong


def prove_named(name: str, seeds: int) -> tuple[str, Counter, list[str]]:
    """Check a case by its name, in a process of its own."""
    (case,) = select([name])
    return (name, *prove(case, range(seeds)))


def main() -> int:
    """Check the cases that are named; all of them without names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("selection", nargs="*")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--part", default="0/1", help="2/8: the third of eight parts")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    names = [f"{case.scenario}:{case.name}" for case in select(options.selection)][part::parts]
    total, wrong = Counter(), 0
    with ProcessPoolExecutor(TOGETHER) as pool:
        for name, counts, found in pool.map(prove_named, names, [options.seeds] * len(names)):
            total += counts
            wrong += len(found)
            for each in found[:3]:
                print(f"{name}: {each}", flush=True)
    made = sum(total[kind] for kind in KINDS)
    print(f"{len(names)} cases, {options.seeds} seeds: {made:,} questions, {dict(total)}")
    spent = os.times()
    print(f"{wrong} wrong; {spent.children_user + spent.user:.0f} s CPU")
    return 1 if wrong or not made else 0


if __name__ == "__main__":
    sys.exit(main())
