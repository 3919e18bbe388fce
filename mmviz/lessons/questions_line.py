"""Which line matters: what its omission breaks, and after which step the other actor must run."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from mmviz.engine.case import DEADLOCK, Case
from mmviz.engine.mutation import BROKEN, CANNOT_GO_ON, ENDLESS, goes_wrong, mutants
from mmviz.engine.places import Spot, Watched, spots, uses_answer, watched
from mmviz.engine.possible import possible
from mmviz.engine.redundant import redundant
from mmviz.engine.run import Run
from mmviz.lessons.question import Option, Question
from mmviz.lessons.questions_space import Space, asked, fits, sentence, words

MOST_STATES = 6_000  # of a case whose lines are left out, and of a case without one
MOST_OMITTED = 10  # lines that are tried for one question
MOST_OPTIONS = 4
MOST_ALONE = 60  # steps that an actor takes alone
DEADLOCKS, NOTHING = "deadlock", ""


def line_places(space: Space, rng: Random) -> Iterator[Run]:
    """Yield the start: the question is about whole runs."""
    del rng
    yield space.run(())


def ask_line(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask which line matters, what breaks without one, or after which step another must run."""
    asks = [_ask_omitted, _ask_breaks] if _is_safe(space) else [_ask_window]
    rng.shuffle(asks)
    return next((found for ask in asks if (found := ask(space, run, rng))), None)


def _is_safe(space: Space) -> bool:
    """Whether nothing goes wrong in the case as it is."""
    if space.graph is None or len(space.graph.states) > MOST_STATES:
        return False
    if "wrong" not in space.kept:
        space.kept["wrong"] = goes_wrong(space.case, 4 * MOST_STATES)
    return not space.kept["wrong"]


# -- leaving out a line ----------------------------------------------------------------------


class Omitted:
    """A case without one of its lines, and what goes wrong then.

    Attributes:
        spot: the line.
        case: the case without it.
        wrong: all that goes wrong; None where that is not known, or the code cannot go on.
    """

    def __init__(self, spot: Spot, case: Case) -> None:
        self.spot = spot
        # It is no case of the race, and claims nothing.
        title = f"without {_line(spot)}"
        self.case = replace(case, title=title, scenario="", race=None, declares=False)
        self.wrong: frozenset[str] | None = None
        try:
            wrong = goes_wrong(case, MOST_STATES)
        except CANNOT_GO_ON:
            return
        self.wrong = None if wrong & {BROKEN, ENDLESS} else wrong


def _spots(space: Space) -> list[Spot]:
    """Return the lines of a case that can be left out, and that a reader can tell apart."""
    if "spots" not in space.kept:
        model = watched(space.case)
        every = spots(model)
        named = Counter(map(_named, every))
        space.kept["watched"], space.kept["spots"] = (
            model,
            [
                spot
                for spot in every
                if fits(_line(spot)) and not uses_answer(spot.line) and named[_named(spot)] == 1
            ],
        )
    found: list[Spot] = space.kept["spots"]
    return list(found)


def _without(space: Space, spot: Spot) -> Omitted | None:
    """Return the case without a line; None where it can be left out in several ways."""
    key = "without", spot
    if key not in space.kept:
        made = list(mutants(space.case, spot, space.kept["watched"]))
        space.kept[key] = Omitted(spot, made[0]) if len(made) == 1 else None
    found: Omitted | None = space.kept[key]
    return found


def _line(spot: Spot) -> str:
    """Return a line as an option shows it."""
    return spot.text.removeprefix("await ").rstrip(":")


def _named(spot: Spot) -> str:
    return f"{spot.line.function}(): {_line(spot)}"


