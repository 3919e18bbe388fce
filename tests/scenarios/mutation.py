"""Leave lines out of an actor, and see what breaks."""

import dataclasses

from mmviz.engine import Verdict


def without(actor, *lines, answer=None):
    """Return the actor with some of its steps left out; it hears `answer` in their place."""

    async def mutated(k):
        code, heard = actor(k), None
        while True:
            try:
                step = code.send(heard)
            except StopIteration:
                return
            heard = answer if step.body.__name__ in lines else await step

    return mutated


def mutant(case, name, *lines, answer=None, extra=None):
    """Return a case in which an actor forgets some lines; `extra` is one more bad state."""
    actors = {**case.actors, name: without(case.actors[name], *lines, answer=answer)}
    if extra is None:
        return dataclasses.replace(case, actors=actors)
    expect = {**case.expect, extra.__name__: Verdict.NEVER}
    return dataclasses.replace(case, actors=actors, bad=(*case.bad, extra), expect=expect)


def breaks(report):
    """Return the properties that break though the case declares Never; stuck and livelock too."""
    found = {prop for prop, verdict in report.verdicts.items() if verdict != Verdict.NEVER}
    found -= {prop for prop, verdict in report.case.expect.items() if verdict != Verdict.NEVER}
    found |= {"stuck"} if report.stuck else set()
    return found | ({"livelock"} if report.livelock else set())
