"""Which threads of a litmus test have to be looked at in a state, so that no outcome is missed.

Steps of different CPUs that touch different parts of memory come to the same in either order.  So
in each state only a *persistent set* is looked at: CPUs, with their store buffers, with whose next
steps no other CPU can interfere before one of them is taken.  Every final state is still found, by
a run as short as any: Godefroid, Partial-Order Methods for the Verification of Concurrent Systems,
1996, chapter 4.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mmviz.engine import Map, Model
from mmviz.engine.location import Location
from mmviz.kernel.sync.locks import SpinLock
from mmviz.kernel.sync.store_buffer import Store
from mmviz.reading import litmus_program as steps
from mmviz.reading.litmus_program import Action, Program, Thread, actions
from mmviz.reading.litmus_text import Value

ALONE = {steps.LOCAL, steps.NOTHING, steps.FENCE, steps.RCU_END}
BUFFERED = {steps.STORE, steps.UNLOCK, steps.RCU_UNLOCK}
READS = {steps.LOAD, steps.IS_LOCKED, steps.RCU_BEGIN, steps.RCU_END}


class Touched(NamedTuple):
    """Parts of memory that are read, and that are written, a bit each."""

    reads: int = 0
    writes: int = 0

    def __or__(self, other: "Touched") -> "Touched":
        return Touched(self.reads | other.reads, self.writes | other.writes)


NOTHING = Touched()


class Place(NamedTuple):
    """What a thread does at a location.

    Attributes:
        is_alone: its step, where it can happen, concerns no other actor.
        now: what its step touches.
        later: what this and all its later steps may touch, those of its store buffer included.
    """

    is_alone: bool
    now: Touched
    later: Touched


class Waiting(NamedTuple):
    """What waits in a store buffer.

    Attributes:
        is_some: whether something does.
        now: what the oldest store touches.
        later: what all of them do.
    """

    is_some: bool
    now: Touched
    later: Touched


EMPTY = Waiting(False, NOTHING, NOTHING)


class Chosen:
    """Chooses the actors to look at in a state.

    Args:
        model: of the case of a test.
        program: the test's.
        name: of the memory model, "sc" or "tso".
    """

    def __init__(self, model: Model, program: Program, name: str) -> None:
        self.model, self.program = model, program
        self.alone = ALONE | BUFFERED if name == "tso" else ALONE
        self.bits: dict[object, int] = {}
        self.threads = [model.index[thread.name] for thread in program.threads]
        self.drains = [model.index.get(f"SB{thread.number}") for thread in program.threads]
        slots = {path: slot for slot, path in enumerate(model.ledger.paths)}
        self.slots = [slots.get(f"{each.name} buffer.stores") for each in program.threads]
        self.touched = [self._of(at, thread) for at, thread in enumerate(program.threads)]
        self.places: dict[tuple[int, int], Place] = {}
        self.buffers: list[dict[int, Waiting]] = [{} for _ in self.threads]

    def __call__(self, state: int) -> Sequence[int]:
        """Return the numbers of the actors."""
        model = self.model
        now: list[Touched] = []
        later: list[Touched] = []
        can: list[list[int]] = []
        for at, p in enumerate(self.threads):
            place = self._place(at, model.location(state, p))
            moves = [p] if model.successor(state, p) is not None else []
            if place.is_alone and moves:
                return moves
            waiting = self._buffer(at, state)
            drain = self.drains[at]
            if drain is not None and waiting.is_some and model.successor(state, drain) is not None:
                moves.append(drain)
            now.append(place.now | waiting.now)
            later.append(place.later | waiting.later)
            can.append(moves)
        best: list[int] = []
        for at, moves in enumerate(can):
            if not best or len(moves) < len(best):
                enabled = [p for each in _together(at, now, later) for p in can[each]]
                if enabled and (not best or len(enabled) < len(best)):
                    best = enabled
                    if len(best) == 1:
                        break
        return best

    def _place(self, at: int, location: Location) -> Place:
        key = (at, id(location))
        if key not in self.places:
            self.places[key] = self._new_place(at, location)
        return self.places[key]

    def _new_place(self, at: int, location: Location) -> Place:
        step = location.step
        if step is None:
            return Place(False, NOTHING, NOTHING)
        own = self.touched[at]
        number = getattr(step.body, "number", len(own))
        if number >= len(own):  # the wait for the last store
            return Place(True, NOTHING, NOTHING)
        later = NOTHING
        for each in own[number:]:
            later |= each
        return Place(getattr(step.body, "kind", "") in self.alone, own[number], later)

    def _buffer(self, at: int, state: int) -> Waiting:
        """Return what the stores in a CPU's buffer touch."""
        slot = self.slots[at]
        if slot is None:
            return EMPTY
        bits = self.model.bits[slot]
        packed = state & bits.mask
        known = self.buffers[at].get(packed)
        if known is None:
            stores: tuple[Store, ...] = bits.values[packed]
            later = now = NOTHING
            for store in reversed(stores):
                now = Touched(0, self._bit(self._stored(at, store)))
                later |= now
            known = Waiting(bool(stores), now, later)
            self.buffers[at][packed] = known
        return known

    def _stored(self, at: int, store: Store) -> object:
        if isinstance(store.on, Map):
            return ("memory", store.field)
        return (
            ("lock", store.on.name.removeprefix("lock "))
            if isinstance(store.on, SpinLock)
            else ("reader", at)
        )

    # -- what actions touch ----------------------------------------------------------------------

    def _bit(self, part: object) -> int:
        return 1 << self.bits.setdefault(part, len(self.bits))

    def _of(self, at: int, thread: Thread) -> list[Touched]:
        return [self._touches(at, action) for action in actions(thread)]

    def _touches(self, at: int, action: Action) -> Touched:
        kind = action.kind
        if kind in (steps.RCU_LOCK, steps.RCU_UNLOCK):
            parts: list[object] = [("reader", at)]
        elif kind in (steps.RCU_BEGIN, steps.RCU_END):
            parts = [("reader", each) for each in range(len(self.threads))]
        elif action.where is None:
            return NOTHING
        elif kind in (steps.LOCK, steps.UNLOCK, steps.TRYLOCK, steps.IS_LOCKED):
            parts = [("lock", name) for name in _names(action, self.program.locks)]
        else:
            parts = [("memory", name) for name in _names(action, self.program.locations)]
        mask = 0
        for part in parts:
            mask |= self._bit(part)
        return Touched(mask, 0) if kind in READS else Touched(0, mask)


def _together(at: int, now: Sequence[Touched], later: Sequence[Touched]) -> list[int]:
    """Return a CPU, and those that may interfere with it or with each other."""
    chosen = [at]
    others = [each for each in range(len(now)) if each != at]
    for each in chosen:  # grows while we walk it
        reads, writes = now[each]
        left = []
        for other in others:
            its_reads, its_writes = later[other]
            if writes & (its_reads | its_writes) or reads & its_writes:
                chosen.append(other)
            else:
                left.append(other)
        others = left
    return chosen


class _Dynamic(Exception):
    """An address depends on a register."""


def _names(action: Action, known: Sequence[str]) -> Sequence[str]:
    """Return the locations that an action may access."""

    def get(name: str) -> Value:
        raise _Dynamic(name)

    assert action.where is not None
    try:
        return [str(action.where(get))]
    except _Dynamic:
        return known
