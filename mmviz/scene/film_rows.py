"""The rows of a film: what it says of a state and of a move.

What many states share has a number: a field's value, a step, a reason to wait, a drawing.  It is
found once for each combination of the values that it depends on, by the same masks as in the
learned model.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from mmviz.engine import spoken
from mmviz.engine.choose import pending
from mmviz.engine.frame import acting, held
from mmviz.engine.situation import EachValue, changed, doing, place, value
from mmviz.scene.cards import wordings
from mmviz.scene.columns import columns, remark
from mmviz.scene.keyed import plain
from mmviz.scene.searched import SearchedCase

MOST_LOOKED = 2_000  # states in which only devices move, to see whether a thread ever can
DONE, DEADLOCK, STOPPED = "done", "deadlock", "stopped"


class Memory(Protocol):
    """The part of the picture of memory that a film needs."""

    @property
    def parts(self) -> Sequence[Any]:
        """The parts of the picture, with what they have `drawn`."""

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of the sheet, in cells."""

    def variants(self, state: int) -> list[int]:
        """Return the number of each part's drawing in a packed state."""


class Table:
    """Rows that are numbered in the order in which they come, each once."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.at: dict[Any, int] = {}

    def number(self, key: Any, row: Any) -> int:
        """Return the number of a row, adding it if its key is new."""
        known = self.at.get(key)
        if known is None:
            known = self.at[key] = len(self.rows)
            self.rows.append(row)
        return known


class Rows:
    """The rows of the states and moves of one case.

    Args:
        searched: the case.
        memory: its picture of memory; None for rows without pictures.

    Attributes:
        tables: what states and moves point into, by name.
        slots: the slot of each field; those that the engine keeps for itself are left out.
        columns: the code of each actor.
        bads: the names of the bad states, the case's own first, then the other complaints.
    """

    def __init__(self, searched: SearchedCase, memory: Memory | None = None) -> None:
        model = searched.model
        self.model, self.memory = model, memory
        self.slots = model.told()
        self.fields = {slot: number for number, slot in enumerate(self.slots)}
        self.columns = columns(model)
        self.environment = model.case.environment
        self._only_drawn = model.case.is_drawing  # a step waits for its turn, and no more
        self.witnesses = searched.witnesses
        self.bads = list(model.case.bad_states)
        self._bad_numbers = {name: number for number, name in enumerate(self.bads)}
        self._words, self._says, self._steps = Table(), Table(), Table()
        self._blocks, self._variants = Table(), Table()
        self.tables = {
            "values": self._words.rows,
            "steps": self._steps.rows,
            "blocks": self._blocks.rows,
            "variants": self._variants.rows,
            "says": self._says.rows,
        }
        worded = wordings(model)
        paths = enumerate(model.ledger.paths)
        self._wordings = {slot: worded[path] for slot, path in paths if path in worded}
        self._spoken = EachValue(model, self.slots, self._value)
        self._step_of: list[dict[int, tuple[int, bool]]] = [{} for _ in model.actors]
        self._block_of: dict[Any, int] = {}
        self._deed_of: dict[Any, list[Any]] = {}
        self._devices = model.idlers
        self._asked = [task._at["asked"] for task in model.tasks]
        for raised in sorted(model.bits[model.complaints].values.values(), key=len):
            for name in sorted(raised):
                self.number_of(name)

    def state(self, state: int) -> list[Any]:
        """Return the row of a packed state."""
        model = self.model
        steps, blocks, movers = [], [], set()
        is_dead = model.is_dead(state)
        for p in range(len(model.actors)):
            step, is_done = self._step(state, p)
            steps.append(step)
            is_enabled = not is_done and not is_dead and model.successor(state, p) is not None
            if is_enabled:
                movers.add(p)
            blocks.append(-1 if is_enabled or is_done else self._block(state, p, is_dead))
        found = model.violated(state)
        bads = sorted(map(self.number_of, found))
        witnesses = self.witnesses.of_state(state, found) if found else ()
        end = ""
        if is_dead:
            end = STOPPED
        elif model.is_complete(state):
            end = DONE
        elif movers <= self._devices and self._is_stuck(state):
            end = DEADLOCK
        shown = self._picture(state)
        return [self._spoken.of(state), steps, blocks, bads, shown, self._fields(witnesses), end]

    def _is_stuck(self, state: int) -> bool:
        """Tell whether no thread can ever step again, although devices may go on."""
        model, threads = self.model, self.model.threads()
        seen, waiting = {state}, [state]
        while waiting and len(seen) <= MOST_LOOKED:
            here = waiting.pop()
            if any(model.successor(here, p) is not None for p in threads):
                return False
            for p in self._devices:
                after = model.successor(here, p)
                if after is not None and after not in seen:
                    seen.add(after)
                    waiting.append(after)
        return not waiting

    def _fields(self, slots: Iterable[int]) -> list[int]:
        return sorted(self.fields[slot] for slot in slots if slot in self.fields)

    def _value(self, slot: int, value: Any) -> int:
        """Return the number of a field's value in words, counted from 0."""
        field, words = self.fields[slot], self._wordings.get(slot, spoken)(value)
        return self._words.number((field, words), [field, words])

    def _step(self, state: int, p: int) -> tuple[int, bool]:
        """Return the number of the step that an actor takes next, and whether it has finished."""
        model = self.model
        here = place(model, state, p)
        is_environment = model.actors[p] in self.environment
        known = self._step_of[p].get(here)
        if known is not None and not is_environment:
            return known
        location = model.location(state, p)
        step = location.step
        if step is None:
            found = (-1, True)
        else:
            label = step.label
            if is_environment:
                asked = pending(value(model, state, slot) for slot in self._asked)
                label = label if asked is None else str(asked.otherwise)
            row = self.columns[p].number(location, label)
            said = remark(location.lines[-1]) if location.lines else ""
            content = [row, label, step.doc, step.cite, said]
            found = (self._steps.number(tuple(content), content), False)
        self._step_of[p][here] = found
        return found

    def _block(self, state: int, p: int, is_dead: bool) -> int:
        """Return the number of the reason why an actor waits."""
        model = self.model
        location = model.location(state, p)
        if is_dead or location.step is None:
            return self._blocked((), (), "the machine has stopped")
        if model.actors[p] in self.environment:
            return self._blocked((), (), "no actor leaves anything open now")
        if self._only_drawn:
            return self._blocked((), (), "another step comes first in the diagram")
        done = [model.is_done(state, other) for other in range(len(model.actors))]
        key = (doing(model, state, p), tuple(done))
        known = self._block_of.get(key)
        if known is not None:
            return known
        looked = sorted(model.execute(state, p, location.step).reads - model.internal)
        kept = held(model, state, looked)
        names, mine, label = set().union(*kept.by.values()), model.actors[p], location.step.label
        if names - {mine}:
            names.discard(mine)  # a waiter that is recorded beside the holders
        holders = [number for number, name in enumerate(model.actors) if name in names]
        if not holders and kept.is_less and (act := acting(model, state, p, looked)):
            who = [model.index[name] for name in act]
            reason = f"{label} waits for {' and '.join(act)}"
            return self._blocked(tuple(self._fields(looked)), who, reason)  # depends on them, too
        if holders:
            words = " and ".join(
                ("itself" if number == p else model.actors[number])
                + (", which has finished" if done[number] else "")
                for number in holders
            )
            reason = f"{label} waits: held by {words}"
        else:
            paths = ", ".join(model.ledger.paths[slot] for slot in looked)
            reason = f"{label} waits for a change of {paths or 'nothing that can change'}"
        found = self._blocked(tuple(self._fields(looked)), holders, reason)
        if holders or not kept.is_less:
            self._block_of[key] = found
        return found

    def _blocked(self, fields: Sequence[int], holders: Sequence[int], reason: str) -> int:
        row = [list(fields), list(holders), reason]
        return self._blocks.number((tuple(fields), tuple(holders), reason), row)

    def deed(self, state: int, p: int) -> list[Any]:
        """Return what a move does: fields written and read, answer, log, complaints, witnesses."""
        model = self.model
        location = model.location(state, p)
        key = doing(model, state, p)
        known = self._deed_of.get(key)
        if known is None:
            assert location.step is not None
            effect = model.execute(state, p, location.step)
            writes = changed(model, state, effect.writes)
            answer = -1 if effect.answer is None else self._say(spoken(effect.answer))
            names = dict.fromkeys(name for name, _ in effect.said)
            known = self._deed_of[key] = [
                self._fields(writes),
                [] if self._only_drawn else self._fields(effect.reads),
                answer,
                [self._say(text) for _, text in effect.said],
                [self.number_of(name) for name in names],
            ]
        complains = bool(known[4])  # its witnesses may depend on more than what the step does
        return [*known, self._fields(self.witnesses.of_step(state, p)) if complains else []]

    def _say(self, text: str) -> int:
        return self._says.number(text, text)

    def number_of(self, name: str) -> int:
        """Return the number of a bad state; a complaint that the case does not name gets one."""
        known = self._bad_numbers.get(name)
        if known is None:
            known = self._bad_numbers[name] = len(self.bads)
            self.bads.append(name)
        return known

    def _picture(self, state: int) -> list[int]:
        if self.memory is None:
            return []
        found = []
        table, parts = self._variants, self.memory.parts
        for part, drawn in enumerate(self.memory.variants(state)):
            known = table.at.get((part, drawn))
            if known is None:
                marks = plain(parts[part].drawn[drawn])
                known = table.number((part, drawn), [part, marks])
            found.append(known)
        return found
