"""The film of a case: its states and moves with their pictures, as tables for the browser.

All tables only grow, and numbers in them point into other tables, so what the browser has stays
valid. `piece()` returns what has been added since the last piece.

A case of few states is filmed whole. Of a larger one the film has the states along the runs that
it was asked for, each *opened*: with all its moves and the states that they lead to.
"""

import json
from collections.abc import Iterable
from typing import Any

from mmviz.engine import Graph, ScheduleError
from mmviz.engine.explore import uncollected
from mmviz.engine.scenario import scenario_of
from mmviz.engine.text import printable
from mmviz.scene.film_rows import Memory, Rows
from mmviz.scene.keyed import HIGH, WIDE
from mmviz.scene.searched import SearchedCase
from mmviz.scene.words import goal, readable

MOST = 2_000  # states of a case that is filmed whole
MOST_FATES = 300_000  # states of a case whose fates are found
FATES_AT_ONCE = 20_000  # states of a case whose fates are found without being asked for
NO_FATE = "0"


class Film:
    """The graph of a searched case as tables.

    Args:
        searched: the case.
        memory: its picture of memory; None for a film without pictures.
        most: a case of at most so many states is filmed whole.

    Attributes:
        tables: name -> rows, as described in the module's film format.
        complete: every state is there and opened.
        numbers: packed state -> its number in the film.
        packed: the packed state of each number.
        made_of: the class of its rows.
        views: what the head says of the other views; set before the first piece is taken.
    """

    made_of: type[Rows] = Rows

    def __init__(
        self, searched: SearchedCase, memory: Memory | None = None, most: int = MOST
    ) -> None:
        self.searched, self.model, self.most = searched, searched.model, most
        self.rows = self.made_of(searched, memory)
        self.graph: dict[str, list[Any]] = {"states": [], "moves": [], "opened": [], "fates": []}
        self.tables = self.rows.tables | self.graph
        self.numbers: dict[int, int] = {}
        self.packed: list[int] = []
        self.views: list[dict[str, Any]] = []
        self.complete = False
        self._sent = dict.fromkeys(self.tables, 0)
        self._told: tuple[int, bool] | None = None  # what of the head can change, as it was sent
        self._opened: set[int] = set()
        self._whole_graph: Graph | None = None
        self._number(self.model.start)

    # -- what is filmed --------------------------------------------------------------------

    def whole(self) -> bool:
        """Film every state, if the case has at most `most`; tell whether that is so."""
        report = self.searched.report
        if report.cut or report.states > self.most:
            return False
        with uncollected():
            for number in range(self.most):
                if number >= len(self.packed):
                    break
                self.open(number)
        self.complete = len(self._opened) == len(self.packed)
        return self.complete

    def open(self, number: int) -> None:
        """Film all moves from a state, and the states that they lead to.

        Raises:
            IndexError: the film has no state of that number.
        """
        if number in self._opened:
            return
        if not 0 <= number < len(self.packed):
            raise IndexError(f"the film has no state {number}: it has 0 to {len(self.packed) - 1}")
        self._opened.add(number)
        model, state, moves = self.model, self.packed[number], self.tables["moves"]
        if not model.is_dead(state):
            for p in range(len(model.actors)):
                after = model.successor(state, p)
                if after is not None:
                    moves.append([number, p, self._number(after), *self.rows.deed(state, p)])
        self.tables["opened"].append(number)

    def along(self, schedule: Iterable[str]) -> list[int]:
        """Film the states of a run, each opened, and return their numbers.

        Raises:
            ScheduleError: a step is not possible; the message says which, and why.
        """
        model, steps = self.model, tuple(schedule)
        state, found = model.start, [0]
        self.open(0)
        for actor in steps:
            p = model.index.get(actor)
            after = None if p is None else model.successor(state, p)
            if after is None:
                self.searched.run(steps)
                raise ScheduleError(f"{actor} cannot step here")
            state = after
            found.append(self._number(state))
            self.open(found[-1])
        return found

    def _number(self, state: int) -> int:
        """Return the number of a packed state, filming it if it is new."""
        known = self.numbers.get(state)
        if known is None:
            known = self.numbers[state] = len(self.packed)
            self.packed.append(state)
            self.tables["states"].append(self.rows.state(state))
        return known

    # -- fates -----------------------------------------------------------------------------

    def find_fates(self) -> None:
        """Tell of each state in the film whether each bad state can, must or cannot happen.

        Of a case with more than `MOST_FATES` states they stay unknown.
        """
        report = self.searched.report
        if report.cut or report.states > MOST_FATES:
            return
        if self._whole_graph is None:
            self._whole_graph = Graph(self.searched.case, MOST_FATES, model=self.model)
        graph = self._whole_graph
        ever = set(report.counterexamples)
        columns = [graph.fate(name) if name in ever else None for name in self.rows.bads]
        fates = self.tables["fates"]
        for number in range(len(fates), len(self.packed)):
            at = graph.index[self.packed[number]]
            text = "".join(NO_FATE if each is None else str(each[at]) for each in columns)
            fates.append([number, text])

    # -- for the browser -------------------------------------------------------------------

    def head(self) -> dict[str, Any]:
        """Return what is true of the whole case."""
        case, model, rows = self.searched.case, self.model, self.rows
        scenario, doubt = scenario_of(case), self.searched.report.doubt
        bad = ", ".join(map(readable, case.bad_states))
        kept = printable(case.promise or scenario.promise)
        kept = kept or (f"No bad state occurs: {bad}" if bad else "Every actor finishes.")
        width, height = rows.memory.size if rows.memory is not None else (0, 0)
        return {
            "race": case.scenario or case.name,
            "case": case.name,
            "title": printable(scenario.title),
            "subtitle": printable(case.title),
            "memory": printable(case.memory_model),
            "limits": printable(scenario.simplified or case.note or "The case does not say."),
            "promise": f"{kept.rstrip('.')}. Not decided: {doubt}." if doubt else kept,
            "kept": kept,
            "claims": not case.is_drawing,
            "goal": goal(case),
            "actors": list(model.actors),
            "devices": [name in case.daemons for name in model.actors],
            "environment": [name in case.environment for name in model.actors],
            "fields": [model.ledger.paths[slot] for slot in rows.slots],
            "bads": [
                {"name": name, "words": readable(name), "sentence": case.sentence(name)}
                for name in rows.bads
            ],
            "views": self.views,
            "columns": [{"rows": [row.plain for row in each.rows]} for each in rows.columns],
            "complete": self.complete,
            "most": self.most,
            "size": [round(width * WIDE, 1), round(height * HIGH, 1)],
        }

    def piece(self) -> dict[str, Any]:
        """Return the rows added since the last piece.

        The head comes with the first piece, and with a later one if it has changed.
        """
        self._find_fates_at_once()
        tables, start = {}, {}
        for name, rows in self.tables.items():
            sent = self._sent[name]
            if len(rows) > sent:
                tables[name], start[name] = rows[sent:], sent
                self._sent[name] = len(rows)
        found: dict[str, Any] = {"tables": tables, "from": start}
        told = len(self.rows.bads), self.complete
        if told != self._told:
            self._told = told
            found = {"head": self.head()} | found
        return found

    def everything(self) -> dict[str, Any]:
        """Return the head and all rows; for `piece`, they count as sent."""
        self._find_fates_at_once()
        self._sent = {name: len(rows) for name, rows in self.tables.items()}
        self._told = len(self.rows.bads), self.complete
        return {"head": self.head(), "tables": self.tables, "from": dict.fromkeys(self.tables, 0)}

    def _find_fates_at_once(self) -> None:
        if self.searched.report.states <= FATES_AT_ONCE:
            self.find_fates()


def film_json(film: Film) -> str:
    """Return a film as JSON, without a space; for `piece`, all its rows count as sent."""
    return as_json(film.everything())


def as_json(value: Any) -> str:
    """Return JSON without a space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
