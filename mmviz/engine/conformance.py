"""Checks that a scenario's actors obey the engine's rules, by random walks."""

import random

from mmviz.engine.case import Case
from mmviz.engine.errors import BadMark
from mmviz.engine.learn import Model
from mmviz.engine.step import Step


def walk(case: Case, walks: int = 50, steps: int = 200, seed: int = 0) -> int:
    """Walk at random through the learned model, with each actor's real code beside it.

    A mark that forgets a value the actor still needs merges two locations; then the code
    sooner or later asks for another step than the model predicts.

    Args:
        case: what to walk in.
        walks: how many runs.
        steps: how long a run may get.
        seed: of the random numbers.

    Returns:
        The number of steps compared.

    Raises:
        BadMark: code and model disagree.
    """
    dice, model, compared = random.Random(seed), Model(case), 0
    for _ in range(walks):
        state = model.start
        code = [case.actors[name](model.world) for name in model.actors]
        wants = [_resume(each, None) for each in code]
        for _ in range(steps):
            movers = [p for p in range(len(code)) if model.successor(state, p) is not None]
            if not movers:
                break
            p = dice.choice(movers)
            step = model.location(state, p).step
            assert step is not None
            got = wants[p]
            if got is None or got.signature != step.signature:
                raise BadMark(
                    f"{case.name}: {model.actors[p]} wants {got.label if got else 'to end'}, but "
                    f"the model has {step.label} there. A mark() before it leaves out a value "
                    "that the code below still uses; add it to the mark."
                )
            answer = model.execute(state, p, step).answer
            after = model.successor(state, p)
            assert after is not None
            state = after
            if not model.is_dead(state):
                wants[p] = _resume(code[p], answer)
            compared += 1
        for each in code:
            each.close()
    return compared


def _resume(code: object, answer: object) -> Step[object] | None:
    """Send an actor a result; return the step it asks for next, None when it has finished."""
    try:
        wants: Step[object] = code.send(answer)  # type: ignore[attr-defined]
    except StopIteration:
        return None
    return wants
