"""Lifetimes of objects in a run: their counts, their end, and each use after it."""

from collections.abc import Sequence
from functools import singledispatch
from itertools import pairwise
from typing import NamedTuple

from mmviz.engine import Frame, Struct
from mmviz.kernel.iommu.io_mm import IoMm, SvaBond
from mmviz.kernel.iommu.iommu import CountedDomain, Domain, IommuGroup
from mmviz.kernel.iommu.module import IommuModule
from mmviz.kernel.mm.mm_count import MmCounts
from mmviz.kernel.mm.mm_struct import Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.rmap import MappedPage
from mmviz.kernel.sync.refcount import RefCount
from mmviz.scene.cards import Card, Values, can_be_freed, cards, gone, walk
from mmviz.scene.reach import Reach, structs_in


@singledispatch
def counts(struct: Struct) -> tuple[str, ...]:
    """Return the fields of an object that are reference counts."""
    return ()


@counts.register(RefCount)
@counts.register(Page)
@counts.register(CountedDomain)
@counts.register(IoMm)
@counts.register(SvaBond)
@counts.register(IommuModule)
def _(_counted: Struct) -> tuple[str, ...]:
    return ("refs",)


@counts.register(MappedPage)
def _(_page: Struct) -> tuple[str, ...]:
    return ("refs", "mapcount")


@counts.register
def _(_mm: MmCounts) -> tuple[str, ...]:
    return ("mm_users", "mm_count")


@singledispatch
def keeper(struct: Struct, reach: Reach) -> str:
    """Return what keeps an object alive."""
    return "its creator alone"


@keeper.register
def _(domain: Domain, reach: Reach) -> str:
    defaults = {
        each.name
        for group in walk(reach.world)
        if isinstance(group, IommuGroup)
        for value in reach.values[group.path("default_domain")]
        for each in structs_in(value)
    }
    return "the group's refs" if domain.name in defaults else "its creator alone"


@keeper.register
def _(_domain: CountedDomain, _reach: Reach) -> str:
    return "its refs"


@keeper.register(IommuGroup)
@keeper.register(IommuModule)
def _(_counted: Struct, _reach: Reach) -> str:
    return "refs, one per device"


@keeper.register(MmCounts)
@keeper.register(Pgd)
def _(_mm: Struct, _reach: Reach) -> str:
    return "mm_count"


@keeper.register(Page)
@keeper.register(RefCount)
def _(_counted: Struct, _reach: Reach) -> str:
    return "refs"


@keeper.register
def _(_io_mm: IoMm, _reach: Reach) -> str:
    return "refs, one per bond"


@keeper.register
def _(_bond: SvaBond, _reach: Reach) -> str:
    return "refs, one per bind"


class Subject(NamedTuple):
    """An object that has a lifetime.

    Attributes:
        card: the object, and the fields in its memory.
        paths: the paths of those fields, without `freed`.
        counts: the paths of its reference counts, by name.
    """

    card: Card
    paths: frozenset[str]
    counts: dict[str, str]

    def ended(self, values: Values) -> str:
        """Return "freed" or "free" after the object's end, "" before."""
        return gone(self.card.struct, values)


class Use(NamedTuple):
    """A step that uses an object after its end: "read", "written" or "used"."""

    step: int
    word: str


def subjects(reach: Reach) -> tuple[list[Subject], list[Subject]]:
    """Return the objects that some run frees or counts, and those that no run does."""
    start = {path: values[0] for path, values in reach.values.items()}
    changing: list[Subject] = []
    lasting: list[Subject] = []
    for card in cards(reach):
        struct = card.struct
        counted = {key: struct.path(key) for key in counts(struct)}
        if not (can_be_freed(struct) or counted):
            continue
        own = {struct.path(key): key for key, _ in struct.fields()}
        paths = {row.path for row in card.rows} | own.keys()
        subject = Subject(card, frozenset(paths - {struct.path("freed")}), counted)
        changes = any(reach.varies(path) for path in counted.values()) or any(
            bool(gone(struct, start | {path: value})) != bool(gone(struct, start))
            for path in own
            for value in reach.values[path]
        )
        (changing if changes else lasting).append(subject)
    return changing, lasting


def uses(frames: Sequence[Frame], subject: Subject) -> list[Use]:
    """Return each use of an object after its end, in the order of the steps."""
    return [
        Use(frame.index, word)
        for before, frame in pairwise(frames)
        if subject.ended(before.values) and (word := _use(before, frame, subject))
    ]


def _use(before: Frame, frame: Frame, subject: Subject) -> str:
    """Return how a step uses an object that had ended before it, "" if it does not.

    Reading the count of a freed object is how an actor notices, so it is a use only in a step that
    complains or reaches a bad state. Such a step also uses every object that it refers to; so does
    hardware, which checks nothing first.
    """
    struct = subject.card.struct
    fails = bool(frame.violated or frame.log)
    looked = frozenset() if fails else frozenset(subject.counts.values())
    memory = subject.paths - looked
    written = {change.field for change in frame.writes}
    if memory & written and subject.ended(frame.values):
        return "written"
    if memory & set(frame.reads) and subject.ended(frame.values):
        return "read"
    if not (fails or frame.cite == "hardware"):
        return ""
    stopped = frame.values["dead"] and struct.path("freed") in frame.reads
    met = [change.old for change in frame.writes] + [change.new for change in frame.writes]
    met.append(frame.answer)
    if fails:
        met += [before.values[path] for path in frame.reads]
    return "used" if stopped or any(struct in structs_in(value) for value in met) else ""
