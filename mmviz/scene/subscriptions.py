"""The subscribers to invalidations, and the state of each, in words."""

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Struct, spoken
from mmviz.engine.text import several
from mmviz.kernel.driver.umem_odp import UmemOdp
from mmviz.kernel.hmm.hmm import Hmm, HmmMm
from mmviz.kernel.hmm.hmm_of_mm import HmmOfMm
from mmviz.kernel.hmm.mirror import HmmMirror
from mmviz.kernel.hmm.range import HmmRange, RangedHmm
from mmviz.kernel.mm.mm_struct import MmStruct
from mmviz.kernel.notifier import interval_seq
from mmviz.kernel.notifier.interval import LateInterval, MmuIntervalNotifier
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.notifier.users import CountedNotifier, NotifierList
from mmviz.scene.cards import Values, can_be_freed, gone
from mmviz.scene.marks import shorten
from mmviz.scene.reach import Reach

State = Callable[[Values], str]


class Subscription(NamedTuple):
    """The core's list of notifiers, or a driver's notifier on it.

    Attributes:
        struct: the object.
        kind: its kind, in words.
        fields: the paths that make up its state.
        state: words the values of those fields.
    """

    struct: Struct
    kind: str
    fields: tuple[str, ...]
    state: State

    def text(self, values: Values, width: int) -> str:
        """Return the state in at most `width` characters; for a freed object, only "freed"."""
        return gone(self.struct, values) or shorten(self.state(values), width)


@singledispatch
def subscribed(struct: Struct) -> tuple[str, tuple[str, ...], State] | None:
    """Return the kind of a subscription, its fields, and their wording; None for other objects."""
    return None


def _made(
    struct: Struct, kind: str, keys: Sequence[str], wording: Callable[..., str]
) -> tuple[str, tuple[str, ...], State]:
    """Return a subscription whose state is `wording` of the fields' values."""
    paths = tuple(struct.path(key) for key in keys)
    return kind, paths, lambda values: wording(*(values[path] for path in paths))


def _open(number: int) -> str:
    return f"{several(number, 'invalidation')} open" if number else "no invalidation is open"


def _subscriber(first: Struct | None) -> str:
    return f"subscriber: {first.name}" if first is not None else "no subscriber"


@subscribed.register
def _(subs: MmuNotifierSubscriptions) -> Any:
    return _made(subs, "the core's list", ["active_invalidate_ranges"], _open)


@subscribed.register
def _(subs: interval_seq.SeqSubscriptions) -> Any:
    def wording(active: int, seq: int) -> str:
        return f"{_open(active)}; invalidate_seq {seq} is {'odd' if seq % 2 else 'even'}"

    return _made(subs, "the core's list", ["active_invalidate_ranges", "invalidate_seq"], wording)


@subscribed.register
def _(subs: interval_seq.DeferringSubscriptions) -> Any:
    def wording(seq: int, itree: Any, deferred: Any) -> str:
        odd = "odd: invalidating" if seq % 2 else "even: idle"
        tree = f"{itree.name} in the tree" if itree is not None else "nothing in the tree"
        return f"invalidate_seq {seq} is {odd}; {tree}" + ", its removal deferred" * (
            deferred is not None
        )

    return _made(subs, "the core's list", ["invalidate_seq", "itree", "deferred"], wording)


@subscribed.register
def _(subs: HmmOfMm) -> Any:
    def wording(active: int, hmm: Any) -> str:
        return f"{_open(active)}; {_subscriber(hmm)}"

    return _made(subs, "the core's list", ["active_invalidate_ranges", "hmm"], wording)


@subscribed.register
def _(notifier: MmuNotifier) -> Any:
    def wording(seq: int, count: int) -> str:
        running = f"{count} in progress" if count else "none in progress"
        return f"mmu_invalidate_seq {seq}, {running}"

    keys = ["mmu_invalidate_seq", "mmu_invalidate_in_progress"]
    return _made(notifier, "driver's counters", keys, wording)


