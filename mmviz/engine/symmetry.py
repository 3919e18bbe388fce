"""Symmetry: actors that do the same are interchangeable, so one order of them stands for all.

A case declares which actors, with which objects, may change places.  The search then visits one
state of each *orbit*: of all states that differ only by who is who.  Every state is replaced by a
representative, in which the members of a group stand in the order of their own location and fields.
A permutation of members takes a run to a run, so verdicts and the lengths of shortest runs are
exact; `Symmetry.schedule` maps a run of representatives back to one that can be replayed.

The declaration is checked, not believed: every learned row, moved by a permutation, must be a row
of the model, for all permutations of which the declaration speaks.

Source: Ip, Dill, Better verification through symmetry, 1996.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from mmviz.engine.bits import token
from mmviz.engine.errors import ModelError
from mmviz.engine.learn import Model
from mmviz.engine.location import Location
from mmviz.engine.members import Group, Permutation
from mmviz.engine.struct import Map

# the bits of a slot or a location, those of its counterpart for each value, how to find them
Piece = tuple[int, dict[int, int], Callable[[int], int]]


class Symmetry:
    """The representative of a state, for all groups of a case.

    Args:
        model: the case, which declares `interchangeable`.

    Raises:
        ModelError: the declaration does not fit the world.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.orders = [Order(Group(model, group)) for group in model.case.interchangeable]

    def __call__(self, state: int) -> int:
        """Return the representative of a state."""
        for order in self.orders:
            state = order(state)
        return state

    def refresh(self) -> None:
        """Take note of what the model has learned."""
        for order in self.orders:
            order.refresh()

    def schedule(self, states: list[int], goal: int) -> list[int]:
        """Return the movers of a run that passes through the orbits of some representatives.

        Args:
            states: representatives, from the start; each follows from the one before.
            goal: the state, in the orbit of the last one, in which the run ends.
        """
        # in the run, member places[i] of a group is what member i is in the representative
        places = [list(order.same) for order in self.orders]
        movers = []
        for here, after in pairwise(states):
            p, moved = self._mover(here, after)
            movers.append(self._actor(p, places))
            for now, change in zip(places, moved, strict=True):
                was = now.copy()
                for i, to in enumerate(change):
                    now[to] = was[i]
        # the world begins the same for every member, so the members of the run may be exchanged
        renamed = []
        for order, now in zip(self.orders, places, strict=True):
            change = order.places(goal)
            goal = order.move(goal, change)
            names = list(order.same)
            for i, to in enumerate(change):
                names[now[to]] = i
            renamed.append(names)
        return [self._actor(p, renamed) for p in movers]

    def _actor(self, p: int, places: list[list[int]]) -> int:
        for order, now in zip(self.orders, places, strict=True):
            p = order.actor(p, tuple(now))
        return p

    def _mover(self, here: int, goal: int) -> tuple[int, list[Permutation]]:
        """Return who moves from one representative to the next, and how the members then move."""
        for p in range(len(self.model.actors)):
            after = self.model.successor(here, p)
            moved = []
            if after is not None:
                for order in self.orders:
                    moved.append(order.places(after))
                    after = order.move(after, moved[-1])
                if after == goal:
                    return p, moved
        raise AssertionError("the next representative is not reached in one step")

    def check(self, ends: Iterable[int]) -> None:
        """Check that every learned row, moved, is a row of the model.

        Args:
            ends: the states in which a bad state is judged at the end.

        Raises:
            ModelError: the members of a group do not do the same.
        """
        ends = list(ends)
        for order in self.orders:
            order.check(ends)

    def orbit(self, state: int) -> set[int]:
        """Return all states that differ from one by who is who."""
        found = {state}
        for order in self.orders:
            found = set().union(*map(order.orbit, found))
        return found