def _ask_omitted(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask which of some lines breaks the case when it is left out."""
    order = _spots(space)
    rng.shuffle(order)
    killed: list[Omitted] = []
    survive: list[Omitted] = []
    for spot in order[:MOST_OMITTED]:
        made = _without(space, spot)
        if made is None or made.wrong is None:
            continue
        (killed if made.wrong else survive).append(made)
        if killed and len(survive) >= MOST_OPTIONS - 1:
            break
    if not killed or not survive:
        return None
    for right in killed:
        chosen = [right, *survive[: MOST_OPTIONS - 1]]
        options = [
            Option(
                _named(each.spot),
                each is right,
                *_omitted_reason(space, each),
            )
            for each in chosen
        ]
        text = (
            "Nothing goes wrong in this case. One of these lines is left out. For which of them "
            f"does something go wrong?{_with_locks(space, chosen)}"
        )
        if found := asked("line", run, text, options, rng):
            return found
    return None


def _with_locks(space: Space, chosen: list[Omitted]) -> str:
    model: Watched = space.kept["watched"]
    if any(each.spot in model.takes for each in chosen):
        return " (With a line that takes a lock, the line that drops it is left out, too.)"
    return ""


def _omitted_reason(space: Space, made: Omitted) -> tuple[str, tuple[str, ...] | None, Case | None]:
    """Return what goes wrong without a line, or why nothing does; and a run."""
    key = "omitted", made.spot
    if key not in space.kept:
        space.kept[key] = _told_of(space, made)
    found: tuple[str, tuple[str, ...] | None, Case | None] = space.kept[key]
    return found


def _told_of(space: Space, made: Omitted) -> tuple[str, tuple[str, ...] | None, Case | None]:
    line = _line(made.spot)
    if made.wrong:
        what = sorted(made.wrong - {DEADLOCKS, "livelock"}) or sorted(made.wrong)
        told = sentence(_meaning(made.case, what[0]))
        schedule = _run_to(made, what[0])
        return f"Without {line}: {what[0]}. {told}", schedule, made.case
    said = redundant(made.spot.line, space.case)
    why = sentence(f"{said.why[0].upper()}{said.why[1:]}") if said and said.why else ""
    told = f"Without {line} nothing goes wrong: every interleaving was searched. {why}"
    return told.strip(), None, None


def _meaning(case: Case, wrong: str) -> str:
    if wrong == DEADLOCKS:
        return DEADLOCK
    if wrong == "livelock":
        return "Every actor keeps running, yet the run never completes"
    return case.sentence(wrong)


def _run_to(made: Omitted, wrong: str) -> tuple[str, ...] | None:
    """Return a shortest run to what goes wrong; None where it is not a state."""
    if wrong == "livelock":
        return None
    if wrong == DEADLOCKS:
        space = Space(made.case, MOST_STATES)
        if space.graph is None:
            return None
        states = space.graph.states
        return space.way(0, lambda n: space.model.is_deadlock(states[n]))
    return possible(made.case, wrong, MOST_STATES).schedule


def _ask_breaks(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask what goes wrong when one line is left out."""
    order = _spots(space)
    rng.shuffle(order)
    for spot in order[:MOST_OMITTED]:
        made = _without(space, spot)
        if made is None or made.wrong is None or "livelock" in made.wrong or len(made.wrong) > 1:
            continue
        right = next(iter(made.wrong), NOTHING)
        if right == NOTHING and rng.random() < 0.7:
            continue
        others = [each for each in (*space.case.bad_states, DEADLOCKS, NOTHING) if each != right]
        if len(others) < 2:
            return None
        rng.shuffle(others)
        if len(others) > 2:
            others = sorted(others, key=lambda each: each == NOTHING)
            others = [*others[: MOST_OPTIONS - 2], *([NOTHING] if NOTHING in others else [])]
        reason, schedule, other = _omitted_reason(space, made)
        options = [
            Option(
                _wrong(space.case, each),
                each == right,
                reason if each in (right, NOTHING) else f"Not this. {reason}",
                schedule,
                other,
            )
            for each in [right, *others]
        ]
        text = (
            "Nothing goes wrong in this case. What can go wrong when this line of "
            f"{spot.line.function}() is left out: {_line(spot)}?{_with_locks(space, [made])}"
        )
        if found := asked("line", run, text, options, rng):
            return found
    return None


def _wrong(case: Case, wrong: str) -> str:
    if wrong == NOTHING:
        return "Nothing: every run still ends well"
    return f"{wrong}: {' '.join(_meaning(case, wrong).split())}"


# -- after which step the other actor must run -----------------------------------------------


def _ask_window(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask after which step of one actor another must come in, so that the promise breaks."""
    names = [space.actors[p] for p in sorted(space.threads)]
    names += [name for name in space.actors if name not in names and name not in space.environment]
    pairs = [(one, other) for one in names for other in names if one != other]
    rng.shuffle(pairs)
    for one, other in pairs:
        runs = _windows(space, one, other)
        bad = sorted({each for found in runs for each in _went_wrong(found)})
        rng.shuffle(bad)
        for bad_state in bad:
            if found := _ask_when(space, run, (one, other), runs, bad_state, rng):
                return found
    return None


def _windows(space: Space, one: str, other: str) -> list[Run]:
    """Return, for each number of steps that one actor takes first, the run as it goes on then.

    The other runs as far as it can; then the first goes on as far as it can; then the other.
    """
    key = f"windows {one} {other}"
    if key not in space.kept:
        found: list[Run] = []
        first = space.run(())
        while len(found) <= MOST_ALONE:
            run = first.fork()
            if all([_alone(run, other), _alone(run, one), _alone(run, other)]):
                found.append(run)
            else:
                found.clear()  # one of them may go on without end
                break
            if one not in first.enabled():
                break
            first.step(one)
        space.kept[key] = found if len(found) <= MOST_ALONE else []
    known: list[Run] = space.kept[key]
    return known


def _went_wrong(run: Run) -> set[str]:
    """Return what goes wrong in a run."""
    return {*run.violated, *([DEADLOCKS] if run.deadlock else [])}


def _alone(run: Run, name: str) -> bool:
    """Let an actor run as far as it can; tell whether that comes to an end."""
    for _ in range(MOST_ALONE):
        if name not in run.enabled():
            return True
        run.step(name)
    return False


def _ask_when(
    space: Space, run: Run, pair: tuple[str, str], runs: list[Run], bad_state: str, rng: Random
) -> Question | None:
    one, other = pair
    breaks = [k for k, each in enumerate(runs) if bad_state in _went_wrong(each)]
    spares = [k for k, each in enumerate(runs) if bad_state not in _went_wrong(each)]
    if not breaks or len(spares) < 2:
        return None
    right = rng.choice(breaks)
    near = sorted(spares, key=lambda k: (abs(k - right), rng.random()))[: MOST_OPTIONS - 1]
    options = [
        Option(
            _after(one, runs[k], k),
            k == right,
            *_window_reason(space, runs[k], pair, k, bad_state),
        )
        for k in [right, *near]
    ]
    text = (
        f"{one} runs, and {other} interrupts it once: {other} runs as far as it can, then {one} as "
        f"far as it can, then {other} again. Where must {other} come in, so that this happens: "
        f"{_wrong(space.case, bad_state)}?"
    )
    return asked("line", run, text, options, rng)


def _after(one: str, run: Run, count: int) -> str:
    """Return when the interruption comes."""
    if not count:
        return f"Before {one}'s first step"
    frame = run.frames[count]
    return f"After {one}'s step {count}, {words(frame.label)}"


def _window_reason(
    space: Space, run: Run, pair: tuple[str, str], count: int, bad_state: str
) -> tuple[str, tuple[str, ...]]:
    """Return what happens if the interruption comes here; and the run."""
    one, other = pair
    frame = next((each for each in run.frames if bad_state in each.violated), None)
    if frame is not None:
        return (
            f"Step {frame.index} of this run, {frame.actor} {words(frame.label)}, violates it.",
            run.schedule[: frame.index],
        )
    if bad_state == DEADLOCKS and run.deadlock:
        waits = " ".join(
            f"{name}: {sentence(words(each.reason))}" for name, each in run.tip.blocked.items()
        )
        return f"No actor can step any more. {waits}", run.schedule
    after = run.frames[count]
    if other in after.blocked:
        return (
            f"{other} cannot step there: {sentence(words(after.blocked[other].reason))} So it "
            f"runs later, and {bad_state} does not happen.",
            run.schedule,
        )
    kept = run.frames[count + 1 :]
    stopped = next((each for each in kept if each.actor == one), None)
    before = run.frames[stopped.index - 1] if stopped is not None else run.tip
    if other in before.blocked:
        return (
            f"{other} comes in, and soon is blocked: "
            f"{sentence(words(before.blocked[other].reason))} Then {bad_state} does not happen.",
            run.schedule,
        )
    return (
        f"{other} has finished before {one} goes on, and then {bad_state} does not happen.",
        run.schedule,
    )
