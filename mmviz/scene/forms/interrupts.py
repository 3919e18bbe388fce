"""Function calls between CPUs: a message that goes to the other CPU, and comes back answered."""

from collections.abc import Callable, Iterator

from mmviz.kernel.mm.tlb import Tlb, TlbShootdown
from mmviz.kernel.sync.smp import CallFunction
from mmviz.scene.cards import ROW, TITLE, walk
from mmviz.scene.forms.entries import FOOT, entries_of, words_of
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import OVERLAYS, Picture
from mmviz.scene.marks import Box, Line, Mark, Point, Text
from mmviz.scene.places import rank
from mmviz.scene.reach import Reach
from mmviz.scene.shapes import Shape, shaped

WIDE, HIGH = 2.1, 0.66  # of a message, in cells
APART = 3.0  # cells from one message to the next at a CPU
HOME = 0.8  # cells from the edge of a card
ANSWERED = "✓"


@shaped.register
def _(call: CallFunction, reach: Reach) -> Shape:
    asked = targets(call, reach)
    words = max((len(f"IPI to {cpu} {ANSWERED}") for cpu in asked), default=0)
    return Shape(
        labels={call.path("csd"): None, call.path("info"): "flush"}
        if isinstance(call, TlbShootdown)
        else {call.path("csd"): None},
        foot=len(asked),
        width=words + 5,
    )


@shaped.register
def _(tlb: Tlb, reach: Reach) -> Shape:
    found = list(entries_of(tlb, reach))
    calls = [call for call, _ in senders(reach, tlb)]
    return Shape(
        keeps=frozenset(entry.path for entry in found),
        labels={entry.path: entry.label for entry in found},
        words={entry.path: words_of(entry.path, reach) for entry in found},
        foot=1,
        width=max((len(entry.by) for entry in found), default=0)
        + FOOT
        + int(APART * len(calls))
        + 1,
    )


@rank.register
def _(call: CallFunction) -> float:
    return 0.0


def targets(call: CallFunction, reach: Reach) -> list[str]:
    """Return the CPUs that a call asks in some run."""
    return sorted({cpu for value in reach.values[call.path("csd")] for _, cpu in value})


def senders(reach: Reach, tlb: Tlb) -> list[tuple[TlbShootdown, str]]:
    """Return the calls that flush a TLB, and the CPU whose it is."""
    return [
        (call, cpu)
        for call in walk(reach.world)
        if isinstance(call, TlbShootdown)
        for cpu in targets(call, reach)
        if cpu in call.tlbs and call.tlbs[cpu] is tlb
    ]


def messages(picture: Picture) -> Iterator[Part]:
    """Yield a message for each CPU that a call asks."""
    for call in walk(picture.reach.world):
        if isinstance(call, CallFunction) and (place := picture.spot(call)) is not None:
            card, spot = place
            for number, cpu in enumerate(targets(call, picture.reach)):
                y = spot.y + TITLE + ROW * (len(card.rows) + number)
                width = card.width
                home = (spot.x, y)
                draw = _message(call, cpu, home, width, _inbox(call, cpu, picture))
                yield Part(f"message:{call.name}:{cpu}", draw)


def _inbox(call: CallFunction, cpu: str, picture: Picture) -> Point | None:
    """Return where a message waits for its CPU: in the lowest line of the card of its TLB."""
    if not isinstance(call, TlbShootdown) or cpu not in call.tlbs:
        return None
    tlb = call.tlbs[cpu]
    place = picture.spot(tlb)
    if place is None:
        return None
    card, spot = place
    at = [each for each, _ in senders(picture.reach, tlb)].index(call)
    return (spot.x + HOME + APART * at, spot.y + TITLE + ROW * len(card.rows) + 0.2)


def _message(
    call: CallFunction, cpu: str, home: Point, width: float, inbox: Point | None
) -> Callable[[Look], Iterator[Mark]]:
    """Return what draws a message: at home, or waiting at its CPU until that has run the call."""
    path, key = call.path("csd"), f"message:{call.name}:{cpu}"

    def draw(look: Look) -> Iterator[Mark]:
        waits = any(target == cpu for _, target in look[path])
        x, y = home
        yield Box(x + 0.3, y + 0.06, width - 0.6, 1.02, "cell", f"cell:{path}:{cpu}", path, 0.15)
        sent = waits or bool(look[call.path("info")])
        answered = f" {ANSWERED}" if sent and not waits else ""
        left = x + HOME + WIDE + 0.9
        yield Text(
            left, y + 0.08, f"IPI to {cpu}{answered}", "value", False, True, f"{key}:to", path
        )
        role = "held" if waits else "padoff"
        at = inbox if waits and inbox is not None else (x + HOME, y + 0.2)
        yield Box(*at, WIDE, HIGH, "held" if waits else "card", key, path, 0.08)
        x, y = at
        flap = ((x, y + 0.05), (x + WIDE / 2, y + HIGH * 0.6), (x + WIDE, y + 0.05))
        yield Line(
            flap, "padline" if role == "held" else "padoffline", key=f"{key}:flap", field=path
        )

    return draw


OVERLAYS.append(messages)
