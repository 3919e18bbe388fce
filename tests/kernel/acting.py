"""A run made from a world and some actors."""

from mmviz.engine import Case, replay


def act(world, schedule, **actors):
    """Return the run of `schedule`; each actor is an `async def` function of the world."""
    case = Case(name="Small", id="-", title="small", world=world, actors=actors, bad=(), expect={})
    return replay(case, schedule)


def steps(*names):
    """Return an actor that takes the named steps of the world in order, `"lock.spin_lock"`."""

    async def actor(k):
        for name in names:
            *path, method = name.split(".")
            at = k
            for part in path:
                at = getattr(at, part)
            await getattr(at, method)()

    return actor
