"""MMU notifiers: invalidations of an address space, their subscribers, and what each remembers.

At the top, the address space with its open invalidations, and the subscribers. Below, along the
steps: invalidations from start to end, callbacks and whether they may sleep, samples and since
when they are stale, sequence numbers and counts, readers, grace periods.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from textwrap import wrap

from mmviz.engine import Frame, Run
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.scene.cards import gone
from mmviz.scene.grace import grace_lanes
from mmviz.scene.lanes import Cell, Lane, lanes
from mmviz.scene.layout import PANE
from mmviz.scene.lit import wrong
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.reach import Reach
from mmviz.scene.searched import SearchedCase
from mmviz.scene.subscriptions import Subscription, subscriptions
from mmviz.scene.theme import CLEAR
from mmviz.scene.timeline import begins, beyond
from mmviz.scene.windows import Accounts, Window
from mmviz.scene.words import since

MARGIN, LABEL = 0.5, 33.0  # the left margin; where the cells begin
COLUMN = 6  # cells of a step
MOST_COLUMNS, FEWEST_COLUMNS = int((PANE - LABEL - MARGIN) / COLUMN), 8  # steps on a page
ROW, BOX, SENTENCE, HEAD = 1.35, 1.15, 1.15, 1.3  # lines: a lane, its box, its sentence, a heading
MOST_LANES, MOST_ADDRESSES = 10, 6  # in one section; in the bar

TIPS = {
    "notifier:addresses": "The address space; a range that an invalidation covers is shaded.",
    "notifier:Invalidation, start to end": "From range_start to range_end, "
    "a driver must not map the range; several invalidations may be open at once.",
    "notifier:Inside a callback": "The actor runs a driver's callback (mmu_notifier_ops); "
    "where a cell text spin or rcu, it must not sleep.",
    "notifier:Sample, fresh or stale": "A value read before a lookup, to detect an invalidation "
    "during the lookup; a sample is stale once an invalidation has begun.",
    "notifier:Sequence and count": "The counters and flags that track invalidations, "
    "after each step.",
    "notifier:Reader of SRCU": "From srcu_read_lock() to srcu_read_unlock(); a reader may sleep.",
    "notifier:Reader of RCU": "From rcu_read_lock() to rcu_read_unlock(); a reader must not sleep.",
    "notifier:Grace period": "It ends when every reader that was inside at its start has left.",
}


class Notifier:
    """The notifiers, read sections and grace periods of a case."""

    name, title, looks_ahead = "notifier", "MMU notifiers", False
    tips: Mapping[str, str] = TIPS

    def __init__(self, searched: SearchedCase) -> None:
        reach, model = searched.reach, searched.model
        self.accounts, self.witnesses = Accounts(reach, model), searched.witnesses
        self.subscriptions = subscriptions(self.accounts.structs, reach)
        every = lanes(self.accounts, reach, self.subscriptions) + grace_lanes(self.accounts, reach)
        self.lanes, self.left_out = _most(every)
        self.ranges = _ranges(self.accounts, reach) if self.accounts.gauges else []
        deep = sum(max(each.depth for each in some.values()) for some in model.locations)
        self.columns = min(max(deep + 1, FEWEST_COLUMNS), MOST_COLUMNS)
        self.width = LABEL + self.columns * COLUMN + MARGIN

    def scene(self, run: Run, k: int) -> Scene:
        """Draw frame `k`, and nothing of later steps."""
        frames = run.frames
        frame = frames[k]
        bad = self.witnesses.of_frame(frame)
        marks: list[Box | Line | Text] = []
        y = 0.3
        if self.ranges:
            marks += self._bar(frame, y)
            y += 2.7
        for each in self.subscriptions:
            marks += self._subscription(each, frame, y, bad)
            y += SENTENCE
        y += 0.5 if self.subscriptions else 0
        first = begins(k, self.columns)
        shown = range(first, first + self.columns)
        marks += self._axis(frames, k, shown, y)
        y += 2.6
        section = ""
        for lane in self.lanes:
            if lane.section != section:
                section = lane.section
                marks.append(Box(MARGIN, y, LABEL - 2, HEAD, CLEAR, f"notifier:{section}"))
                marks.append(Text(MARGIN, y + 0.1, section, "quiet", bold=True))
                y += HEAD
            marks += self._lane(lane, frames, k, shown, y, bad)
            y += ROW + (SENTENCE * lane.rows if lane.sentence else 0)
        if self.left_out:
            marks.append(Text(MARGIN, y, shorten(self.left_out, int(self.width) - 2), "quiet"))
            y += SENTENCE
        return sheet(self.width, y + 0.3, marks)

    def text(self, run: Run, k: int) -> str:
        """Return frame `k` as text."""
        frame = run.frames[k]
        lines = [f"after step {k}" if k else "at the start"]
        if self.ranges:
            names = ", ".join(name for name, _ in self.ranges)
            lines.append(f"Address space ({names}): {self._invalidated(frame)}")
        for each in self.subscriptions:
            lines.append(f"{each.struct.name} ({each.kind}): {each.text(frame.values, 200)}")
        for lane in self.lanes:
            words = lane.sentence(frame)[0] if lane.sentence else lane.cell(frame).word
            if words:
                lines.append(f"{lane.section}: {lane.label}: {words}")
        return "\n".join([*lines, self.left_out] if self.left_out else lines)

    def _covering(self, frame: Frame, paths: frozenset[str]) -> str:
        """Return which actors invalidate a range, "" for none."""
        found: dict[str, Window] = {}
        for one in self.accounts.account(frame).windows:
            if one.path in paths:
                found.setdefault(one.actor, one)
        actors = ", ".join(
            f"{actor or 'an unknown actor'} {since(one.since)}" for actor, one in found.items()
        )
        return f"invalidated by {actors}" if actors else ""

    def _invalidated(self, frame: Frame) -> str:
        """Return which parts of the address space are being invalidated."""
        if len({paths for _, paths in self.ranges}) == 1:
            return self._covering(frame, self.ranges[0][1]) or "no invalidation is open"
        found = [(name, self._covering(frame, paths)) for name, paths in self.ranges]
        return "; ".join(f"{n} {words}" for n, words in found if words) or "no invalidation is open"

    def _bar(self, frame: Frame, y: float) -> Iterator[Box | Text]:
        """Draw the address space."""
        yield Text(MARGIN, y + 0.1, "Address space", "quiet", bold=True)
        wide = (self.width - LABEL - MARGIN) / len(self.ranges)
        for index, (name, paths) in enumerate(self.ranges):
            x = LABEL + index * wide
            role = "held" if self._covering(frame, paths) else "plain"
            yield Box(x, y, wide, BOX, role, "notifier:addresses")
            yield Text(x + 1, y + 0.05, shorten(name, int(wide) - 2), role, bold=True)
        words = shorten(self._invalidated(frame), int(self.width - LABEL) - 2)
        yield Text(LABEL + 1, y + 1.3, words, "plain", live=True)

    def _subscription(
        self, each: Subscription, frame: Frame, y: float, bad: Set[str]
    ) -> Iterator[Box | Text]:
        """Draw one notifier or list of notifiers, and its state."""
        written = any(change.field in each.fields for change in frame.writes)
        role = "ghost" if gone(each.struct, frame.values) else "written" if written else "plain"
        if not bad.isdisjoint({*each.fields, each.struct.path("freed")}):
            role = wrong(role)
        name = shorten(each.struct.name or "world", 12)
        yield Text(MARGIN, y + 0.05, name, "plain", bold=True)
        yield Text(MARGIN + 13, y + 0.05, shorten(each.kind, 19), "quiet")
        wide = self.width - LABEL - MARGIN
        yield Box(LABEL, y, wide, SENTENCE, role, f"object:{each.struct.name}")
        words = each.text(frame.values, int(wide) - 2)
        yield Text(LABEL + 1, y + 0.05, words, role, live=True)

    def _axis(
        self, frames: Sequence[Frame], k: int, shown: range, y: float
    ) -> Iterator[Box | Text]:
        """Draw the steps of the page: their numbers and actors."""
        yield Text(MARGIN, y + 0.1, "Step", "quiet", bold=True)
        earlier = beyond(shown[0], k, k) if shown[0] > 1 else ""
        yield Text(MARGIN, y + 1.1, earlier, "quiet", live=True)
        for index, n in enumerate(shown):
            x = LABEL + index * COLUMN
            role = "now" if n == k else "past" if n < k else "future"
            yield Box(x, y, COLUMN, 2.2, role, f"step:{n}" if n <= k else "")
            yield Text(x + 0.5, y + 0.1, str(n), role, bold=n == k, live=True)
            actor = shorten(frames[n].actor or "start", COLUMN - 1) if n <= k else ""
            yield Text(x + 0.5, y + 1.1, actor, role, bold=n == k, live=True)

    def _lane(
        self,
        lane: Lane,
        frames: Sequence[Frame],
        k: int,
        shown: range,
        y: float,
        bad: Set[str],
    ) -> Iterator[Box | Line | Text]:
        """Draw a lane: its label, a cell for each step of the page, its sentence."""
        yield Box(MARGIN, y, LABEL - MARGIN - 1, BOX, CLEAR, lane.key)
        yield Text(MARGIN + 1, y + 0.05, shorten(lane.label, int(LABEL) - 4), "plain")
        yield Line(((MARGIN, y + BOX), (self.width - MARGIN, y + BOX)), "rail")
        for index, n in enumerate(shown):
            x = LABEL + index * COLUMN
            cell = lane.cell(frames[n]) if n <= k else Cell()
            role = cell.role
            if n == k and cell.bold and role in ("past", "held"):
                role = "written"
            if n == k and lane.field in bad and role != CLEAR:
                role = wrong(role)
            yield Box(x, y, COLUMN, BOX, role, f"step:{n}" if n <= k else "")
            word = shorten(cell.word, COLUMN - 1)
            yield Text(x + 0.5, y + 0.05, word, role, cell.bold, live=True)
        if lane.sentence:
            words, role = lane.sentence(frames[k])
            room = int(self.width - 2 * MARGIN) - 2
            lines = wrap(words, room, max_lines=lane.rows, placeholder=" …")
            for index in range(lane.rows):
                line = lines[index] if index < len(lines) else ""
                at = y + BOX + 0.02 + index * SENTENCE
                yield Text(MARGIN + 1, at, line, role, role == "bad", live=True)


def notifier(searched: SearchedCase) -> Notifier | None:
    """Return the view of a case's notifiers and read sections; None if it has neither."""
    view = Notifier(searched)
    return view if view.lanes else None


