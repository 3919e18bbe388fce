"""A diagram whose columns are certain actors of a case: the search for a run through its rows.

A row of the diagram that names a function stands for the step by which its actor enters that
function, or does it. Between rows any actor may take other steps: a shortest run fills them in.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from mmviz.engine import Fate, Run, replay, spoken
from mmviz.engine.location import Location
from mmviz.engine.text import listed
from mmviz.reading.assigning import missing, same_locks
from mmviz.reading.case_code import CaseCode, decision, events, function_of, why_blocked
from mmviz.reading.diagram import FEASIBLE, HARMLESS, INFEASIBLE, UNKNOWN, Diagram, Match, Unmatched
from mmviz.reading.rows import NOTHING, Budget, Entered, Node, Row

DEADLOCK = "deadlock"
MOST_REORDERED = 4  # rows that stand in another order in the code
ENTERS = -1  # in place of an actor: it enters a function, and takes no step


class Fit:
    """A diagram whose columns are certain actors of a case.

    Args:
        diagram: what was read.
        code: of the case.
        actors: the actor of each column.
        budget: how many nodes may be looked at.
        lenient: what the code does in several places may be filled in before a row that has it.
        early: a function may be entered before the first step in it, while that can be taken.
        order: the numbers of the steps, as they are to happen; by default that of the diagram.
        column: only this column's rows; 0 for all.
    """

    def __init__(
        self,
        diagram: Diagram,
        code: CaseCode,
        actors: tuple[str, ...],
        budget: Budget,
        *,
        lenient: bool = False,
        early: bool = False,
        order: Sequence[int] = (),
        column: int = 0,
    ) -> None:
        self.diagram, self.code, self.actors, self.budget = diagram, code, actors, budget
        self.early = early
        self.model = code.model
        self.unmatched: list[Unmatched] = []
        self.rows: list[Row] = []
        same_lock = same_locks(diagram, code, actors)
        for number in order or range(1, len(diagram.steps) + 1):
            step = diagram.steps[number - 1]
            if column not in (0, step.column):
                continue
            actor = actors[step.column - 1]
            on = same_lock.get(number)
            if on is not None and not on:
                self.unmatched.append(Unmatched(number, f"{actor} takes another lock"))
            elif named := code.named(step, actor):
                self.rows.append(Row(number, self.model.index[actor], named, on or NOTHING))
            else:
                self.unmatched.append(missing(code, number, step, actor))
        self.parent: dict[Node, tuple[Node, int] | None] = {}
        self.events_of: dict[tuple[Location | Entered | None, Location], list[str]] = {}
        self.violates: dict[int, bool] = {}
        self.deciding = {self.model.index[name] for name in self.model.case.environment}
        self.blocked: Node | None = None  # the nearest deadlock in the rows that are left
        #: For each number of rows that have happened, what may not be filled in, because a later
        #: row of the same actor draws it. A lenient fit allows what its code does in several
        #: places: the diagram may draw only the last of them.
        self.kept = [self._kept(done, lenient) for done in range(len(self.rows) + 1)]

    def _kept(self, done: int, lenient: bool) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for _, p, function, _ in self.rows[done:]:
            if not lenient or self.code.functions[self.model.actors[p]][function] == 1:
                found.setdefault(p, set()).add(function)
        return found

    def can_happen(self) -> bool:
        """Tell whether all rows can happen, the last of them as a wait without end."""
        ends, _ = self._ends(nearest=True)
        return bool(ends) or self.blocked is not None

    def judged(self) -> Match:
        """Return the verdict."""
        ends, cut = self._ends()
        if not ends and self.blocked is not None:
            return self._deadlocks(self.blocked)
        if not ends and cut:
            return self._match(UNKNOWN, None, self._undecided(), None)
        if not ends:
            return self._stuck()
        wrong = [node for node in ends if self._broken(node)]
        if wrong:
            end = wrong[0]
            names = self._broken(end)
            ends_so = self.model.violated(end.state) or names == [DEADLOCK]
            said = f"ends in {listed(names)}" if ends_so else f"violates {listed(names)} on the way"
            why = f"it can happen in this order, and {said}{self._or(ends, end)}"
            return self._match(FEASIBLE, None, why, end, names)
        if self.blocked is not None:
            return self._deadlocks(self.blocked)
        for end in ends:
            if bound := self._unavoidable(end.state):
                then = f"after its last row {listed(bound)} is unavoidable"
                why = f"it can happen in this order, and {then}{self._or(ends, end)}"
                return self._match(FEASIBLE, None, why, end, bound)
        if cut:
            why = f"it can happen in this order, and may break something: {self._undecided()}"
            return self._match(UNKNOWN, None, why, None)
        why = "it can happen in this order, and breaks nothing by its last row"
        whole = next((end for end in ends if self._fills_nothing(end)), None)
        if whole is not None:
            return self._match(HARMLESS, None, f"{why} with no other step between", whole)
        return self._match(HARMLESS, None, why, ends[0])

    def _or(self, ends: Sequence[Node], end: Node) -> str:
        """Say that other steps between the rows break nothing, where that is known."""
        if end == ends[0] or self._broken(ends[0]) or self._unavoidable(ends[0].state):
            return ""
        return "; with other steps between its rows it breaks nothing"

    def _undecided(self) -> str:
        return f"not decided, more than {len(self.parent):,} states"

    def _unavoidable(self, state: int) -> list[str]:
        graph = self.code.graph
        if graph is None:
            return []
        at, names = graph.index[state], sorted(self.model.case.bad_states)
        return [name for name in names if graph.fate(name)[at] == Fate.UNAVOIDABLE]

    # -- the search ------------------------------------------------------------------------

    def _ends(self, nearest: bool = False) -> tuple[list[Node], bool]:
        """Return the nearest nodes in which all rows have happened, and whether it was cut.

        The first is the nearest. Unless its rows are the whole run, or the `nearest` is enough,
        the search goes on for one in which something is violated.
        """
        model, most = self.model, self.budget.of_one()
        broken = bool(model.violated(model.start))
        start = Node(model.start, 0, (None,) * len(model.actors), broken)
        self.parent = {start: None}
        queue, ends = deque([start]), []
        while queue:
            node = queue.popleft()
            if node.done == len(self.rows):
                ends.append(node)
                if nearest or self._broken(node) or self._fills_nothing(node):
                    queue.clear()
                continue
            for p, after in self._moves(node):
                if after not in self.parent:
                    self.parent[after] = (node, p)
                    queue.append(after)
            if self.blocked is None and self._ends_blocked(node):
                self.blocked = node
            if len(self.parent) > most:
                break
        self.budget.left -= len(self.parent)
        return ends, bool(queue)

    def _broken(self, node: Node) -> list[str]:
        """Return what a node has come to: the bad states violated, or a deadlock."""
        if node.broken:
            here = frozenset(self.model.violated(node.state))
            return sorted(here) or sorted(
                {name for each in self._path(node) for name in self.model.violated(each.state)}
            )
        return [DEADLOCK] if self.model.is_deadlock(node.state) else []

    def _ends_blocked(self, node: Node) -> bool:
        """Tell whether no actor can step, and each that has a row left waits in that row."""
        done = node.done
        rest = self.rows[done:]
        if len({row.p for row in rest}) < len(rest) or not self.model.is_deadlock(node.state):
            return False
        return all(self._waits_for(node, row.p, at) for at, row in enumerate(rest, done))

    def _fills_nothing(self, node: Node) -> bool:
        """Tell whether the rows are the whole run."""
        return all(here.done < after.done for here, after in pairwise(self._path(node)))

    def _moves(self, node: Node) -> Iterator[tuple[int, Node]]:
        state, done, last, broken = node
        if self.model.is_dead(state):
            return
        for p in range(len(self.model.actors)):
            location = self.model.location(state, p)
            if location.step is None:
                continue
            after = self.model.successor(state, p)
            if after is None:
                continue
            where = (*last[:p], location, *last[p + 1 :])
            happens = self._events(state, p, last[p], location)
            most = self._happening(p, done, happens, location)
            if most > done:
                yield p, Node(after, most, where, broken or self._violates(after))
            if (entered := self._enters(p, done, happens, location)) is not None:
                was = last[p]
                now = (
                    Entered(was.before, was.many + entered)
                    if isinstance(was, Entered)
                    else Entered(was, entered)
                )
                yield ENTERS, Node(state, done + 1, (*last[:p], now, *last[p + 1 :]), broken)
            if self.kept[done].get(p, NOTHING).isdisjoint(happens):
                yield p, Node(after, done, where, broken or self._violates(after))

    def _violates(self, state: int) -> bool:
        known = self.violates.get(state)
        if known is None:
            known = self.violates[state] = bool(self.model.violated(state))
        return known

    def _events(
        self, state: int, p: int, before: "Location | Entered | None", location: Location
    ) -> list[str]:
        if p in self.deciding:
            return [decision(self.model, state, p)]
        known = self.events_of.get((before, location))
        if known is None:
            if isinstance(before, Entered):
                known = events(before.before, location)[before.many :]
            else:
                known = events(before, location)
            self.events_of[before, location] = known
        return known

    def _happening(self, p: int, done: int, happens: list[str], location: Location) -> int:
        """Return how many rows have happened once an actor has done something."""
        own = location.step.on.name if location.step is not None else ""
        for event in happens:
            if done < len(self.rows):
                row = self.rows[done]
                if row[1:3] == (p, event) and (not row.on or own in row.on):
                    done += 1
        return done

    def _enters(self, p: int, done: int, happens: list[str], location: Location) -> int | None:
        """Return how many functions an actor has entered if it now enters that of the next row.

        Only what its next step enters, and does not do: nothing has happened yet.
        """
        row = self.rows[done]
        if not self.early or row.p != p or row.function not in happens:
            return None
        if row.function == function_of(location):
            return None
        return happens.index(row.function) + 1

    # -- the verdict -----------------------------------------------------------------------

    def _stuck(self) -> Match:
        """Return the verdict where no run has all rows: the furthest that one gets, and why."""
        model = self.model
        most = max(node.done for node in self.parent)
        there = [node for node in self.parent if node.done == most]
        number, p, function, _ = self.rows[most]
        step = self.diagram.steps[number - 1]
        line, actor = step.rows[0], model.actors[p]
        waits = [node for node in there if self._waits_for(node, p, most)]
        dead = [node for node in there if model.is_dead(node.state)]
        if waits:
            why = why_blocked(self._run(waits[0]), actor)
            text = f"infeasible at line {line}, {step.text}: {actor} is blocked there, {why}"
            return self._match(INFEASIBLE, line, text, waits[0], waits=True)
        if dead:
            broken = sorted(model.violated(dead[0].state))
            text = (
                f"it can happen in this order up to line {line}: before it {listed(broken)} "
                "stops the machine"
            )
            return self._match(FEASIBLE, line, text, dead[0])
        first = self._comes_first(there, most)
        if first is not None:
            number, _, function, _ = self.rows[first]
            before = self.diagram.steps[number - 1].rows[0]
            why = f"its code does {function}(), which is on line {before}, first"
        elif all(model.is_done(node.state, p) for node in there):
            why = "it has finished by then"
        else:
            why = f"no run enters {function}() there"
        far = self._furthest(there, p) if first is None else there[:1]
        if first is None and not any(self._can_step(node, p) for node in far):
            why = f"it is blocked before, {why_blocked(self._run(far[0]), actor)}"
        text = f"infeasible at line {line}, {step.text}: {actor} cannot take it, {why}"
        return self._match(INFEASIBLE, line, text, far[0])

    def _can_step(self, node: Node, p: int) -> bool:
        return self.model.is_done(node.state, p) or self.model.successor(node.state, p) is not None

    def _furthest(self, there: Sequence[Node], p: int) -> list[Node]:
        """Return the nodes in which an actor is furthest in its code."""
        depth = {node: self.model.location(node.state, p).depth for node in there}
        return [node for node in there if depth[node] == max(depth.values())]

    def _comes_first(self, there: Sequence[Node], most: int) -> int | None:
        """Return the later row of the same actor that its code does before row `most`."""
        p = self.rows[most].p
        for at in range(most + 1, len(self.rows)):
            for state, _, last, _ in there if self.rows[at].p == p else ():
                location = self.model.location(state, p)
                if location.step is None or self.model.is_dead(state):
                    continue
                if self.rows[at].function in self._events(state, p, last[p], location):
                    return at
        return None

    def _deadlocks(self, node: Node) -> Match:
        number, p, _, _ = self.rows[node.done]
        line, actor = self.diagram.steps[number - 1].rows[0], self.model.actors[p]
        why = f"it can happen in this order, and {actor} waits at line {line}: deadlock"
        return self._match(FEASIBLE, line, why, node, [DEADLOCK])

    # -- another order of rows -------------------------------------------------------------

    def reordered(self) -> Match | None:
        """Return the verdict with rows of one actor in the order of its code; None without.

        Only rows are exchanged that stand together, and that the actor does under one lock: the
        others cannot tell the difference.
        """
        fit, moved, best = self, list[tuple[int, int]](), None
        for _ in range(MOST_REORDERED):
            most = max((node.done for node in fit.parent), default=0)
            if most >= len(fit.rows):
                break
            there = [node for node in fit.parent if node.done == most]
            first = fit._comes_first(there, most)
            if first is None or len({row.p for row in fit.rows[most : first + 1]}) > 1:
                break
            order = [row.number for row in fit.rows]
            order.insert(most, order.pop(first))
            moved.append((order[most], order[most + 1]))
            fit = Fit(self.diagram, self.code, self.actors, self.budget, order=order)
            found = fit.judged()
            best = self._under_one_lock(found, moved) or best
            if found.verdict in (FEASIBLE, HARMLESS):
                break
        return best

    def _under_one_lock(self, found: Match, moved: Sequence[tuple[int, int]]) -> Match | None:
        frames = replay(found.case, found.schedule).frames
        said = []
        for one, other in moved:
            k, end = found.at[one - 1], found.at[other - 1]
            if not 0 < k < end:
                return None
            held = [frames[at].values[f"{frames[k].actor}.held"] for at in range(k, end)]
            locks = [lock for lock in held[0] if all(lock in each for each in held)]
            if not locks:
                return None
            lines = sorted(self.diagram.steps[number - 1].rows[0] for number in (one, other))
            said.append(f"lines {lines[0]} and {lines[1]}, both under {spoken(locks[-1])},")
        swap = f"with {listed(said)} in the order of the code"
        why = found.reason.replace("in this order", swap, 1)
        if found.verdict == INFEASIBLE:
            why = f"{found.reason}, {swap.replace('with', 'even with', 1)}"
        return replace(found, reason=why, unmatched=tuple(self.unmatched))

    def _waits_for(self, node: Node, p: int, done: int) -> bool:
        state, _, last, _ = node
        location = self.model.location(state, p)
        if location.step is None or self.model.is_dead(state):
            return False
        happens = self._events(state, p, last[p], location)
        comes = self._happening(p, done, happens, location) > done
        return comes and self.model.successor(state, p) is None

    def _path(self, node: Node) -> list[Node]:
        """Return the nodes on the way to a node, the start first."""
        found = [node]
        while (before := self.parent[found[-1]]) is not None:
            found.append(before[0])
        return found[::-1]

    def _run(self, node: Node) -> Run:
        """Return the run to a node."""
        run = Run(self.model.case, self.model)
        for each in self._path(node)[1:]:
            before = self.parent[each]
            assert before is not None
            if before[1] != ENTERS:
                run.step(self.model.actors[before[1]])
        return run

    def _match(
        self,
        verdict: str,
        line: int | None,
        reason: str,
        node: Node | None,
        violated: Sequence[str] = (),
        waits: bool = False,
    ) -> Match:
        at = [0] * len(self.diagram.steps)
        filled: list[tuple[int, str, str]] = []
        schedule: tuple[str, ...] = ()
        if node is not None:
            run = self._run(node)
            schedule = run.schedule
            frames, k = run.frames, 0
            for here, after in pairwise(self._path(node)):
                way = self.parent[after]
                k += way is not None and way[1] != ENTERS
                for row in self.rows[here.done : after.done]:
                    name = self.model.actors[row.p]
                    if way is not None and way[1] == ENTERS:
                        ahead = (frame.index for frame in frames[k + 1 :] if frame.actor == name)
                        at[row.number - 1] = next(ahead, 0)
                    else:
                        at[row.number - 1] = k
            drawn = set(at)
            filled += [
                (each.index, each.actor, each.label)
                for each in frames[1:]
                if each.index not in drawn
            ]
            violated = violated or [name for name in self._broken(node) if name != DEADLOCK]
        return Match(
            self.model.case,
            self.actors,
            verdict,
            line,
            reason,
            schedule,
            tuple(at),
            tuple(violated),
            tuple(self.unmatched),
            tuple(filled),
            waits,
            reached=0 if node is None else node.done,
        )
