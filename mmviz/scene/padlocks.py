"""Padlocks: where the locks of a case are, and where those that an actor holds are shown.

Along the top of the picture each actor that takes a lock has a dock, with a place for every lock
that it may hold. A lock that is free is at home, in the row of the object it belongs to.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from mmviz.engine import Struct
from mmviz.engine.frame import named
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.rcu import Srcu
from mmviz.scene.cards import walk
from mmviz.scene.held import LOCKS
from mmviz.scene.look import Look, Part
from mmviz.scene.marks import Box, Line, Mark, Point, Text, shorten
from mmviz.scene.reach import Reach

WIDTH, LINE = 78.0, 1.35  # cells of a row of docks; lines that a row takes
LABELS = (20, 14, 10, 7, 5)  # the most characters of a lock's name; fewer if the docks get too wide
PAD, GAP = 2.1, 1.4  # cells of a padlock, and between two
Drawer = Callable[..., Iterator[Mark]]


class Held(NamedTuple):
    """A lock that an actor may hold: its field, and what the padlock says."""

    path: str
    words: str


class Dock(NamedTuple):
    """The place of one actor, and of each lock that it may hold, in rows from the left."""

    actor: str
    name: str
    rows: tuple[tuple[Held, ...], ...]

    @property
    def width(self) -> float:
        """The cells that it takes."""
        rows = [sum(PAD + len(held.words) + GAP for held in row) for row in self.rows]
        return len(self.name) + GAP + max(rows)


class Docks(NamedTuple):
    """The docks of all actors that take a lock, and where each begins."""

    docks: tuple[Dock, ...]
    at: tuple[float, ...]

    @property
    def height(self) -> float:
        """The lines that they take, with the air below."""
        return 0.5 + LINE * max((len(dock.rows) for dock in self.docks), default=0)

    def spread(self, width: float) -> "Docks":
        """Return them apart from each other on a sheet of some width."""
        widths = [dock.width for dock in self.docks]
        air = max(0.0, (width - 1.6 - sum(widths)) / max(len(widths) - 1, 1))
        return self._replace(at=tuple(accumulate((w + air for w in widths), initial=0.8))[:-1])

    def of(self, actor: str, path: str) -> Point | None:
        """Return where a lock is that an actor holds; None if it never does."""
        for dock, x in zip(self.docks, self.at, strict=True):
            for low, row in enumerate(dock.rows):
                left = x + len(dock.name) + GAP
                for held in row:
                    if dock.actor == actor and held.path == path:
                        return (left, 0.3 + LINE * low)
                    left += PAD + len(held.words) + GAP
        return None

    def words(self, actor: str, path: str) -> str:
        """Return what the padlock of a lock says while an actor holds it."""
        rows = [row for dock in self.docks if dock.actor == actor for row in dock.rows]
        return next((held.words for row in rows for held in row if held.path == path), "")


def docks(reach: Reach, actors: Sequence[str], taken: Mapping[str, Struct]) -> Docks:
    """Return a dock for each actor that takes a lock; those of the left columns first.

    Args:
        reach: the values that fields may have.
        actors: their names.
        taken: the locks, as `locks` returns them.
    """
    order = [*actors[::2], *reversed(actors[1::2])]
    wanted = {actor: list(_held(actor, reach, taken)) for actor in order}
    tries = [_docks(wanted, most, rows) for most in LABELS for rows in (1, 2)]
    fit = (made for made in tries if sum(dock.width for dock in made) <= WIDTH)
    found = next(fit, tries[-1])
    return Docks(tuple(found), (0.0,) * len(found))


def _docks(wanted: Mapping[str, Sequence[Held]], most: int, count: int) -> list[Dock]:
    """Return the docks with names of at most `most` characters, in at most `count` rows."""
    made = []
    for actor, locks in wanted.items():
        if locks:
            cut = [held._replace(words=_cut(held.words, most)) for held in locks]
            rows = tuple(tuple(cut[at::count]) for at in range(min(count, len(cut))))
            made.append(Dock(actor, shorten(actor, max(most, 5)), rows))
    return made


def _cut(words: str, most: int) -> str:
    """Return the name of a lock with its mode, cut to `most` characters without the mode."""
    name, gap, mode = words.partition(" (")
    return (name if len(name) <= most else f"{name[: most - 1]}…") + gap + mode


def _held(actor: str, reach: Reach, taken: Mapping[str, Struct]) -> Iterator[Held]:
    """Yield the locks that an actor may hold."""
    short = Counter(map(label, {id(lock): lock for lock in taken.values()}.values()))
    for path, lock in taken.items():
        if any(actor in named(value) for value in reach.values.get(path, ())):
            name = label(lock) if short[label(lock)] == 1 else lock.name
            mode = {"writer": " (w)", "readers": " (r)"}.get(path.rpartition(".")[2], "")
            yield Held(path, f"{name}{mode}")


def locks(reach: Reach) -> dict[str, Struct]:
    """Return the locks of a case, and what can be held like one, by the fields with the holders."""
    found = (struct for struct in walk(reach.world) if isinstance(struct, (*LOCKS, Page)))
    return {path: lock for lock in found for path in holders(lock)}


def holders(lock: Struct) -> tuple[str, ...]:
    """Return the paths of the fields that name the holders of a lock."""
    names = {key for key, _ in lock.fields()}
    return tuple(lock.path(key) for key in ("owner", "writer", "readers", "locked") if key in names)


def label(lock: Struct) -> str:
    """Return the name of a lock without what it belongs to."""
    return lock.name.rpartition(".")[2].rpartition("->")[2] or lock.name


def padlocks(
    reach: Reach, taken: Mapping[str, Struct], at: Docks, home: Callable[[str], Point]
) -> Iterator[Part]:
    """Yield the names of the docks and the padlock of each lock that some step takes."""
    for dock, x in zip(at.docks, at.at, strict=True):
        yield Part(f"dock:{dock.actor}", partial(_name, dock, x))
    for path, lock in taken.items():
        if reach.varies(path):
            takers = [dock.actor for dock in at.docks if at.of(dock.actor, path)]
            others = tuple(other for other, same in taken.items() if same is lock and other != path)
            is_many = path.endswith(".readers")
            only = is_many and not any(map(reach.varies, others))
            for actor in takers if is_many else [""]:
                draw = pill if isinstance(lock, Srcu) else padlock
                is_first = not actor or (only and actor == takers[0])
                hidden_by = () if actor else others
                other = next((each for each in others if not reach.varies(each)), "")
                drawn = partial(draw, other=other)
                yield _padlock(path, actor, takers, at, home(path), drawn, is_first, hidden_by)


def _name(dock: Dock, x: float, _look: Look) -> Iterator[Mark]:
    yield Text(x, 0.35, dock.name, "label", key=f"dock:{dock.actor}")


def _padlock(
    path: str,
    reader: str,
    takers: Iterable[str],
    at: Docks,
    home: Point,
    draw_it: Drawer,
    is_seen: bool,
    others: tuple[str, ...] = (),
) -> Part:
    """Return the padlock of a lock, or of one of its readers.

    At home it is not to be seen while `others`, the fields of its readers, name a holder.
    """
    key = f"lock:{path}:{reader}" if reader else f"lock:{path}"

    def draw(look: Look) -> Iterator[Mark]:
        holding = named(look[path])
        owner = next((actor for actor in takers if actor in holding), "")
        if reader:
            owner = reader if reader in holding else ""
        place = at.of(owner, path) if owner else None
        if place is None:
            is_free = not any(named(look[other]) for other in others)
            yield from draw_it(key, path, *home, "", False, is_seen and is_free)
        else:
            yield from draw_it(key, path, *place, at.words(owner, path), True)

    return Part(key, draw)


def padlock(
    key: str,
    path: str,
    x: float,
    y: float,
    words: str,
    is_held: bool,
    is_seen: bool = True,
    other: str = "",
) -> Iterator[Mark]:
    """Draw a padlock, 1.6 cells wide, open or shut, and the name of what it locks.

    The words, which say in which mode it is held, also stand for the `other` mode, which no run
    of the case uses.
    """
    up, foot = (0.02, 0.5) if is_held else (-0.1, 0.25)
    points = ((x + 0.35, y + 0.5), (x + 0.35, y + up), (x + 1.25, y + up), (x + 1.25, y + foot))
    role = "pad" if is_held else "padoff"
    line, body = (f"{role}line", role) if is_seen else ("clear", "clear")
    yield Line(points, line, False, f"{key}:shackle", curved=True)
    yield Box(x, y + 0.45, 1.6, 0.5, body, f"{key}:body", path, 0.12)
    yield Text(x + PAD, y + 0.05, words, "held", False, True, f"{key}:words", other)


def pill(
    key: str,
    path: str,
    x: float,
    y: float,
    words: str,
    is_held: bool,
    is_seen: bool = True,
    other: str = "",
) -> Iterator[Mark]:
    """Draw a read section that an actor is in: a pill around its name."""
    role = "held" if is_held else "clear"
    yield Box(x, y + 0.08, PAD + len(words) + 0.4, 0.94, role, f"{key}:body", path, 0.45)
    yield Text(x + PAD / 2 + 0.2, y + 0.05, words, role, False, True, f"{key}:words", other)
