"""Page requests: what a device asks for travels to the queue, and the answer travels back."""

from collections.abc import Iterator, Mapping

from mmviz.engine import Model, Struct
from mmviz.kernel.iommu.iopf import PageRequest
from mmviz.kernel.iommu.pasid import DmaQueue
from mmviz.kernel.mm.pagetable import DevicePageTable
from mmviz.scene.cards import Card
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import Picture
from mmviz.scene.marks import Box, Mark, Point, Text
from mmviz.scene.reach import Reach
from mmviz.scene.rooms import Foot

ASKED, WIDE = "page?", 13.0  # the words of a request; cells of its place on a card


def _pairs(cards: Mapping[str, Card]) -> Iterator[tuple[str, str]]:
    """Yield each queue of requests that is shown, with the device that asks."""
    devices = [
        n for n, each in cards.items() if isinstance(each.struct, DevicePageTable | DmaQueue)
    ]
    if devices:
        for name, each in cards.items():
            if isinstance(each.struct, PageRequest):
                yield name, devices[0]


def feet(_reach: Reach, _model: Model | None, shown: Mapping[str, Card]) -> Iterator[Foot]:
    """Yield a line on the card of the queue, and one on that of the device."""
    for queue, device in _pairs(shown):
        yield Foot(queue, f"request:{queue}", WIDE)
        yield Foot(device, f"request:{queue}", WIDE)


def requests(picture: Picture) -> Iterator[Part]:
    """Yield the request of each queue."""
    for queue, device in _pairs(picture.cards):
        key = f"request:{queue}"
        there, home = picture.foot(queue, key), picture.foot(device, key)
        yield _request(picture.cards[queue].struct, key, there, home)


def _request(queue: Struct, key: str, there: Point, home: Point) -> Part:
    """Return a request: at the queue while it is pending, else at the device, with the answer."""
    asks, answers = queue.path("pending"), queue.path("response")

    def drawn(look: Look) -> Iterator[Mark]:
        waits, answer = bool(look[asks]), look.get(answers, "")
        x, y = there if waits else home
        words = ASKED if waits else str(answer or "")
        role = "held" if waits else "clear" if not words else "good"
        role = "bad" if words == "invalid" else role
        wide = len(words or ASKED) + 2.0
        field = asks if waits else answers
        yield Box(x + 0.6, y + 0.1, wide, 0.94, role, f"{key}:box", round=0.3)
        yield Box(x + 0.6, y + 0.1, wide, 0.94, "cell", f"{key}:cell", field, 0.3)
        ink = "value" if role == "clear" else role
        yield Text(x + 1.6, y + 0.07, words, ink, True, True, f"{key}:text", field)

    return Part(key, drawn)
