"""What a field will hold, and what a read will return."""

from collections.abc import Iterator
from random import Random
from typing import Any

from mmviz.engine.bits import token
from mmviz.engine.frame import Frame
from mmviz.engine.location import Location
from mmviz.engine.run import Run
from mmviz.engine.situation import place
from mmviz.engine.text import spoken
from mmviz.lessons.question import Option, Question
from mmviz.lessons.questions_space import Space, asked, fits, says, sentence, words

MOST_OPTIONS = 4
FEWEST, MOST_ALONE = 2, 5  # steps that an actor takes alone, until a field is asked about


def value_places(space: Space, rng: Random) -> Iterator[Run]:
    """Yield runs after which a step's effect depends on what the others have done."""
    if space.graph is None:
        yield from space.places("value", lambda state: bool(space.enabled(state)), rng)
        return
    yield from space.places("value", _depending(space)[0].__contains__, rng)


Here = tuple[int, int]  # an actor and its location


def _depending(space: Space) -> tuple[set[int], dict[Here, set[int]]]:
    """Return where a step does not always do the same, and which fields it changes somewhere.

    The same step of the same actor, at the same location: what differs is what others have done.
    """
    if "depending" not in space.kept:
        space.kept["depending"] = _found_depending(space)
    found: tuple[set[int], dict[Here, set[int]]] = space.kept["depending"]
    return found


def _found_depending(space: Space) -> tuple[set[int], dict[Here, set[int]]]:
    assert space.graph is not None
    graph, model = space.graph, space.model
    outcomes: dict[Here, dict[tuple[Any, ...], list[int]]] = {}
    changes: dict[Here, set[int]] = {}
    for number, state in enumerate(graph.states):
        for move in space.moves(number):
            after, p = graph.states[move.target], move.actor
            wrote = tuple(
                (slot, space.shown(after, slot)) for slot in _changed(space, state, after)
            )
            here = p, place(model, state, p)
            changes.setdefault(here, set()).update(slot for slot, _ in wrote)
            known = outcomes.setdefault(here, {})
            known.setdefault((place(model, after, p), wrote), []).append(state)
    found = {
        state
        for different in outcomes.values()
        if len(different) > 1
        for states in different.values()
        for state in states
    }
    return found or set(graph.states), changes