class Order:
    """The order of the members of one group, and the moves between places."""

    def __init__(self, group: Group) -> None:
        self.group, self.model = group, group.model
        self.count = len(group.words)
        self.known: dict[int, int] = {}  # projection -> what to add
        self.mask = 0
        self.version = -1
        self.same = tuple(range(self.count))
        self._twins: dict[tuple[int, Permutation], Location] = {}
        self._slots: dict[Permutation, list[int]] = {}
        self._ranks: dict[Any, int] = {}
        self._views: list[dict[int, int]] = []
        self._pieces: dict[Permutation, list[Piece]] = {}
        self._matters: Any = None
        self._masks: list[int] = []
        ledger = self.model.ledger
        # a constant that names a member, such as pfn; if the model looks at it, `check` complains
        self.unequal = dict(self._unequal())
        # for each member, its slots, in the same order
        self._ordered = [
            [s for struct in structs for s in struct._at.values() if s not in self.unequal]
            for structs in group.structs
        ]
        for struct in ledger.structs:
            if isinstance(struct, Map):  # an entry whose key is a member is that member's own
                for key, slot in struct._at.items():
                    for i, own in enumerate(self._ordered):
                        if group.refers(key) and group.seen_by(key, i)[0] is True:
                            own.append(slot)
        self.members = sorted({p for actors in group.actors for p in actors})
        self.moved = sorted(
            {
                slot
                for places in self.swaps()
                for slot, to in enumerate(self.slots(places))
                if slot != to and slot not in self.unequal
            }
        )

    def __call__(self, state: int) -> int:
        """Return the state with the members in order."""
        found = self.known.get(state & self.mask)
        if found is None or self.version != self.model.version:
            found = self.learn(state)
        return state + found

    def refresh(self) -> None:
        """Find the bits that matter, again after the model has learned."""
        model, group = self.model, self.group
        if self.version == model.version:
            return
        self.version = model.version
        shared = [
            slot
            for slot, bits in enumerate(model.bits)
            if slot not in self.moved and bits.mask and any(map(group.refers, bits.values.values()))
        ]
        # another actor's location may hold an answer that refers to a member
        others = [
            p
            for p in range(len(model.actors))
            if p not in self.members
            and any(self._remembers(each) for each in model.locations[p].values())
        ]
        self._moving = [*(slot for slot in self.moved if model.bits[slot].mask), *shared]
        self._movers = [*self.members, *others]
        matters = (
            shared,
            others,
            [model.bits[slot].mask for slot in self._moving],
            [model.location_bits[p].mask for p in self._movers],
        )
        if matters == self._matters:
            return
        self._matters, self._shared, self._others = matters, shared, others
        self.known.clear()
        self._pieces.clear()
        self._views = [{} for _ in range(self.count)]
        common = 0
        for slot in self._moving:
            if not any(slot in own for own in self._ordered):
                common |= model.bits[slot].mask
        for p in others:
            common |= model.location_bits[p].mask
        self._masks = []
        for i in range(self.count):
            mask = common
            for slot in self._ordered[i]:
                mask |= model.bits[slot].mask
            for p in group.actors[i]:
                mask |= model.location_bits[p].mask
            self._masks.append(mask)
        self.mask = common
        for mask in self._masks:
            self.mask |= mask

    def _remembers(self, location: Location) -> bool:
        here: Location | None = location
        while here is not None and here.parent is not None:
            if self.group.refers(here.answer):
                return True
            here = here.parent
        return False

    def learn(self, state: int) -> int:
        """Return what to add to a state to have its members in order."""
        while True:
            self.refresh()
            places = self.places(state)
            after = state if places == self.same else self.move(state, places)
            if self.version == self.model.version:
                break
        self.known[state & self.mask] = after - state
        return after - state

    def places(self, state: int) -> Permutation:
        """Return the permutation that puts the members of a state in order."""
        self.refresh()
        ranks = [self._rank(state, i) for i in range(self.count)]
        order = sorted(range(self.count), key=ranks.__getitem__)
        places = [0] * self.count
        for place, i in enumerate(order):
            places[i] = place
        return tuple(places)

    def _rank(self, state: int, i: int) -> int:
        """Return the number of what member `i` is like in a state."""
        key = state & self._masks[i]
        rank = self._views[i].get(key)
        if rank is None:
            rank = self._ranks.setdefault(self._like(state, i), len(self._ranks))
            self._views[i][key] = rank
        return rank

    def _like(self, state: int, i: int) -> Any:
        """Return a key that is equal for two members that could change places unnoticed.

        It must not depend on how much has been learned: a state has one representative.
        """
        model, group = self.model, self.group
        first = tuple(0 if each == i else i if each == 0 else each for each in range(self.count))
        values = []
        for slot in self._ordered[i]:
            bits = model.bits[slot]
            values.append(group.seen_by(bits.values[state & bits.mask], i))
        for slot in self._shared:
            bits = model.bits[slot]
            value = bits.values[state & bits.mask]
            if group.refers(value):
                values.append((slot, group.seen_by(value, i)))
        where = [id(self._twin(model.location(state, p), p, first)) for p in group.actors[i]]
        for p in self._others:
            location = model.location(state, p)
            if self._remembers(location):
                where.append(id(self._twin(location, p, first)))
        return (tuple(where), tuple(values))

    def slots(self, places: Permutation) -> list[int]:
        """Return the place of every slot."""
        if places not in self._slots:
            group, ledger = self.group, self.model.ledger
            found = []
            for slot, (struct, key) in enumerate(ledger.owner):
                i = group.member.get(id(struct))
                there: Any = struct
                if i is not None:
                    there = group.structs[places[i]][group.number[id(struct)]]
                to = group.moved(key, places) if isinstance(struct, Map) else key
                if to not in there._at:
                    raise ModelError(
                        f"interchangeable: {ledger.paths[slot]} has no counterpart in {there.name}"
                    )
                found.append(there._at[to])
            self._slots[places] = found
        return self._slots[places]

    def actor(self, p: int, places: Permutation) -> int:
        """Return the actor that stands where actor `p` goes."""
        found = self.group.named.get(self.model.actors[p])
        if found is None:
            return p
        return self.group.actors[places[found[0]]][found[1]]

    def _twin(self, location: Location, p: int, places: Permutation) -> Location:
        """Return the location that a permutation takes a location of actor `p` to."""
        key = (id(location), places)
        twin = self._twins.get(key)
        if twin is None:
            to = self.actor(p, places)
            if location.parent is None:
                twin = self.model.locations[to][0]
            else:
                before = self._twin(location.parent, p, places)
                twin = self.model._enter(to, before, self.group.moved(location.answer, places))
            self._same_step(location, twin, p, to, places)
            self._twins[key] = twin
        return twin

    def _same_step(
        self, one: Location, other: Location, p: int, to: int, places: Permutation
    ) -> None:
        if (one.step is None) != (other.step is None):
            raise self._wrong(one, other, p, to)
        if one.step is None or other.step is None:
            return
        mine = (one.step.body.__code__, self.group.moved(one.step.on, places))
        given = self.group.moved((one.step.args, tuple(one.step.kwargs.items())), places)
        theirs = (other.step.body.__code__, other.step.on)
        taken = (other.step.args, tuple(other.step.kwargs.items()))
        if mine != theirs or token(given) != token(taken):
            raise self._wrong(one, other, p, to)

    def _wrong(self, one: Location, other: Location, p: int, to: int) -> ModelError:
        does = sorted(
            (number, "finishes" if each.step is None else f"does {each.step.label}")
            for number, each in ((p, one), (to, other))
        )
        (first, mine), (second, theirs) = ((self.model.actors[n], words) for n, words in does)
        return ModelError(
            f"{first} and {second} are not interchangeable: {first} {mine} where "
            f"{second} {theirs}. Leave them out of interchangeable=…, or declare the "
            "objects that belong to each of them beside its name."
        )

    def move(self, state: int, places: Permutation) -> int:
        """Return the state that a permutation of the members takes a state to."""
        self.refresh()
        pieces = self._pieces.get(places)
        if pieces is None:
            pieces = self._pieces[places] = list(self._new_pieces(places))
        after = state & ~self.mask
        for mask, known, find in pieces:
            part = state & mask
            to = known.get(part)
            if to is None:
                to = known[part] = find(part)
            after += to
        return after

    def _new_pieces(self, places: Permutation) -> Iterator[Piece]:
        """Yield how a permutation takes each part of a state to another."""
        for slot in self._moving:
            yield self.model.bits[slot].mask, {}, partial(self._value, slot, places)
        for p in self._movers:
            yield self.model.location_bits[p].mask, {}, partial(self._location, p, places)

    def _value(self, slot: int, places: Permutation, part: int) -> int:
        value = self.group.moved(self.model.bits[slot].values[part], places)
        return self.model.pack(self.model.bits[self.slots(places)[slot]], value)

    def _location(self, p: int, places: Permutation, part: int) -> int:
        twin = self._twin(self.model.location_bits[p].values[part], p, places)
        return self.model.location_bits[self.actor(p, places)].codes[token(twin)]

    def swaps(self) -> Iterator[Permutation]:
        """Yield permutations that generate all."""
        for i in range(self.count - 1):
            places = list(range(self.count))
            places[i], places[i + 1] = i + 1, i
            yield tuple(places)

    def _unequal(self) -> Iterator[tuple[int, int]]:
        """Yield the slots whose counterpart begins with another value, with the counterpart."""
        initial = self.model.ledger.initial
        for places in self.swaps():
            for slot, to in enumerate(self.slots(places)):
                value = self.group.moved(initial[slot], places)
                if token(value) != token(initial[to]):
                    yield slot, to

    def _check_equal(self) -> None:
        """Check that no step and no bad state looks at what differs at the start."""
        if self.unequal:
            looked = set(self.model.judge.slots)
            looked.update(
                *(location.touched for known in self.model.locations for location in known.values())
            )
            for slot, to in self.unequal.items():
                if slot in looked:
                    paths, initial = self.model.ledger.paths, self.model.ledger.initial
                    raise ModelError(
                        f"interchangeable: at the start {paths[slot]} is {initial[slot]!r} and "
                        f"{paths[to]} is {initial[to]!r}, and the model looks at them; what "
                        "changes places must begin equal"
                    )

    def check(self, ends: Iterable[int]) -> None:
        """Check that every learned row, and every row of the bad states, moved is a row again."""
        done: set[tuple[int, int, Permutation]] = set()
        self._check_equal()
        waiting = True
        while waiting:
            waiting = False
            for p, state in [*self._examples(), *((-1, state) for state in self._judged())]:
                for places in self.swaps():
                    if (p, state, places) not in done:
                        done.add((p, state, places))
                        waiting = True
                        if p < 0:
                            self._check_judge(state, places)
                        else:
                            self._check_row(p, state, places)
        self._check_equal()
        for state in ends:
            for twin in self.orbit(state):
                self._check_end(state, twin)

    def _check_row(self, p: int, state: int, places: Permutation) -> None:
        model = self.model
        twin, to = self.move(state, places), self.actor(p, places)
        after, theirs = model.successor(state, p), model.successor(twin, to)
        if (None if after is None else self.move(after, places)) != theirs:
            raise self._wrong(model.location(state, p), model.location(twin, to), p, to)

    def orbit(self, state: int) -> set[int]:
        """Return all states that differ from one by who is who."""
        found, work = {state}, [state]
        for each in work:
            for places in self.swaps():
                twin = self.move(each, places)
                if twin not in found:
                    found.add(twin)
                    work.append(twin)
        return found

    def _check_end(self, state: int, twin: int) -> None:
        here, there = self.model.judge.end(state), self.model.judge.end(twin)
        if here != there:
            raise self._apart(min(here ^ there))

    def _judged(self) -> set[int]:
        dropped = (key for key, _, _ in self.model.judge.dropped)
        return {*self.model.judge.row[1], *dropped}

    def _check_judge(self, state: int, places: Permutation) -> None:
        here, there = self.model.judge(state), self.model.judge(self.move(state, places))
        if here != there:
            raise self._apart(min(here ^ there))

    def _apart(self, bad_state: str) -> ModelError:
        members = " and ".join(" ".join(words) for words in self.group.words)
        return ModelError(
            f"interchangeable: the bad state {bad_state} tells {members} apart. A bad state that "
            "looks at one of them must look at all of them in the same way."
        )

    def _examples(self) -> Iterator[tuple[int, int]]:
        """Yield, for each learned row, its actor and a state in which it applies."""
        model = self.model
        for p, known in enumerate(model.locations):
            for location in list(known.values()):
                if location.step is not None:
                    here = model.location_bits[p].codes[token(location)]
                    for key in (*location.row[1], *(other[0] for other in location.others)):
                        yield p, (key & ~model.location_bits[p].mask) + here
