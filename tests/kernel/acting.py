"""A world and some actors, made into a run."""

from mmviz.engine import Case, replay


def act(world, schedule, **actors):
    """Return the run of `schedule`; each actor is an `async def` function of the world."""
    case = Case(name="Small", id="-", title="small", world=world, actors=actors, bad=(), expect={})
    return replay(case, schedule)


def steps(*names):
    """Return an actor that does one step after the other, `"lock.spin_lock"` from the world."""

    async def actor(k):
        for name in names:
            *path, method = name.split(".")
            at = k
            for part in path:
                at = getattr(at, part)
            await getattr(at, method)()

    return actor