def ask_value(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask what a field will hold, or a step return; None where nothing is to be told."""
    asks = [_ask_answer, _ask_after_one, _ask_after_some]
    rng.shuffle(asks)
    movers = [name for name in run.tip.enabled if name not in space.environment]
    rng.shuffle(movers)
    return next(
        (found for ask in asks for name in movers if (found := ask(space, run, name, rng))), None
    )


# -- what a step returns ---------------------------------------------------------------------


def _ask_answer(space: Space, run: Run, name: str, rng: Random) -> Question | None:
    """Ask what the next step of an actor returns."""
    model, p = space.model, space.model.index[name]
    location = model.location(run.tip.state, p)
    frame = _stepped(run, name)
    if frame.complaints or model.is_dead(frame.state):
        return None
    known = {
        token(each.answer): each.answer
        for each in model.locations[p].values()
        if each.parent is location
    } | {key: _answer_of(key) for key in location.nexts}
    known[token(frame.answer)] = frame.answer
    texts = dict.fromkeys(spoken(each) for each in known.values() if each is not UNTOLD)
    right = spoken(frame.answer)
    others = [text for text in texts if text != right and fits(text)]
    label = words(run.tip.next[name].label)
    if not others or not fits(right) or says(label, right):
        return None
    rng.shuffle(others)
    looked = _looked(space, run, frame)
    options = [Option(right, True, f"{label} returns {right}{looked}.", (*run.schedule, name))]
    options += [
        Option(
            each,
            False,
            f"In another run {label} may return {each}; here it returns {right}{looked}.",
            _elsewhere(space, p, location, each) or (*run.schedule, name),
        )
        for each in others[: MOST_OPTIONS - 1]
    ]
    return asked("value", run, f"What does {name}'s next step, {label}, return?", options, rng)


UNTOLD: Any = object()


def _answer_of(key: Any) -> Any:
    """Return the answer of a token, where the token shows it."""
    kind, plain = key
    return plain if kind in (bool, int, str) else None if kind is type(None) else UNTOLD


def _looked(space: Space, run: Run, frame: Frame) -> str:
    """Return what a step has read, for the end of a sentence."""
    held, told = run.tip.values, set(space.told.values())
    read = [f"{path} = {spoken(held[path])}" for path in frame.reads if path in told][:2]
    return f": it reads {' and '.join(read)}" if read else ""


def _elsewhere(space: Space, p: int, location: Location, answer: str) -> tuple[str, ...] | None:
    """Return a shortest run in which the same step returns another answer."""
    if space.graph is None or location.step is None:
        return None
    model = space.model
    for number, state in enumerate(space.graph.states):
        if model.location(state, p) is not location or model.successor(state, p) is None:
            continue
        if spoken(model.execute(state, p, location.step).answer) == answer:
            return (*space.graph.run_to(number), model.actors[p])
    return None


def _stepped(run: Run, name: str) -> Frame:
    """Return the frame after one more step, without taking it in the run."""
    ahead = run.fork()
    return ahead.step(name)


# -- what a field holds ----------------------------------------------------------------------


def _ask_after_one(space: Space, run: Run, name: str, rng: Random) -> Question | None:
    """Ask what a field holds after an actor's next step."""
    ahead = run.fork()
    ahead.step(name)
    if space.model.is_dead(ahead.tip.state):
        return None
    label = words(run.tip.next[name].label)
    slots = set(_changed(space, run.tip.state, ahead.tip.state))
    if space.graph is not None:  # a field that the step changes in other runs is asked about, too
        p = space.model.index[name]
        slots |= _depending(space)[1].get((p, place(space.model, run.tip.state, p)), set())
    for slot in rng.sample(sorted(slots), len(slots)):
        text = f"What does {space.told[slot]} hold after {name}'s next step, {label}?"
        if found := _ask_field(space, run, ahead, slot, text, rng):
            return found
    return None


def _ask_after_some(space: Space, run: Run, name: str, rng: Random) -> Question | None:
    """Ask what a field holds after some steps of an actor, while the others wait."""
    ahead, most = run.fork(), rng.randint(FEWEST, MOST_ALONE)
    seen: set[int] = set()
    while ahead.tip.index - run.tip.index < most and name in ahead.enabled():
        before = ahead.tip
        ahead.step(name)
        seen.update(_changed(space, before.state, ahead.tip.state))
    count = ahead.tip.index - run.tip.index
    if count < FEWEST or space.model.is_dead(ahead.tip.state):
        return None
    slots = sorted(seen)
    rng.shuffle(slots)
    for slot in slots:
        text = (
            f"{name} takes its next {count} steps, and no other actor steps. "
            f"What does {space.told[slot]} hold then?"
        )
        if found := _ask_field(space, run, ahead, slot, text, rng):
            return found
    return None


def _changed(space: Space, before: int, after: int) -> list[int]:
    """Return the fields that may be told whose value differs in two packed states."""
    texts = space.texts(list(space.told))
    held = zip(space.told, texts.of(before), texts.of(after), strict=True)
    return [slot for slot, was, now in held if was != now]


def _ask_field(
    space: Space, run: Run, ahead: Run, slot: int, text: str, rng: Random
) -> Question | None:
    """Ask what a field holds at the end of a run that goes on from here."""
    right = space.shown(ahead.tip.state, slot)
    held = [space.shown(frame.state, slot) for frame in ahead.tip.back()]  # latest first
    others = [each for each in dict.fromkeys(held) if each != right and fits(each)]
    sibling = [each for each in space.values(slot) if each not in (right, *others) and fits(each)]
    rng.shuffle(sibling)
    others = [*others[:2], *sibling, *others[2:]][: MOST_OPTIONS - 1]
    if not others or not fits(right) or says(text, right):
        return None
    options = [Option(right, True, _right_reason(space, run, ahead, slot), ahead.schedule)]
    options += [Option(each, False, *_wrong_reason(space, ahead, slot, each)) for each in others]
    return asked("value", run, text, options, rng)


def _last_change(space: Space, run: Run, slot: int, most: int | None = None) -> Frame | None:
    """Return the latest frame of a run, up to step `most`, whose step changed a field."""
    for frame in run.tip.back():
        if (most is None or frame.index <= most) and _changes(space, frame, slot):
            return frame
    return None


def _changes(space: Space, frame: Frame, slot: int) -> bool:
    """Tell whether the step of a frame changed a field."""
    before = frame.before
    return before is not None and space.shown(before.state, slot) != space.shown(frame.state, slot)


def _right_reason(space: Space, run: Run, ahead: Run, slot: int) -> str:
    """Return which step gave a field its value."""
    path, now = space.told[slot], space.shown(ahead.tip.state, slot)
    last = _last_change(space, ahead, slot)
    if last is None:
        return f"In this run no step has changed {path}: it is {now} from the start."
    if last.index <= run.tip.index:
        by = f"step {last.index}, {last.actor} {words(last.label)}"
        return f"In this run nothing changes it now: it is {now} since {by}."
    assert last.before is not None
    old = space.shown(last.before.state, slot)
    does = f" {sentence(last.doc)}" if last.doc else ""
    return f"Step {last.index}, {last.actor} {words(last.label)}, changes it: {old} -> {now}.{does}"


def _wrong_reason(space: Space, ahead: Run, slot: int, said: str) -> tuple[str, tuple[str, ...]]:
    """Return when a field has, or would have, another value; and a run in which it has it."""
    right = space.shown(ahead.tip.state, slot)
    for frame in ahead.tip.back():
        if space.shown(frame.state, slot) == said:
            until = _change_after(space, ahead, slot, frame.index)
            since = _last_change(space, ahead, slot, frame.index)
            gave = (
                "from the start"
                if since is None
                else f"after step {since.index}, {since.actor} {words(since.label)}"
            )
            return (
                f"It is {said} {gave}; step {until.index}, {until.actor} {words(until.label)}, "
                f"changes it.",
                ahead.schedule[: frame.index],
            )
    other = _state_with(space, slot, said)
    if other is None:
        return f"Other runs give it {said}; this one gives it {right}.", ahead.schedule
    shown = space.run(other)
    last = shown.tip
    return (
        f"It is {said} in another run, after {last.actor} {words(last.label)}; here it is {right}.",
        other,
    )


def _change_after(space: Space, run: Run, slot: int, index: int) -> Frame:
    """Return the first frame after step `index` whose step changed a field."""
    return next(frame for frame in run.frames[index + 1 :] if _changes(space, frame, slot))


def _state_with(space: Space, slot: int, said: str) -> tuple[str, ...] | None:
    """Return a shortest run to a state in which a field has a value; None where none is known."""
    if space.graph is None:
        return None
    states = enumerate(space.graph.states)
    found = next((n for n, state in states if space.shown(state, slot) == said), None)
    return None if not found else space.graph.run_to(found)
