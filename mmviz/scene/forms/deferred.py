"""Work and timers, which go from their timer to the queue and to the worker; and tasks on CPUs.

A pool or a timer wheel is a row of stations. A work is a pill that goes from one to the next; while
it runs and is queued again, there are two of it. A task is a pill on the line of its CPU.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmviz.engine import Model, Struct
from mmviz.kernel.sync.percpu import PerCpu, Placement
from mmviz.kernel.sync.timer import TimerWheel
from mmviz.kernel.sync.workqueue import Work, WorkerPool
from mmviz.scene.cards import Card, walk
from mmviz.scene.forms.chips import chip, members
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import OVERLAYS, Picture, end_of
from mmviz.scene.marks import Box, Mark, Point, Text
from mmviz.scene.places import row_at
from mmviz.scene.reach import Reach
from mmviz.scene.rooms import FEET, Foot
from mmviz.scene.shapes import Form, Shape, shaped


class Stations(NamedTuple):
    """The fields of a pool, by their keys: what waits, in order, what runs, and who runs it."""

    waits: Mapping[str, str]  # key -> label
    runs: str
    by: str


POOL = Stations({"timers": "timer", "worklist": "queue"}, "current_work", "worker")
WHEEL = Stations({"timers": "armed"}, "running_timer", "runner")


def _works(struct: Struct, stations: Stations, reach: Reach) -> list[Struct]:
    """Return every work that may be at a station."""
    keys = (*stations.waits, stations.runs)
    found = {each.name: each for key in keys for each in members(struct.path(key), reach)}
    return list(found.values())


def _name(work: Struct) -> str:
    """Return the name of a work without that of the object it lies in."""
    return work.name.rpartition(".")[2]


def _room(works: Sequence[Struct]) -> float:
    return sum(len(_name(work)) + 2.4 for work in works)


def _stations(struct: Struct, stations: Stations, reach: Reach) -> Shape:
    """Return the shape of a pool: a row for each station, with room for every work."""
    works = _works(struct, stations, reach)
    runs, by = struct.path(stations.runs), struct.path(stations.by)
    longest = max(len(value or "") for value in reach.values[by])
    one = max((len(_name(work)) + 2.4 for work in works), default=4.0)
    labels: dict[str, str | None] = {
        struct.path(key): label for key, label in stations.waits.items()
    }
    labels |= {runs: "running", by: None}

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        runner = look[by] or ""
        yield Text(x + one, y + 0.08, runner, "held", False, True, f"field:{by}", by)

    forms = {struct.path(key): Form(_room(works), _nothing) for key in stations.waits}
    forms[runs] = Form(one + longest, draw)
    return Shape(labels=labels, forms=forms)


def _nothing(_look: Look, _x: float, _y: float) -> Iterator[Mark]:
    return iter(())


@shaped.register
def _(pool: WorkerPool, reach: Reach) -> Shape:
    return _stations(pool, POOL, reach)


@shaped.register
def _(wheel: TimerWheel, reach: Reach) -> Shape:
    return _stations(wheel, WHEEL, reach)


def _overlays(picture: Picture) -> Iterator[Part]:
    """Yield the works of every pool, and the tasks on every CPU."""
    for struct in walk(picture.reach.world):
        if struct.name not in picture.cards or struct.name in picture.by_form:
            continue
        if isinstance(struct, WorkerPool | TimerWheel):
            stations = POOL if isinstance(struct, WorkerPool) else WHEEL
            for number, work in enumerate(_works(struct, stations, picture.reach)):
                yield _work(struct, stations, work, number, picture)
        if isinstance(struct, Placement):
            for task in struct.cpu:
                yield _task(struct, str(task), picture)


OVERLAYS.append(_overlays)


def _work(struct: Struct, stations: Stations, work: Struct, number: int, picture: Picture) -> Part:
    """Return the pills of one work: where it waits, and where it runs."""
    card, spot = picture.cards[struct.name], picture.places.spots[struct.name]
    works = _works(struct, stations, picture.reach)
    left = spot.x + 0.8 + card.label_width + 1
    aside = left + _room(works[:number])
    paths = {key: struct.path(key) for key in (*stations.waits, stations.runs)}
    shown = {row.path for row in card.rows}
    at = {key: row_at(card, path, spot) - 0.575 for key, path in paths.items() if path in shown}
    home: Point = (left, spot.y)
    holder = picture.spot(work)
    if holder is not None:
        right = picture.places.width - len(_name(work)) - 2.0
        home = (min(holder[1].x + 0.8, right), holder[1].y + 0.1)
    words, key = _name(work), f"work:{struct.name}:{work.name}"

    def draw(look: Look) -> Iterator[Mark]:
        runs = look[paths[stations.runs]] is not None and (
            look[paths[stations.runs]].name == work.name
        )
        waits = next(
            (
                each
                for each in reversed([*stations.waits])
                if any(other.name == work.name for other in look[paths[each]])
            ),
            "",
        )
        inside = holder[0].struct if holder else work
        is_gone = bool(end_of(inside, look) or end_of(work, look))
        role = "dangling" if is_gone else "held"
        if runs and stations.runs in at:
            place = (left, at[stations.runs])
            yield from chip(key, *place, words, role, paths[stations.runs])
        elif waits in at:
            place = (aside, at[waits])
            yield from chip(key, *place, words, role, paths[waits])
        else:
            place = home
            yield from chip(key, *place, words, "clear", paths[stations.runs])
        if runs and waits in at:
            yield from chip(f"{key}:again", aside, at[waits], words, role, paths[waits])
        else:
            yield from chip(f"{key}:again", *place, words, "clear", paths[stations.runs])

    return Part(key, draw)


@shaped.register
def _(work: Work, reach: Reach) -> Shape:
    queued, running = work.path("queued"), work.path("running")
    names = [value or "" for value in reach.values[running]]
    wide = max(len("running "), len("queued")) + max(map(len, names), default=0) + 2.4

    def draw(look: Look, x: float, y: float) -> Iterator[Mark]:
        actor = look[running]
        words = f"running {actor}" if actor else "queued" if look[queued] else "idle"
        role = "held" if words != "idle" else "ghost"
        yield Box(x, y + 0.06, wide, 1.02, "cell", f"cell:{queued}:work", queued)
        yield from chip(f"work:{work.name}", x, y, words, role, running)

    return Shape(labels={queued: None, running: "work"}, forms={running: Form(wide, draw)})


# -- tasks on CPUs -----------------------------------------------------------------------------


def _cpus(placement: Placement, reach: Reach) -> list[str]:
    """Return the CPUs that tasks may be on, and those that have a copy of a variable."""
    copies = [
        key
        for each in walk(reach.world)
        if isinstance(each, PerCpu) and each.cpus is placement
        for key in each.copy
    ]
    ever = [cpu for key in placement.cpu for cpu in reach.values[placement.cpu.path(key)]]
    return sorted({*map(str, copies), *ever})


@shaped.register
def _(placement: Placement, reach: Reach) -> Shape:
    hidden = [placement.cpu.path(key) for key in placement.cpu]
    hidden += [placement.path("preempt_off"), placement.path("migrate_off")]
    return Shape(labels=dict.fromkeys(hidden))


@shaped.register(PerCpu)
def _(percpu: PerCpu[Any], reach: Reach) -> Shape:
    return Shape(labels={percpu.copy.path(key): str(key) for key in percpu.copy})


def _feet(reach: Reach, model: Model | None, shown: Mapping[str, Card]) -> Iterator[Foot]:
    """Yield a line for each CPU."""
    for placement in walk(reach.world):
        if isinstance(placement, Placement) and placement.name in shown:
            cpus = _cpus(placement, reach)
            wide = max(map(len, cpus), default=0) + 2
            for cpu in cpus:
                room = sum(_wide(placement, str(task), reach) + 0.7 for task in placement.cpu)
                yield Foot(placement.name, f"cpu:{cpu}", wide + room + 0.8)


FEET.append(_feet)


def _wide(placement: Placement, task: str, reach: Reach) -> float:
    """Return the cells of a task, with a word about what it has disabled."""
    return len(_task_words(task, True, True)) + 1.6


def _task_words(task: str, preempt_off: bool, migrate_off: bool) -> str:
    if preempt_off:
        return f"{task} not preempted"
    return f"{task} not moved" if migrate_off else task


def _task(placement: Placement, task: str, picture: Picture) -> Part:
    """Return the pill of a task, on the line of the CPU that it is on."""
    path = placement.cpu.path(task)
    tasks = [str(each) for each in placement.cpu]
    cpus = _cpus(placement, picture.reach)
    name = placement.name
    label = max(map(len, cpus)) + 2
    before = sum(
        _wide(placement, other, picture.reach) + 0.7 for other in tasks[: tasks.index(task)]
    )
    preempt, migrate = placement.path("preempt_off"), placement.path("migrate_off")

    def draw(look: Look) -> Iterator[Mark]:
        if task == tasks[0]:
            for cpu in cpus:
                x, y = picture.foot(name, f"cpu:{cpu}")
                yield Text(x + 0.8, y + 0.08, cpu, "label", key=f"cpu:{name}:{cpu}")
        x, y = picture.foot(name, f"cpu:{look[path]}")
        keeps = task in look[preempt]
        words = _task_words(task, keeps, task in look[migrate])
        left = x + 0.8 + label + before
        field = preempt if keeps else migrate if task in look[migrate] else path
        yield from chip(f"task:{name}:{task}", left, y, words, "held", field)

    return Part(f"task:{name}:{task}", draw)