@subscribed.register
def _(odp: UmemOdp) -> Any:
    def wording(seq: int, count: int, in_tree: bool, counts: bool) -> str:
        active = "counters active" if counts else "counters not active"
        return f"{_place(in_tree)}; {active}: seq {seq}, {count} running"

    keys = ["mmu_invalidate_seq", "mmu_invalidate_in_progress", "in_tree", "mn_counters_active"]
    return _made(odp, "driver's counters", keys, wording)


def _interval(invalidating: bool, undisturbed: frozenset[str]) -> str:
    busy = "being invalidated" if invalidating else "idle"
    actors = ", ".join(sorted(undisturbed))
    return f"{busy}; undisturbed read sections: {actors or 'none'}"


def _place(in_tree: bool) -> str:
    return "in the tree" if in_tree else "not in the tree: not notified"


@subscribed.register
def _(interval: MmuIntervalNotifier) -> Any:
    return _made(interval, "interval notifier", ["invalidating", "undisturbed"], _interval)


@subscribed.register
def _(interval: LateInterval) -> Any:
    def wording(busy: bool, undisturbed: frozenset[str], in_tree: bool) -> str:
        return f"{_place(in_tree)}; {_interval(busy, undisturbed)}"

    return _made(interval, "interval notifier", ["invalidating", "undisturbed", "in_tree"], wording)


@subscribed.register
def _(sub: interval_seq.IntervalSub) -> Any:
    return _made(sub, "interval notifier", ["invalidate_seq"], lambda seq: f"invalidate_seq {seq}")


@subscribed.register
def _(hmm: Hmm) -> Any:
    def wording(refs: int, mirrors: int) -> str:
        return f"{several(refs, 'reference')}, {several(mirrors, 'mirror')} on its list"

    return _made(hmm, "HMM's notifier", ["refs", "mirrors"], wording)


@subscribed.register
def _(hmm: RangedHmm) -> Any:
    def wording(dead: bool, notifiers: int, ranges: tuple[Struct, ...]) -> str:
        names = ", ".join(each.name for each in ranges) or "no range"
        end = "; its process has exited" if dead else ""
        return f"{_open(notifiers)}; {names} registered{end}"

    return _made(hmm, "HMM's notifier", ["dead", "notifiers", "ranges"], wording)


@subscribed.register
def _(range_: HmmRange) -> Any:
    return _made(
        range_, "a driver's range", ["valid"], lambda valid: "valid" if valid else "not valid"
    )


@subscribed.register
def _(mirror: HmmMirror) -> Any:
    def wording(listed: bool, hmm: Any) -> str:
        return f"{'on' if listed else 'not on'} the list; hmm {spoken(hmm)}"

    return _made(mirror, "a driver's mirror", ["listed", "hmm"], wording)


@subscribed.register
def _(mm: HmmMm) -> Any:
    return _made(mm, "the core's list", ["notifier"], _subscriber)


@subscribed.register
def _(notifiers: NotifierList) -> Any:
    return _made(notifiers, "the core's list", ["first"], _subscriber)


@subscribed.register
def _(notifier: CountedNotifier) -> Any:
    return _made(notifier, "a driver's notifier", ["refs"], lambda users: several(users, "user"))


@subscribed.register
def _(mm: MmStruct) -> Any:
    return _made(
        mm,
        "the core's list",
        ["subscribed"],
        lambda is_subscribed: (
            "a driver is subscribed" if is_subscribed else "no driver is subscribed"
        ),
    )


def subscriptions(structs: Sequence[Struct], reach: Reach) -> list[Subscription]:
    """Return the subscriptions among the objects of a case that change or may be freed."""
    made = []
    for struct in structs:
        if found := subscribed(struct):
            kind, fields, state = found
            if can_be_freed(struct) or any(map(reach.varies, fields)):
                made.append(Subscription(struct, kind, fields, state))
    return made
