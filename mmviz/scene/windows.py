"""What is open after a step: invalidations, samples, read sections, grace periods, callbacks.

The account of a frame follows from the account of the frame before and from the step. So it does
not depend on later steps, and each further step costs the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from mmviz.engine import Frame, Line, Model
from mmviz.kernel.hmm.hmm_of_mm import RangedDevice
from mmviz.kernel.mm.mm_struct import last_mmput, mmu_notifier_release
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.sync.rcu import Srcu, SrcuCallbacks
from mmviz.scene.cards import walk
from mmviz.scene.reach import Reach
from mmviz.scene.samples import Sample, checked, gauge, sampled, spoiled
from mmviz.scene.subscriptions import subscribed

# The members of struct mmu_notifier_ops, mmu_interval_notifier_ops and hmm_mirror_ops.
OPS = {
    *("invalidate_page", "invalidate_range_start", "invalidate_range", "invalidate_range_end"),
    *("arch_invalidate_secondary_tlbs", "change_pte", "release", "free_notifier", "invalidate"),
    *("alloc_notifier", "clear_flush_young", "sync_cpu_device_pagetables"),
}
COMMON = {"release", "invalidate"}  # names with other meanings in a case without subscribers
CALLERS = (last_mmput.__code__, mmu_notifier_release.__code__)  # they call release()


class Window(NamedTuple):
    """An open invalidation: the actor that began it, the field that counts it, since which step.

    If it was open at the start, in step 0, its actor is "".
    """

    actor: str
    path: str
    since: int


class Grace(NamedTuple):
    """A grace period: the step that began it, and the step that ended it (0: none yet)."""

    since: int
    over: int = 0


class Account(NamedTuple):
    """What is open after a step.

    Attributes:
        windows: the invalidations.
        samples: (actor, object) -> the actor's sample of the object.
        sections: (srcu, actor) -> the step that entered the section.
        graces: (srcu, waiter) -> the grace period.
        inside: actor in a callback -> its function, and the actor's first step in it; to its last.
        held: (actor, lock) -> since when.
        did: the effects of this step, by actor or pair: "start", "end", "retry" and so on.
    """

    windows: tuple[Window, ...] = ()
    samples: Mapping[tuple[str, str], Sample] = {}
    sections: Mapping[tuple[str, str], int] = {}
    graces: Mapping[tuple[str, str], Grace] = {}
    inside: Mapping[str, tuple[str, int]] = {}
    held: Mapping[tuple[str, str], int] = {}
    did: Mapping[Any, str] = {}


class Accounts:
    """The accounts of the runs of a case.

    Attributes:
        structs: every object of the case.
        gauges: the fields that count open invalidations.
        ops: the names of the callbacks.
    """

    def __init__(self, reach: Reach, model: Model) -> None:
        self.structs = walk(reach.world)
        self.model = model
        found = [one for one in map(gauge, self.structs) if one and reach.varies(one.path)]
        first = min((one.rank for one in found), default=0)
        self.gauges = {one.path: one for one in found if one.rank == first}
        has_subscribers = any(subscribed(struct) for struct in self.structs)
        self.ops = OPS if has_subscribers else OPS - COMMON
        self._core = [
            function.__wrapped__.__code__ if hasattr(function, "__wrapped__") else function.__code__
            for kind in _family(MmuNotifierSubscriptions)
            for function in vars(kind).values()
            if callable(function) and hasattr(function, "__code__")
        ]
        self._places: dict[tuple[Line, ...], str] = {}
        self._kept: WeakKeyDictionary[Frame, Account] = WeakKeyDictionary()

    def writers(self, path: str) -> list[str]:
        """Return the actors with a step that may change a field."""
        model = self.model
        return [actor for actor in model.actors if model.may_write(actor, path)]

    def callback(self, lines: tuple[Line, ...]) -> str:
        """Return the outermost callback in an actor's call stack, "" for none."""
        if lines not in self._places:
            self._places[lines] = self._callback(lines)
        return self._places[lines]

    def _callback(self, lines: Iterable[Line]) -> str:
        """Return the first function on the stack that is one of the ops and not the core's."""
        called = False
        for depth, line in enumerate(lines):
            if called or (depth and line.function in self.ops and not _within(line, self._core)):
                return line.function
            called = _within(line, CALLERS)
        return ""

    def account(self, frame: Frame) -> Account:
        """Return the account of a frame."""
        missing = []
        for one in frame.back():
            if one in self._kept:
                break
            missing.append(one)
        for one in reversed(missing):
            self._kept[one] = self._after(one)
        return self._kept[frame]

    def _after(self, frame: Frame) -> Account:
        """Return the account of a frame from the account of the frame before."""
        step, before = frame.step, frame.before
        if before is None or step is None:
            windows = tuple(
                Window("", one.path, 0)
                for one in self.gauges.values()
                for _ in range(one.open(frame.values[one.path]))
            )
            return Account(windows)  # a first step that is still to come is not inside anything
        old, actor, k = self._kept[before], frame.actor, frame.index
        did: dict[Any, str] = {}
        windows = self._windows(frame, old.windows, did)
        function = self.callback(before.next[actor].lines)
        own = step.body.__name__
        if not function and own in self.ops and step.cite == "driver":
            function = own
        inside = {
            other: at
            for other, at in old.inside.items()
            if other != actor and self._is_in(before, other, at[0])
        }
        if function:
            did["callback", actor] = function
            same = old.inside.get(actor)
            inside[actor] = same if same and same[0] == function else (function, k)
        held = {key: since for key, since in old.held.items() if key[0] != actor}
        for lock in frame.values[f"{actor}.held"]:
            held[actor, lock.name] = old.held.get((actor, lock.name), k)
        samples = self._samples(frame, old, windows, did)
        sections, graces = self._rcu(frame, old, did)
        return Account(windows, samples, sections, graces, inside, held, did)

    def _is_in(self, frame: Frame, actor: str, function: str) -> bool:
        """Tell whether the next step of an actor is in a callback, too."""
        return actor in frame.next and self.callback(frame.next[actor].lines) == function

    def _windows(
        self, frame: Frame, old: tuple[Window, ...], did: dict[Any, str]
    ) -> tuple[Window, ...]:
        """Open and close windows by the counts; an end closes its own actor's latest window."""
        windows = list(old)
        for change in frame.writes:
            if change.field not in self.gauges:
                continue
            count = self.gauges[change.field].open
            more = count(change.new) - count(change.old)
            for _ in range(more):
                windows.append(Window(frame.actor, change.field, frame.index))
                did["window", frame.actor] = "start"
            for _ in range(-more):
                mine = [one for one in windows if one.path == change.field]
                mine = [one for one in mine if one.actor == frame.actor][::-1] or mine
                did["window", frame.actor] = "end" if mine else "end?"
                if mine:
                    windows.remove(mine[0])
        return tuple(windows)

    def _samples(
        self, frame: Frame, old: Account, windows: tuple[Window, ...], did: dict[Any, str]
    ) -> Mapping[tuple[str, str], Sample]:
        """Take samples, mark stale ones, and note checks."""
        step, actor, k = frame.step, frame.actor, frame.index
        assert step is not None
        begins = did.get(("window", actor)) == "start"
        samples = {
            key: spoiled(sample, key[0], frame, begins) for key, sample in old.samples.items()
        }
        name, args = step.body.__name__, (*step.args, *step.kwargs.values())
        if found := sampled(step.on, name, args, frame.answer):
            struct, key, value = found
            sample = Sample(struct.path(key), value, k)
            if windows:
                first = next((one for one in windows if one.actor != actor), windows[0])
                sample = sample._replace(stale=k, by=first.actor, opened=True, inside=first.since)
            samples[actor, struct.name] = sample
            did["sample", actor, struct.name] = "take"
        found = checked(step.on, name, args, frame.answer)
        if found is None and isinstance(step.on, RangedDevice) and name == "map_if_valid":
            found = args[2], "valid", not frame.values[args[2].path("valid")]
        if found:
            struct, key, retry = found
            sample = samples.get((actor, struct.name), Sample(struct.path(key), None, 0))
            held = tuple(lock.name for lock in frame.values[f"{actor}.held"])
            if name == "map_if_valid":
                held = ("the driver's lock",)  # checked and mapped in one step
            samples[actor, struct.name] = sample._replace(checked=k, retry=retry, under=held)
            did["sample", actor, struct.name] = "retry" if retry else "pass"
        return samples

    def _rcu(self, frame: Frame, old: Account, did: dict[Any, str]) -> tuple[Any, Any]:
        """Return read sections, from the lists of readers, and grace periods, from their steps."""
        step, actor, k = frame.step, frame.actor, frame.index
        assert step is not None
        sections, graces = dict(old.sections), dict(old.graces)
        changes = {change.field: change for change in frame.writes}
        for srcu in (one for one in self.structs if isinstance(one, Srcu)):
            if change := changes.get(srcu.path("readers")):
                for reader in change.new - change.old:
                    sections[srcu.name, reader] = k
                    did["reader", srcu.name, reader] = "enter"
                for reader in change.old - change.new:
                    sections.pop((srcu.name, reader), None)
                    did["reader", srcu.name, reader] = "leave"
            waiter, begins, ends = actor, False, False
            if step.on is srcu or step.on.name == srcu.name:
                begins = step.body.__name__.startswith("start_poll_synchronize")
                ends = step.body.__name__.startswith("synchronize")
            if isinstance(srcu, SrcuCallbacks) and (change := changes.get(srcu.path("callbacks"))):
                waiter, begins, ends = "call_srcu", bool(change.new), not change.new
                begins = begins and len(change.new) > len(change.old)
            at = (srcu.name, waiter)
            if begins:
                if at not in graces or graces[at].over:  # else one more callback joins the queue
                    graces[at] = Grace(k)
                did["grace", *at] = "begin"
            elif ends and at in graces and not graces[at].over:
                graces[at] = graces[at]._replace(over=k)
                did["grace", *at] = "over"
        return sections, graces


def _family(kind: type) -> list[type]:
    """Return a class and all its subclasses."""
    children: list[type] = kind.__subclasses__()
    return [kind, *(each for child in children for each in _family(child))]


def _within(line: Line, codes: Iterable[Any]) -> bool:
    """Tell whether a line is in one of these functions."""
    return any(
        line.file == code.co_filename
        and line.function == code.co_name
        and code.co_firstlineno
        <= line.number
        <= max(number or 0 for _, _, number in code.co_lines())
        for code in codes
    )