def _most(every: Sequence[Lane]) -> tuple[list[Lane], str]:
    """Return the first lanes of each section, and a line that names the others."""
    kept: list[Lane] = []
    more: list[str] = []
    for lane in every:
        if sum(each.section == lane.section for each in kept) < MOST_LANES:
            kept.append(lane)
        else:
            more.append(lane.label)
    left_out = f"… {len(more)} more, not drawn: {', '.join(more)}" if more else ""
    return kept, left_out


def _ranges(accounts: Accounts, reach: Reach) -> list[tuple[str, frozenset[str]]]:
    """Return the parts of the bar: the lists of notifiers, or the addresses if there is one list.

    An invalidation covers the whole range of its list. Addresses that no step changes are folded.
    """
    paths = list(accounts.gauges)
    if len(paths) > 1:
        pieces = [(path.rpartition(".")[0], frozenset({path})) for path in paths]
        folded = pieces[MOST_ADDRESSES - 1 :] if len(pieces) > MOST_ADDRESSES else []
        if folded:
            covers = frozenset(path for _, each in folded for path in each)
            pieces = [*pieces[: MOST_ADDRESSES - 1], (f"{len(folded)} more ranges", covers)]
        return pieces
    tables = [
        struct
        for struct in accounts.structs
        if isinstance(struct, PageTable) and not isinstance(struct, DevicePageTable)
    ]
    known = {key: t.pte.path(key) for t in tables for key in t.pte}
    names = list(known)
    if len(names) > MOST_ADDRESSES:
        touched = [name for name in names if reach.varies(known[name])][: MOST_ADDRESSES - 1]
        more = len(names) - len(touched)
        names = [*touched, f"{more} more pages"]
    covers = frozenset(paths)
    return [(str(name), covers) for name in names] or [("all addresses", covers)]
