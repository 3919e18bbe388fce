"""Who can take the next step, and who blocks whom since which step."""

from collections.abc import Iterator
from random import Random

from mmviz.engine.frame import Frame
from mmviz.engine.run import Run
from mmviz.engine.text import listed
from mmviz.lessons.question import Option, Question
from mmviz.lessons.questions_space import Space, asked, in_step, sentence, words

MOST_OPTIONS = 4
MOST_ALONE = 12  # steps of one actor while the others wait
MOST_VISITED = 5_000  # states in which it is looked whether an actor stays blocked
NOT_ONE = "None of them"


# -- who can take the next step --------------------------------------------------------------


def next_places(space: Space, rng: Random) -> Iterator[Run]:
    """Yield runs at whose end some actor is blocked, or no longer is."""
    freed = rng.random() < 0.25
    if freed and space.graph is not None:
        released = _released(space)
        if released:
            for number, actor in rng.sample(released, min(len(released), 20)):
                yield space.run((*space.graph.run_to(number), actor))
    yield from space.places("next", lambda state: bool(space.blocked(state)), rng)


def _released(space: Space) -> list[tuple[int, str]]:
    """Return (state, actor) of each move after which no actor is blocked that was before."""
    if "released" not in space.kept:
        assert space.graph is not None
        states = space.graph.states
        waits = [bool(space.blocked(state)) for state in states]
        space.kept["released"] = [
            (number, space.actors[move.actor])
            for number in range(len(states))
            if waits[number] and space.graph.depth(number) < 25
            for move in space.moves(number)
            if not waits[move.target]
        ]
    found: list[tuple[int, str]] = space.kept["released"]
    return found


