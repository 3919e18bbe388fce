"""Numbers that are read at a glance: counts of references and of invalidations, sequences.

A count of references is a number and as many dots; a sequence says whether it is odd, which means
that a writer is inside; a flag is a sign and a word.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmviz.engine import Struct
from mmviz.kernel.driver.umem_odp import UmemOdp
from mmviz.kernel.hmm.hmm import CountedMm
from mmviz.kernel.hmm.range import HmmRange, RangedHmm
from mmviz.kernel.mm.mm_count import MmCounts
from mmviz.kernel.notifier.interval_seq import (
    DeferringSubscriptions,
    IntervalSub,
    SeqSubscriptions,
)
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.sync.kfree_rcu import Module
from mmviz.kernel.sync.locks import SeqCount, WaitQueue
from mmviz.kernel.sync.refcount import RefCount
from mmviz.kernel.sync.waitqueue import Completion
from mmviz.scene.forms.chips import lists_of
from mmviz.scene.look import Look
from mmviz.scene.marks import Box, Mark, Text
from mmviz.scene.reach import Reach
from mmviz.scene.shapes import Form, Shape, shaped

MOST_DOTS = 4
DOT = 1.5  # cells from one dot to the next

Note = Callable[[Any], tuple[str, str]]  # a value -> the role of its badge, and a word beside it


def badge(path: str, reach: Reach, note: Note, dots: bool = False) -> Form:
    """Return a number in a badge, with dots as many as it says, or a word."""
    values = [value for value in reach.values[path] if isinstance(value, int)]
    digits = max((len(_shown(value)) for value in values), default=1)
    wide = digits + 2.0
    most = max(values, default=0) if dots else 0
    count = int(most) if 0 < most <= MOST_DOTS else 0
    word = max((len(note(value)[1]) for value in reach.values[path]), default=0)
    beside = max(DOT * count, word) + 1 if count or word else 0.0

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        value = look[path]
        role, said = note(value)
        shape = (x, y + 0.1, wide, 0.94)
        yield Box(*shape, role, f"badge:{path}", round=0.4)
        yield Box(*shape, "cell", f"cell:{path}:badge", path, 0.4)
        digits = _shown(value)
        at = x + (wide - len(digits)) / 2
        yield Text(at, y + 0.08, digits, _ink(role), True, True, f"field:{path}", path)
        for index in range(count):
            seen = isinstance(value, int) and index < value
            left = x + wide + 0.8 + DOT * index
            yield _dot(f"dot:{path}:{index}", left, y + 0.33, seen)
        if word and not (count and value):
            ink = "held" if role == "held" else "label"
            yield Text(x + wide + 1, y + 0.08, said, ink, False, True, f"word:{path}", path)

    return Form(wide + beside, draw)


def _dot(key: str, x: float, y: float, seen: bool) -> Box:
    """Draw one dot; one that is not there has no width."""
    return Box(x, y, 0.9, 0.48, "pad" if seen else "clear", key, round=0.24)


def _shown(value: Any) -> str:
    return "?" if value is None else str(int(value))


def _ink(role: str) -> str:
    return role if role in ("held", "ghost", "good", "bad") else "value"


def flag(path: str, good: Mapping[Any, str], words: Mapping[Any, str]) -> Form:
    """Return a flag as a word in a badge, whose role says what it means."""
    wide = max(map(len, words.values())) + 2.0

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        value = look[path]
        role = good.get(value, "plain")
        shape = (x, y + 0.1, wide, 0.94)
        yield Box(*shape, role, f"badge:{path}", round=0.4)
        yield Box(*shape, "cell", f"cell:{path}:badge", path, 0.4)
        yield Text(x + 1, y + 0.08, words[value], _ink(role), False, True, f"field:{path}", path)

    return Form(wide, draw)


def references(count: int) -> tuple[str, str]:
    """Return how a count of references reads; at zero the object is about to go."""
    return ("plain", "") if count else ("ghost", "")


def users(count: int) -> tuple[str, str]:
    """Return how the users of an address space read; with the last one its end begins."""
    return ("plain", "") if count else ("ghost", "no user")


def busy(count: int) -> tuple[str, str]:
    """Return how a count of what is under way reads."""
    if count < 0:
        return "blocked", "below 0"
    return ("held", "open") if count else ("plain", "")


def odd(sequence: int) -> tuple[str, str]:
    """Return how a sequence reads that is odd while a writer is inside."""
    return ("held", "odd: inside") if sequence % 2 else ("plain", "even")


def plain(_number: int) -> tuple[str, str]:
    """Return how a number reads that only grows."""
    return "plain", ""


def _numbers(
    struct: Struct, reach: Reach, labels: Mapping[str, str], notes: Mapping[str, Note]
) -> Shape:
    """Return the shape of an object with badges for numbers; dots for what is `references`."""
    here = {key: struct.path(key) for key in notes if struct.path(key) in reach.values}
    forms = {
        path: badge(path, reach, notes[key], notes[key] in (references, users))
        for key, path in here.items()
    }
    known = {struct.path(key): label for key, label in labels.items()}
    return Shape(labels=known, forms=forms | lists_of(struct, reach))


@shaped.register
def _(struct: MmuNotifierSubscriptions, reach: Reach) -> Shape:
    return _numbers(
        struct,
        reach,
        {"active_invalidate_ranges": "active"},
        {"active_invalidate_ranges": busy},
    )


@shaped.register
def _(struct: SeqSubscriptions, reach: Reach) -> Shape:
    return _numbers(
        struct,
        reach,
        {"active_invalidate_ranges": "active", "invalidate_seq": "seq"},
        {"active_invalidate_ranges": busy, "invalidate_seq": odd},
    )


@shaped.register
def _(struct: DeferringSubscriptions, reach: Reach) -> Shape:
    return _numbers(struct, reach, {"invalidate_seq": "seq"}, {"invalidate_seq": odd})


@shaped.register
def _(struct: IntervalSub, reach: Reach) -> Shape:
    return _numbers(struct, reach, {"invalidate_seq": "seq"}, {"invalidate_seq": plain})


@shaped.register
def _(struct: MmuNotifier, reach: Reach) -> Shape:
    return _numbers(
        struct,
        reach,
        {"mmu_invalidate_seq": "seq", "mmu_invalidate_in_progress": "in progress"},
        {"mmu_invalidate_seq": plain, "mmu_invalidate_in_progress": busy},
    )


@shaped.register
def _(struct: UmemOdp, reach: Reach) -> Shape:
    made = shaped.dispatch(MmuNotifier)(struct, reach)
    active = struct.path("mn_counters_active")
    form = flag(active, {True: "good", False: "ghost"}, {True: "active", False: "not yet"})
    labels = {**made.labels, active: "counters", struct.path("in_tree"): "tree"}
    return made._replace(labels=labels, forms={**made.forms, active: form})


@shaped.register
def _(struct: SeqCount, reach: Reach) -> Shape:
    return _numbers(struct, reach, {}, {"sequence": odd})


@shaped.register
def _(struct: Completion, reach: Reach) -> Shape:
    return _numbers(struct, reach, {}, {"done": plain})


@shaped.register
def _(struct: RefCount, reach: Reach) -> Shape:
    return _counted(struct, reach)


@shaped.register
def _(struct: RangedHmm, reach: Reach) -> Shape:
    return _counted(struct, reach)


def _counted(struct: Struct, reach: Reach) -> Shape:
    """Return the shape of a counted object; of a struct hmm, its mirrors and invalidations too."""
    made = _numbers(
        struct, reach, {}, {"refs": references, "mirrors": references, "notifiers": busy}
    )
    dead = struct.path("dead")
    if dead in reach.values and reach.varies(dead):
        form = flag(dead, {True: "ghost"}, {False: "alive", True: "gone"})
        labels = {**made.labels, dead: "process"}
        made = made._replace(forms={**made.forms, dead: form}, labels=labels)
    return made


@shaped.register
def _(struct: MmCounts, reach: Reach) -> Shape:
    labels = {"subscribed": "notifiers"} if hasattr(type(struct), "subscribed") else {}
    return _numbers(struct, reach, labels, {"mm_users": users, "mm_count": references})


@shaped.register
def _(struct: CountedMm, reach: Reach) -> Shape:
    return _numbers(struct, reach, {}, {"mm_users": users, "mm_count": references})


@shaped.register
def _(struct: HmmRange, reach: Reach) -> Shape:
    valid = struct.path("valid")
    roles, words = {True: "good", False: "ghost"}, {True: "valid", False: "not valid"}
    return Shape(forms={valid: flag(valid, roles, words)})


@shaped.register
def _(struct: WaitQueue, reach: Reach) -> Shape:
    woken = struct.path("woken")
    return Shape(forms={woken: flag(woken, {True: "good"}, {True: "woken", False: "asleep"})})


@shaped.register
def _(module: Module, reach: Reach) -> Shape:
    loaded = module.path("loaded")
    roles, words = {True: "good", False: "ghost"}, {True: "loaded", False: "unloaded"}
    return Shape(labels={loaded: "code"}, forms={loaded: flag(loaded, roles, words)})
