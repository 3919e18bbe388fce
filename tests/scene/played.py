"""Cases with the first run that a stage offers, drawn in every view."""

import functools
from functools import cache

from mmviz.scenarios import find, load
from mmviz.scene.searched import SearchedCase
from mmviz.scene.views import VIEWS, every


class Played:
    """The first run of a case, drawn once in each view for all tests.

    Attributes:
        case, searched, run: the case and its first run.
        views: every view of the case, by name.
        scenes, texts: the scenes and texts of each view, frame by frame.
    """

    def __init__(self, case):
        self.case, self.searched = case, SearchedCase(case)
        self.run = first_run(self.searched)
        self.views = every(self.searched)
        steps = range(len(self.run.frames))
        self.scenes, self.texts = {}, {}
        for name, view in self.views.items():
            self.scenes[name] = [view.scene(self.run, k) for k in steps]
            self.texts[name] = [view.text(self.run, k) for k in steps]

    def frames(self, name):
        """Return (frame, scene, text) for each frame in a view; none if the case lacks the view."""
        assert name in VIEWS
        if name not in self.views:
            return []
        return list(zip(self.run.frames, self.scenes[name], self.texts[name], strict=True))


def of_each_case(check):
    """Return a test that runs a check on every case of a scenario; a failure names the case."""

    @functools.wraps(check)
    def test(played):
        for each in played:
            try:
                check(each)
            except AssertionError as failure:
                failure.add_note(f"in {each.case.scenario}:{each.case.name}")
                raise

    return test


def first_run(searched):
    return searched.run(next(iter(searched.runs().values())))


@cache
def searched_case(scenario, name=""):
    """Search a case, by default the first of its scenario, once for all tests."""
    return SearchedCase(find(scenario, name) if name else load(scenario).cases[0])


@cache
def shown(view, scenario, name=""):
    """Return a view of a case, and the first run of the case."""
    searched = searched_case(scenario, name)
    return VIEWS[view](searched), first_run(searched)