def ask_next(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask who can take the next step; None where there is nothing to tell."""
    tip, model = run.tip, space.model
    if model.is_dead(tip.state):
        return None
    here = [name for name in space.actors if name not in space.environment and name in tip.next]
    can = tuple(name for name in here if name in tip.enabled)
    before = tip.before
    was = tuple(name for name in here if before is not None and name in before.enabled)
    waited = before is not None and any(
        name not in before.enabled and name in before.next for name in can
    )
    waits = any(_is_worth_asking(space, tip, name) for name in tip.blocked)
    if not here or not (waits or waited) or len(here) + (not can) < 2:
        return None
    chosen = [can, *_near(here, can, was, rng)]
    options = [
        Option(_set(each, here), each == can, *_next_reason(space, run, each, can))
        for each in chosen
    ]
    text = f"Which of {listed(here)} can take the next step now?"
    if len(here) == 1:
        text = f"Can {here[0]} take its next step now?"
    return asked("next", run, text, options, rng)


def _is_worth_asking(space: Space, tip: Frame, name: str) -> bool:
    """Tell whether a blocked actor has something to wait for: a device may only have no work."""
    is_device = name in space.case.daemons
    return name not in space.environment and (not is_device or bool(tip.blocked[name].by))


def _near(
    here: list[str], can: tuple[str, ...], was: tuple[str, ...], rng: Random
) -> list[tuple[str, ...]]:
    """Return wrong sets of actors, such that no actor is in all, or in none, of what is offered."""
    cannot = [name for name in here if name not in can]
    others = [name for name in can if name not in was] or list(can)
    waits = rng.choice([name for name in cannot if name in was] or cannot or [""])
    lost = rng.choice(others or [""])

    def but(*changed: str) -> tuple[str, ...]:
        return tuple(name for name in here if (name in can) != (name in changed))

    near = [but(waits), but(lost), but(waits, lost), was, but(*can), but(*cannot), but(*here)]
    near = [each for each in dict.fromkeys(near) if each != can]
    return near[: MOST_OPTIONS - 1]


def _set(names: tuple[str, ...], here: list[str]) -> str:
    if len(here) == 1:
        return "Yes" if names else "No"
    if not names:
        return NOT_ONE
    if len(names) == len(here):
        return "Both of them" if len(here) == 2 else "All of them"
    return f"Only {listed(names)}"


def _next_reason(
    space: Space, run: Run, names: tuple[str, ...], can: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return why these actors are, or are not, those that can step; and a run that shows it."""
    tip, schedule = run.tip, run.schedule
    cannot = [name for name in names if name not in can]
    if cannot:
        name = cannot[0]
        later = _until_it_can(space, run, name)
        return f"{name} cannot step: {why(tip, name)}", later or schedule
    left_out = [name for name in can if name not in names]
    if left_out:
        name = left_out[0]
        label = words(tip.next[name].label)
        return f"{name} can step, too: nothing blocks {label} now.", (*schedule, name)
    waits = _all_waits(space, tip)
    if not can:
        return f"This is a deadlock. {waits}", schedule
    verb = "can each take a step" if len(can) > 1 else "can take its step"
    steps = listed([f"{name} ({words(tip.next[name].label)})" for name in can])
    return f"{steps} {verb}. {waits}".strip(), (*schedule, can[0])


def _all_waits(space: Space, tip: Frame) -> str:
    """Return why each blocked actor is, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for name in tip.blocked:
        if name not in space.environment:
            reasons.setdefault(why(tip, name), []).append(name)
    return " ".join(f"{listed(names)} cannot: {reason}" for reason, names in reasons.items())


def _until_it_can(space: Space, run: Run, name: str) -> tuple[str, ...] | None:
    """Return the shortest run on from here in which a blocked actor takes its step at last."""
    if space.graph is None:
        return None
    p = space.model.index[name]
    states = space.graph.states
    here = space.number(run.tip)
    way = space.way(here, lambda n: space.model.successor(states[n], p) is not None)
    return None if way is None else (*run.schedule, *way, name)


def why(frame: Frame, name: str) -> str:
    """Return why an actor is blocked, in a sentence."""
    return sentence(words(frame.blocked[name].reason))


# -- who blocks whom -------------------------------------------------------------------------


def blocked_places(space: Space, rng: Random) -> Iterator[Run]:
    """Yield runs at whose end some actor is blocked."""
    yield from space.places("next", lambda state: bool(space.blocked(state)), rng)


def ask_blocked(space: Space, run: Run, rng: Random) -> Question | None:
    """Ask who blocks an actor, or how long; None where no actor is blocked."""
    waiting = [
        name
        for name in run.tip.blocked
        if _is_worth_asking(space, run.tip, name) and not space.model.is_dead(run.tip.state)
    ]
    rng.shuffle(waiting)
    waiting.sort(key=lambda name: name in space.case.daemons)  # they may wait for work
    asks = [_ask_holder, _ask_how_long]
    rng.shuffle(asks)
    return next(
        (found for ask in asks for name in waiting if (found := ask(space, run, name, rng))), None
    )


def _ask_holder(space: Space, run: Run, name: str, rng: Random) -> Question | None:
    """Ask who holds what an actor waits for, and since which step."""
    tip = run.tip
    blocked = tip.blocked[name]
    if "held by" not in blocked.reason or len(blocked.by) != 1 or blocked.by[0][0] == name:
        return None
    holder, since = blocked.by[0]
    if not _needs(space, run, name, holder):
        return None
    changed = _changing(space, run, name)
    pairs = [(f.actor, f.index) for f in run.frames[1:] if f.index not in changed]
    own = [pair for pair in pairs if pair[0] == holder and pair[1] != since]
    others = [pair for pair in pairs if pair[0] not in (holder, name, *space.environment)]
    rng.shuffle(own)
    rng.shuffle(others)
    near = [*own[:2], *others[:1], *[pair for pair in pairs if pair[0] == name][-1:]]
    if since and len(near) < MOST_OPTIONS - 1:
        near.append((holder, 0))
    near = [pair for pair in dict.fromkeys(near) if pair != (holder, since)][: MOST_OPTIONS - 1]
    if len(near) < 2:
        return None
    label = words(tip.next[name].label)
    options = [
        Option(
            f"{who}, {in_step(step)}",
            (who, step) == (holder, since),
            *_holder_reason(run, name, (who, step), (holder, since)),
        )
        for who, step in [(holder, since), *near]
    ]
    text = (
        f"{name} is blocked at {label}. Which actor holds what it waits for, and since which step?"
    )
    return asked("blocked", run, text, options, rng)


def _changing(space: Space, run: Run, name: str) -> set[int]:
    """Return the steps that changed a field at which the next step of an actor looks."""
    model, p = space.model, space.model.index[name]
    step = model.location(run.tip.state, p).step
    assert step is not None
    looked = [model.ledger.paths[slot] for slot in model.execute(run.tip.state, p, step).reads]
    return {
        frame.index
        for frame in run.frames[1:]
        if frame.before is not None
        and any(frame.values[path] != frame.before.values[path] for path in looked)
    }


def _needs(space: Space, run: Run, name: str, holder: str) -> bool:
    """Tell whether an actor stays blocked as long as another does not step."""
    model = space.model
    p, still = model.index[name], model.index[holder]
    others = [q for q in range(len(model.actors)) if q not in (p, still)]
    found = {run.tip.state}
    queue = [run.tip.state]
    for state in queue:
        if model.successor(state, p) is not None or len(found) > MOST_VISITED:
            return False
        for q in others:
            after = model.successor(state, q)
            if after is not None and after not in found:
                found.add(after)
                queue.append(after)
    return True


def _holder_reason(
    run: Run, name: str, said: tuple[str, int], truth: tuple[str, int]
) -> tuple[str, tuple[str, ...]]:
    """Return why an actor is, or is not, the one that holds it since a step; and a run."""
    (who, step), (holder, since) = said, truth
    frames, schedule = run.frames, run.schedule
    took = f"{holder} has held it from the start"
    if since:
        took = f"Step {since}, {holder} {words(frames[since].label)}, took it"
    if said == truth:
        kept = ", and it has not been given back since" if since else ""
        return f"{took}{kept}; so {name} waits at {words(run.tip.next[name].label)}.", schedule
    if who == name:
        return f"{name} is the one that waits, and it waits for {holder}. {took}.", schedule
    if who != holder:
        return f"{who} does not hold it, so {name} does not wait for {who}.", schedule
    if not step:
        return f"At the start {holder} did not hold it yet. {took}.", schedule
    label = words(frames[step].label)
    return f"Step {step}, {who} {label}, is not the one. {took}.", schedule[:step]


def _ask_how_long(space: Space, run: Run, name: str, rng: Random) -> Question | None:
    """Ask after how many steps of another actor a blocked one can go on."""
    p = space.model.index[name]
    able = [other for other in run.tip.enabled if other not in space.environment]
    rng.shuffle(able)
    for other in able:
        taken, lets = _alone(space, run, other, p)
        if lets is None and taken < 2:
            continue
        label = words(run.tip.next[name].label)
        counts: list[int | None] = [
            n for n in range(1, taken + 1) if n != lets and (lets is None or abs(n - lets) < 4)
        ]
        rng.shuffle(counts)
        counts = [*counts[: MOST_OPTIONS - 2], *([None] if lets is not None else [])]
        if not counts or (lets == taken == 1):
            continue
        options = [
            Option(_steps(other, n), n == lets, *_alone_reason(space, run, other, name, n, lets))
            for n in [lets, *counts]
        ]
        text = (
            f"{name} is blocked at {label}. Only {other} goes on now. After which of {other}'s "
            f"next steps can {name} go on for the first time?"
        )
        return asked("blocked", run, text, options, rng)
    return None


ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def _steps(actor: str, count: int | None) -> str:
    if count is None:
        return "Not while the others wait"
    return f"Its {ORDINALS[count]}" if count < len(ORDINALS) else f"Its {count}th"


def _alone(space: Space, run: Run, other: str, p: int) -> tuple[int, int | None]:
    """Return how many steps an actor can take alone, and after which of them `p` can step."""
    alone = run.fork()
    lets = None
    for n in range(1, MOST_ALONE + 1):
        if other not in alone.enabled():
            return n - 1, lets
        alone.step(other)
        if lets is None and space.model.successor(alone.tip.state, p) is not None:
            lets = n
        if lets is not None and n > lets + 1:
            return n, lets
    return (MOST_ALONE, lets) if lets is not None else (0, None)  # it may still come


def _alone_reason(
    space: Space, run: Run, other: str, name: str, count: int | None, lets: int | None
) -> tuple[str, tuple[str, ...]]:
    """Return why a blocked actor can, or cannot, go on after some steps; and a run."""
    p = space.model.index[name]
    taken, _ = _alone(space, run, other, p)
    ahead = run.fork()
    for _ in range(taken if count is None else count):
        ahead.step(other)
    step, label = ahead.tip.index, words(ahead.tip.label)
    if count == lets:
        if count is None:
            end = "has finished" if other in ahead.tip.done else "cannot go on itself"
            return f"{other} {end} after step {step}, and then: {why(ahead.tip, name)}", (
                ahead.schedule
            )
        return (
            f"Step {step}, {other} {label}, lets {name} go on with "
            f"{words(run.tip.next[name].label)}.",
            (*ahead.schedule, name),
        )
    if count is None:
        assert lets is not None
        for _ in range(taken - lets):
            ahead.undo()
        step, label = ahead.tip.index, words(ahead.tip.label)
        return f"Step {step}, {other} {label}, lets {name} go on.", (*ahead.schedule, name)
    if lets is not None and count > lets:
        for _ in range(count - lets):
            ahead.undo()
        step, label = ahead.tip.index, words(ahead.tip.label)
        return (
            f"{name} can go on earlier: step {step}, {other} {label}, lets it.",
            (*ahead.schedule, name),
        )
    return (
        f"After step {step}, {other} {label}, {name} is still blocked: {why(ahead.tip, name)}",
        ahead.schedule,
    )
