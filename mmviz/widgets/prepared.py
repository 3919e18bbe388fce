"""What a stage shows of a case: its views, and the film that the browser plays."""

from collections.abc import Iterable, Sequence
from typing import Any

from mmviz.engine import Run
from mmviz.engine.condition import Holds
from mmviz.scene.film import Film
from mmviz.scene.film import as_json as as_text
from mmviz.scene.goalfilm import OWN, GoalFilm
from mmviz.scene.memory import Memory, memory
from mmviz.scene.sealed import SealedFilm
from mmviz.scene.searched import SearchedCase
from mmviz.scene.tips import tips
from mmviz.scene.views import FIRST, TITLES, VIEWS, View, every
from mmviz.widgets.kept import Kept

Numbers = tuple[int, ...]


class Prepared:
    """A searched case, its views, and its film.

    Args:
        searched: the case.
        runs: schedules that the film of a large case has from the start.
        own_goal: whether a packed state is a goal of the reader's own, None for no such goal.

    Attributes:
        searched: the case.
        views: each view that has something to show of the case, by name.
        film: the states and moves, with their pictures.
        game: the goal of a `Driver`, as the browser has it; None for a `Player`.
        kept: keeps the runs tried; None before the first.
        is_sealed: a question is asked, and what comes next is not to be told.
    """

    game: dict[str, Any] | None = None
    kept: Kept | None = None
    is_sealed = False

    def __init__(
        self,
        searched: SearchedCase,
        runs: Iterable[Sequence[str]],
        own_goal: Holds | None = None,
    ) -> None:
        self.searched = searched
        self.views: dict[str, View] = self._seen()
        memory = self.views[FIRST]
        assert isinstance(memory, Memory)
        self.film = self._filmed(memory, own_goal)
        there = self.views
        titles = TITLES | {name: view.title for name, view in there.items()}
        self.film.views = [{"name": n, "title": t, "there": n in there} for n, t in titles.items()]
        if not self.film.whole():
            for schedule in runs:
                self.film.along(schedule)
        self.film.piece()  # the first one travels as a trait
        self._tips = self._told()
        self._run: tuple[Numbers | None, Run] = (None, searched.run())

    def _seen(self) -> dict[str, View]:
        return every(self.searched)

    def _filmed(self, memory: Memory, own_goal: Holds | None) -> Film:
        if own_goal is None:
            return Film(self.searched, memory)
        return GoalFilm(self.searched, memory, own_goal)

    def _told(self) -> dict[str, str]:
        return tips(self.searched.reach, self.searched.case, self.views.values())

    def first_piece(self) -> str:
        """Return the whole film as JSON."""
        whole = self.film.everything()
        return as_text(whole | {"head": self._completed(whole["head"])})

    def piece(self) -> dict[str, Any]:
        """Return what the film has gained since the last piece."""
        found = self.film.piece()
        return found | {"head": self._completed(found["head"])} if "head" in found else found

    def _completed(self, head: dict[str, Any]) -> dict[str, Any]:
        """Add a sentence for each key of marks, and which bad state is only a goal."""
        bads = [bad | {"goal": True} if bad["name"] == OWN else bad for bad in head["bads"]]
        return head | {"tips": self._tips, "bads": bads}

    @property
    def paths(self) -> list[str]:
        """The path of each field of the film, in the order of their numbers."""
        ledger = self.searched.model.ledger
        return [ledger.paths[slot] for slot in self.film.rows.slots]

    def numbers(self, schedule: Iterable[str]) -> Numbers:
        """Return a schedule as the browser has it: the numbers of its actors."""
        index = self.searched.model.index
        return tuple(index[actor] for actor in schedule)

    def names(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Return the actors of a schedule."""
        actors = self.searched.model.actors
        return tuple(actors[number] for number in numbers)

    def run(self, numbers: Sequence[int]) -> Run:
        """Return the run of a schedule.

        Raises:
            ScheduleError: a step is not possible; the message says which, and why.
        """
        wanted = tuple(numbers)
        if self._run[0] != wanted:
            self._run = (wanted, self.searched.run(self.names(wanted)))
        return self._run[1]


class Sealed(Prepared):
    """What a stage shows beside a question: its run up to there, in memory only.

    Args:
        searched: the case.
        schedule: the run up to the question.
    """

    is_sealed = True

    def __init__(self, searched: SearchedCase, schedule: Sequence[str]) -> None:
        self._upto = tuple(schedule)
        super().__init__(searched, [])

    def _seen(self) -> dict[str, View]:
        drawn = memory(self.searched)
        return {FIRST: drawn}

    def _filmed(self, drawn: Memory, own_goal: Holds | None) -> Film:
        return SealedFilm(self.searched, drawn, self._upto)

    def _told(self) -> dict[str, str]:
        return {}


assert set(TITLES) == set(VIEWS)
