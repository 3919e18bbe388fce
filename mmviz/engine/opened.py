"""Atomicity as a dial: a step opened into its loads and its stores.

    mmviz.opened(case, "get")  # the case in which get() is two steps

The first of the two steps evaluates the guard, reads, and computes; nothing is written yet. The
second writes what was computed. Other actors may run between them, so the second may write what is
no longer right. A step that writes nothing stays one step.

All loads are one step, and all stores are one step: a word that is written in halves, or two stores
that others see in another order, are not shown. Of a lock this is a lock that two actors can take.
"""

from dataclasses import replace

from mmviz.engine.case import Case, nearest
from mmviz.engine.errors import ModelError
from mmviz.engine.search import MAX_BYTES, MAX_STATES, Search
from mmviz.engine.text import expected

MOST_STEPS = 20  # that are opened at once


def opened(case: Case, *steps: str) -> Case:
    """Return a case in which each of these steps is a load and a store.

    Args:
        case: the case.
        steps: names of its steps, "get" for `await k.page.get()`.

    Returns:
        A case like any other. Its verdicts are declared where the race says so with `Race.dial`.

    Raises:
        UnknownName: no actor takes a step of that name; the nearest is suggested.
        MmvizError: it is not a case.
        ModelError: no step is named.
    """
    expected(case, Case, "what is opened", "write mmviz.find('thread/race', 'NameOfTheCase')")
    if not steps or len(steps) > MOST_STEPS:
        raise ModelError(
            f"{case.name}: name 1 to {MOST_STEPS} steps to open, mmviz.opened(case, 'get'); the "
            f"steps are {', '.join(steps_of(case))}"
        )
    known = {name: name for name in steps_of(case)}
    names = tuple(dict.fromkeys(nearest(known, each, "step") for each in steps))
    said = next((each for each in case.dials if set(each.steps) == set(names)), None)
    title = f"{', '.join(f'{name}()' for name in names)} as load and store"
    made = replace(
        case,
        name=f"{case.name}: {title}",
        id="",
        note=said.why if said else "",
        opens=(*case.opens, *names),
        closed=case,
        dials=(),
        expect=dict(said.expect) if said else {},
        deadlock=bool(said and said.deadlock),
        livelock=bool(said and said.livelock),
        states=0,
        schedules={},
        interchangeable=(),
        declares=said is not None,
    )
    from mmviz.engine.scenario import scenario_of  # which is made of cases

    (alone,) = replace(scenario_of(case), cases=(made,))
    assert isinstance(alone, Case)
    return alone


def steps_of(case: Case) -> list[str]:
    """Return the names of the steps that some run of a case takes, in the order of its code."""
    model = Search(case, MAX_STATES, MAX_BYTES, None, None).model
    found = dict.fromkeys(
        each.step.body.__name__
        for locations in model.locations
        for each in locations.values()
        if each.step is not None and each.step.cite != "environment"
    )
    return list(found)
