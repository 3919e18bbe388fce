"""Who is told of invalidations, and how it stands with each, in words."""

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Struct, spoken
from mmviz.kernel import interval_seq
from mmviz.kernel.hmm import Hmm, HmmMm
from mmviz.kernel.hmm_mirror import HmmMirror
from mmviz.kernel.hmm_of_mm import HmmOfMm
from mmviz.kernel.hmm_range import HmmRange, RangedHmm
from mmviz.kernel.interval_notifier import MmuIntervalNotifier
from mmviz.kernel.mm_struct import MmStruct
from mmviz.kernel.notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.notifier_users import CountedNotifier, NotifierList
from mmviz.kernel.umem_odp import LateInterval, UmemOdp
from mmviz.scene.cards import Values, can_go, gone
from mmviz.scene.marks import shorten
from mmviz.scene.reach import Reach

State = Callable[[Values], str]


class Subscription(NamedTuple):
    """One end of the telling: the core's list, or a driver's notifier on it.

    Attributes:
        struct: the object.
        kind: what it is.
        fields: the paths its state is read from.
        state: says of the fields' values how it stands.
    """

    struct: Struct
    kind: str
    fields: tuple[str, ...]
    state: State

    def says(self, values: Values, width: int) -> str:
        """Say how it stands, within a width; of a freed one only that."""
        return gone(self.struct, values) or shorten(self.state(values), width)


@singledispatch
def subscribed(struct: Struct) -> tuple[str, tuple[str, ...], State] | None:
    """Return the kind of a subscription, its fields, and how they read; None for other objects."""
    return None


def _made(
    struct: Struct, kind: str, keys: Sequence[str], say: Callable[..., str]
) -> tuple[str, tuple[str, ...], State]:
    """Let `say` have the fields' values, in order."""
    paths = tuple(struct.path(key) for key in keys)
    return kind, paths, lambda values: say(*(values[path] for path in paths))


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _open(number: int) -> str:
    return f"{_several(number, 'invalidation')} open" if number else "no invalidation is open"


def _told(first: Struct | None) -> str:
    return f"told: {first.name}" if first is not None else "nobody is told"


@subscribed.register
def _(subs: MmuNotifierSubscriptions) -> Any:
    return _made(subs, "the core's list", ["active_invalidate_ranges"], _open)


@subscribed.register
def _(subs: interval_seq.SeqSubscriptions) -> Any:
    def say(active: int, seq: int) -> str:
        return f"{_open(active)}; invalidate_seq {seq} is {'odd' if seq % 2 else 'even'}"

    return _made(subs, "the core's list", ["active_invalidate_ranges", "invalidate_seq"], say)


@subscribed.register
def _(subs: interval_seq.DeferringSubscriptions) -> Any:
    def say(seq: int, itree: Any, deferred: Any) -> str:
        odd = "odd: invalidating" if seq % 2 else "even: quiet"
        tree = f"{itree.name} in the tree" if itree is not None else "nothing in the tree"
        return f"invalidate_seq {seq} is {odd}; {tree}" + ", to leave it" * (deferred is not None)

    return _made(subs, "the core's list", ["invalidate_seq", "itree", "deferred"], say)


@subscribed.register
def _(subs: HmmOfMm) -> Any:
    def say(active: int, hmm: Any) -> str:
        return f"{_open(active)}; {_told(hmm)}"

    return _made(subs, "the core's list", ["active_invalidate_ranges", "hmm"], say)


@subscribed.register
def _(notifier: MmuNotifier) -> Any:
    def say(seq: int, count: int) -> str:
        heard = f"{count} in progress" if count else "nothing in progress"
        return f"mmu_invalidate_seq {seq}, {heard}"

    keys = ["mmu_invalidate_seq", "mmu_invalidate_in_progress"]
    return _made(notifier, "driver's two words", keys, say)


@subscribed.register
def _(odp: UmemOdp) -> Any:
    def say(seq: int, count: int, in_tree: bool, counts: bool) -> str:
        told = "in the tree" if in_tree else "not in the tree: not told"
        return f"{told}; {'counts' if counts else 'does not count yet'}: seq {seq}, {count} running"

    keys = ["mmu_invalidate_seq", "mmu_invalidate_in_progress", "in_tree", "mn_counters_active"]
    return _made(odp, "driver's two words", keys, say)


def _interval(invalidating: bool, undisturbed: frozenset[str]) -> str:
    busy = "being invalidated" if invalidating else "quiet"
    who = ", ".join(sorted(undisturbed))
    return f"{busy}; read sections not disturbed: {who or 'none'}"


@subscribed.register
def _(interval: MmuIntervalNotifier) -> Any:
    return _made(interval, "interval notifier", ["invalidating", "undisturbed"], _interval)


@subscribed.register
def _(interval: LateInterval) -> Any:
    def say(busy: bool, undisturbed: frozenset[str], in_tree: bool) -> str:
        told = "in the tree" if in_tree else "not in the tree: not told"
        return f"{told}; {_interval(busy, undisturbed)}"

    return _made(interval, "interval notifier", ["invalidating", "undisturbed", "in_tree"], say)


@subscribed.register
def _(sub: interval_seq.IntervalSub) -> Any:
    return _made(sub, "interval notifier", ["invalidate_seq"], lambda seq: f"invalidate_seq {seq}")


@subscribed.register
def _(hmm: Hmm) -> Any:
    def say(refs: int, mirrors: int) -> str:
        return f"{_several(refs, 'reference')}, {_several(mirrors, 'mirror')} on its list"

    return _made(hmm, "HMM's notifier", ["refs", "mirrors"], say)


@subscribed.register
def _(hmm: RangedHmm) -> Any:
    def say(dead: bool, notifiers: int, ranges: tuple[Struct, ...]) -> str:
        names = ", ".join(each.name for each in ranges) or "no range"
        end = "; its process has exited" if dead else ""
        return f"{_open(notifiers)}; {names} registered{end}"

    return _made(hmm, "HMM's notifier", ["dead", "notifiers", "ranges"], say)


@subscribed.register
def _(range_: HmmRange) -> Any:
    return _made(
        range_, "a driver's range", ["valid"], lambda valid: "valid" if valid else "not valid"
    )


@subscribed.register
def _(mirror: HmmMirror) -> Any:
    def say(listed: bool, hmm: Any) -> str:
        return f"{'on' if listed else 'not on'} the list; hmm {spoken(hmm)}"

    return _made(mirror, "a driver's mirror", ["listed", "hmm"], say)


@subscribed.register
def _(mm: HmmMm) -> Any:
    return _made(mm, "the core's list", ["notifier"], _told)


@subscribed.register
def _(notifiers: NotifierList) -> Any:
    return _made(notifiers, "the core's list", ["first"], _told)


@subscribed.register
def _(notifier: CountedNotifier) -> Any:
    return _made(notifier, "a driver's notifier", ["refs"], lambda users: _several(users, "user"))


@subscribed.register
def _(mm: MmStruct) -> Any:
    return _made(
        mm,
        "the core's list",
        ["subscribed"],
        lambda told: "a driver is subscribed" if told else "nobody is subscribed any more",
    )


def subscriptions(structs: Sequence[Struct], reach: Reach) -> list[Subscription]:
    """Return the subscriptions among the objects of a case, those left out that never change."""
    made = []
    for struct in structs:
        if found := subscribed(struct):
            kind, fields, state = found
            if can_go(struct) or any(map(reach.varies, fields)):
                made.append(Subscription(struct, kind, fields, state))
    return made
