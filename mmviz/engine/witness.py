"""Witnesses: the fields whose disagreement a violation is.

A bad state reads fields to decide.  Those that it reads on the way to others do not matter; what
matters is what one would have to change.  So a field is a *witness* if it belongs to a smallest
set of fields that, had they another of the values that they take in some state, would leave
nothing to object to.  `any(…)` over devices thus names only those that violate.

A violated predicate has its witnesses in every state in which it holds. A complaint belongs to the
step that raises it: its witnesses are what that step read to decide, and they are told with that
step only, because later states may have mended or forgotten them. If the step decided by a
variable of its actor, they are what the earlier step read that answered it.

Source: Reiter, "A theory of diagnosis from first principles" (1987): minimal corrections; on
one run of a program, Lewis, "Causation" (1973): what would not have happened without.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mmviz.engine.bits import token
from mmviz.engine.case import nearest
from mmviz.engine.errors import ModelError
from mmviz.engine.frame import Frame, named
from mmviz.engine.learn import Model
from mmviz.engine.ledger import objects_in
from mmviz.engine.location import Location
from mmviz.engine.situation import doing
from mmviz.engine.step import Step
from mmviz.engine.struct import Allocated, Struct

LARGEST = 3  # fields that are changed together
MOST_ASKED = 600  # changed states that are tried for one violation

Slots = frozenset[int]
Ask = Callable[[int], tuple[bool | None, Iterable[int]]]
"""Tells of a packed state whether it violates (None: cannot tell), and what was read for it."""


class Witnesses:
    """Finds the witnesses of violations, each once for each combination of the values read.

    Args:
        model: the learned case.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._rows: dict[str, list[Any]] = {}  # bad state -> [mask, {packed values: witnesses}]
        self._found: dict[Any, Slots] = {}
        self._seen: dict[Any, Slots] = {}  # what a step does -> what it read to complain

    def of_frame(self, frame: Frame) -> frozenset[str]:
        """Return the paths of the fields that witness what is wrong after a step of a run.

        They are those of each bad state that holds, and of each complaint that the step raised.
        """
        model, found = self.model, set[int]()
        if violated := model.violated(frame.state):
            found |= self.of_state(frame.state, violated)
        if frame.before is not None and frame.complaints:
            found |= self.of_step(frame.before.state, model.index[frame.actor])
        return frozenset(model.ledger.paths[slot] for slot in found)

    def of_state(self, state: int, bad_states: Iterable[str]) -> set[int]:
        """Return the slots that witness the violations of a state.

        A complaint has its witnesses where it is raised, see `of_step`.
        """
        return {slot for name in bad_states for slot in self.of_bad_state(state, name)}

    def of_bad_state(self, state: int, name: str) -> Slots:
        """Return the slots that witness one violated bad state; none of a complaint."""
        row = self._rows.setdefault(name, [0, {}])
        known: Slots | None = row[1].get(state & row[0])
        if known is not None:
            return known
        judge = self.model.judge
        holds, reads = judge.ask(state, name)
        mask = self._mask(reads)
        if mask & ~row[0]:
            row[0] |= mask
            row[1].clear()
        key = name, mask, state & mask
        if key not in self._found:
            found: Slots = frozenset()
            if holds:
                chosen = judge.witness(state, name)
                if chosen is not None:
                    found = self._chosen(chosen, reads, name)
                else:
                    found = self._narrowed(lambda other: judge.ask(other, name), state, reads)
                    found |= self._constant(found, state, reads)
            self._found[key] = found
        found = row[1][state & row[0]] = self._found[key]
        return found

    def of_step(self, state: int, p: int) -> Slots:
        """Return the slots that witness what the next step of an actor complains of.

        Args:
            state: the packed state before the step.
            p: the number of its actor.
        """
        location = self.model.location(state, p)
        if location.step is None:
            return frozenset()
        key = doing(self.model, state, p)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = self._looked(state, p, location.step)
        return found or self._answered(state, p, location)

    def _looked(self, state: int, p: int, step: Step[Any]) -> Slots:
        """Return the slots that a step read to decide on its complaints."""
        model = self.model
        effect = model.execute(state, p, step)
        reads = effect.reads - {model.complaints, model.dead}
        found: set[int] = set()
        for name in dict.fromkeys(name for name, _ in effect.said):

            def ask(other: int, name: str = name) -> tuple[bool | None, set[int]]:
                done = model.execute(other, p, step)
                said = {each for each, _ in done.said}
                if name in said:
                    return True, done.reads
                return None if done.blocked or said else False, done.reads

            found |= self._narrowed(ask, state, reads)
            if name == "use_after_free":
                found |= self._freed(state, reads)
        return self._outward(found, state) or self._shown(reads)

    def _answered(self, state: int, p: int, location: Location) -> Slots:
        """Return the slots that decided the latest answer on which a step depends.

        That is one of its arguments, what contains the object that it acts on, or one that might
        have been another; NULL only if there is none of these. Where several ways lead here, those
        count whose answer would be the same now.
        """
        cells, step = self.model.cells(state), location.step
        assert step is not None
        used = {id(each) for each in (step.on, *step.args)}
        level, seen, null = [location], {location}, frozenset[int]()
        while level:
            sure, rest = set[int](), set[int]()
            ways = [(asked, told) for here in level for asked, told in self._ways(p, here)]
            for asked, told in ways:
                answer, is_one_of_several = told[1], len(asked.nexts) > 1
                parts = answer._at.values() if isinstance(answer, Struct) else ()
                if is_one_of_several or used & {id(answer), *(id(cells[slot]) for slot in parts)}:
                    is_same, found = self._deciding(state, p, asked, told)
                    if answer is None and not is_one_of_several:
                        null = null or found
                    elif is_same:
                        sure |= found
                    else:
                        rest |= found
            if sure or rest:
                return frozenset(sure or rest)
            level = list(dict.fromkeys(asked for asked, _ in ways if asked not in seen))
            seen.update(level)
        return null

    def _ways(self, p: int, location: Location) -> Iterator[tuple[Location, Any]]:
        """Yield the locations before one, each with the token of the answer that leads there."""
        for before in self.model.locations[p].values():
            for told, after in before.nexts.items():
                if after is location:
                    yield before, told

    def _deciding(self, state: int, p: int, asked: Location, told: Any) -> tuple[bool, Slots]:
        """Return whether a step would still answer so, and the slots that decide that."""
        step = asked.step
        assert step is not None

        def ask(other: int) -> tuple[bool | None, set[int]]:
            done = self.model.execute(other, p, step)
            is_same = token(done.answer) == told
            return None if done.blocked or done.said else is_same, done.reads

        holds, reads = self._try(ask, state)
        found = self._narrowed(ask, state, reads) if holds else self._shown(reads)
        return holds is True, self._outward(found, state)

    # -- by hand -----------------------------------------------------------------------------

    def _chosen(self, chosen: Iterable[Any], reads: set[int], name: str) -> Slots:
        """Return the slots of what an author has named."""
        paths = {path: slot for slot, path in enumerate(self.model.ledger.paths)}
        found: set[int] = set()
        for each in [chosen] if isinstance(chosen, str | Struct) else chosen:
            if isinstance(each, Struct):
                own = set(each._at.values())
                found |= own & reads or own
            elif isinstance(each, str):
                found.add(nearest(paths, each, f"field (a witness of {name})"))
            else:
                raise ModelError(
                    f"a witness of {name} is {each!r}; name the path of a field, or an object"
                )
        return frozenset(found)

    # -- by what would have to change ----------------------------------------------------------

    def _narrowed(self, ask: Ask, state: int, reads: Iterable[int]) -> Slots:
        """Return the fields of the smallest changes that undo a violation; else all those read."""
        reads = frozenset(reads) - {self.model.complaints, self.model.dead}
        smallest: list[Slots] = []
        level: list[tuple[Slots, int, Slots]] = [(frozenset(), state, reads)]
        asked = 0
        for _ in range(LARGEST):
            below: dict[Any, tuple[Slots, int, Slots]] = {}
            undone: list[Slots] = []
            for changed, at, looked in level:
                for slot in sorted(looked - changed):
                    wider = changed | {slot}
                    if any(each <= wider for each in smallest):
                        continue
                    for other in self._others(at, slot):
                        asked += 1
                        holds, seen = self._try(ask, other)
                        if holds is False:
                            undone.append(wider)
                            break
                        if holds and not seen <= looked:  # it found another violation instead
                            below.setdefault((wider, seen), (wider, other, seen))
                    if asked > MOST_ASKED:
                        break
            smallest += undone
            level = [
                each for each in below.values() if not any(small <= each[0] for small in smallest)
            ]
            if not level or asked > MOST_ASKED:
                break
        return frozenset[int]().union(*smallest) or self._shown(reads)

    def _others(self, state: int, slot: int) -> Iterator[int]:
        """Yield a state with each other value that a field takes in some state."""
        bits = self.model.bits[slot]
        now = state & bits.mask
        for packed in list(bits.values):
            if packed != now:
                yield state ^ now ^ packed

    @staticmethod
    def _try(ask: Ask, state: int) -> tuple[bool | None, Slots]:
        try:
            holds, reads = ask(state)
        except Exception:  # the reader's code, in a state that no run reaches
            return None, frozenset()
        return holds, frozenset(reads)

    def _constant(self, found: Slots, state: int, reads: Iterable[int]) -> Slots:
        """Return the constants that were read and refer to an object that a witness refers to."""
        model = self.model
        cells, bits = model.cells(state), model.bits
        meant = {id(each) for slot in found for each in objects_in(cells[slot])}
        return frozenset(
            slot
            for slot in self._shown(reads)
            if not bits[slot].mask and any(id(each) in meant for each in objects_in(cells[slot]))
        )

    def _shown(self, reads: Iterable[int]) -> Slots:
        """Return slots without those in which the world names its objects once and for all."""
        model, start = self.model, self.model.ledger.initial
        own = (slot for slot in model.world._at.values() if not model.bits[slot].mask)
        names = {slot for slot in own if any(True for _ in objects_in(start[slot]))}
        return frozenset(reads) - names - model.internal

    def _freed(self, state: int, reads: Iterable[int]) -> set[int]:
        """Return where the freed objects that a step looked at are marked so, and pointed at."""
        model = self.model
        cells, looked = model.cells(state), set(reads)
        gone = [
            struct
            for struct in model.ledger.structs
            if isinstance(struct, Allocated) and struct._at["freed"] in looked
        ]
        gone = [struct for struct in gone if cells[struct._at["freed"]] is True]
        found = {struct._at["freed"] for struct in gone}
        return found | {slot for slot in looked if any(cells[slot] is each for each in gone)}

    def _outward(self, slots: Iterable[int], state: int) -> Slots:
        """Return slots with what the engine knows of an actor's locks replaced by their fields."""
        model = self.model
        cells, found = model.cells(state), set(slots)
        for actor, task in zip(model.actors, model.tasks, strict=True):
            if task._at["held"] in found:
                found.remove(task._at["held"])
                for lock in cells[task._at["held"]]:
                    found |= {slot for slot in lock._at.values() if actor in named(cells[slot])}
        return frozenset(found) - model.internal

    def _mask(self, slots: Iterable[int]) -> int:
        mask = 0
        for slot in slots:
            mask |= self.model.bits[slot].mask
        return mask
