"""Cases on a stage: the first run that a stage offers, and what the views show of it."""

from functools import cache

from mmviz.scenarios import find, load
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.views import VIEWS, every


class Played:
    """The first run of a case, drawn once in each view for all who look at it.

    Attributes:
        case, rehearsal, run: what is played.
        views: every view that has something to show of the case, by name.
        scenes, texts: what each view draws and says of each frame.
    """

    def __init__(self, case):
        self.case, self.rehearsal = case, Rehearsal(case)
        self.run = first_run(self.rehearsal)
        self.views = every(self.rehearsal)
        steps = range(len(self.run.frames))
        self.scenes, self.texts = {}, {}
        for name, view in self.views.items():
            self.scenes[name] = [view.scene(self.run, k) for k in steps]
            self.texts[name] = [view.text(self.run, k) for k in steps]

    def frames(self, name):
        """Return (frame, scene, text) for each frame in a view; none if it has nothing to show."""
        assert name in VIEWS
        if name not in self.views:
            return []
        return list(zip(self.run.frames, self.scenes[name], self.texts[name], strict=True))


def first_run(rehearsal):
    return rehearsal.run(next(iter(rehearsal.runs().values())))


@cache
def rehearsed(scenario, name=""):
    """Search a case through, of a scenario alone its first, once for all who look at it."""
    return Rehearsal(find(scenario, name) if name else load(scenario).cases[0])


@cache
def shown(view, scenario, name=""):
    """Return a view of a case, and the first run of the case."""
    rehearsal = rehearsed(scenario, name)
    return VIEWS[view](rehearsal), first_run(rehearsal)
