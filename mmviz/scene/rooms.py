"""Room on the cards of the picture of memory, for what forms draw there.

A form may draw the value of a row, and it may have lines below the rows of a card. An object that
lies in another, and goes with it, is on the other's card.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mmviz.engine import Model
from mmviz.scene.cards import ROW, TITLE, Card, can_be_freed
from mmviz.scene.reach import Reach


class Foot(NamedTuple):
    """Lines below the rows of a card.

    Attributes:
        card: the name of the object.
        key: what the lines are for.
        width, lines: their size.
    """

    card: str
    key: str
    width: float
    lines: int = 1


FEET: list[Callable[[Reach, Model | None, Mapping[str, Card]], Iterable[Foot]]] = []
"""Each says which lines a form wants below the rows of the cards that are shown."""


@dataclass
class Rooms:
    """What is known of the cards of a case beside their rows.

    Attributes:
        model: the learned case; None if only the values that fields may have are known.
        within: an object that lies in another -> the name of the other.
        feet: card -> what has lines below its rows -> the first of these lines.
    """

    model: Model | None = None
    within: Mapping[str, str] = field(default_factory=dict)
    feet: dict[str, dict[str, int]] = field(default_factory=dict)

    def low(self, card: Card, key: str) -> float:
        """Return how far below the top of a card a foot begins."""
        return TITLE + ROW * (len(card.rows) + self.feet[card.name][key])

    def fit(self, shown: dict[str, Card], reach: Reach) -> None:
        """Give the cards the feet that the forms want."""
        for make in FEET:
            for foot in make(reach, self.model, shown):
                each = shown[self.within.get(foot.card, foot.card)]
                self.feet.setdefault(each.name, {})[foot.key] = each.foot
                wide = max(each.value_width, int(foot.width + 0.99) - each.label_width - 2)
                taller = each._replace(foot=each.foot + foot.lines, value_width=wide)
                shown[each.struct.name] = taller


def gathered(every: Sequence[Card], reach: Reach) -> tuple[list[Card], dict[str, str]]:
    """Put each object that always lies in another, and goes with it, on the other's card.

    Returns:
        The cards that are left; and for each object without one, the name of the other object.
    """
    by_name = {each.name: each for each in every}
    within: dict[str, str] = {}
    for each in every:
        outer, _, key = each.name.rpartition(".")
        if can_be_freed(each.struct) or outer not in by_name:
            continue
        holder = by_name[within.get(outer, outer)]
        path = by_name[outer].struct.path(key)
        if path in reach.values and not reach.varies(path) and can_be_freed(holder.struct):
            rows = [row for row in holder.rows if row.path != path]
            rows += [row._replace(label=f"{key}.{row.label}") for row in each.rows]
            by_name[holder.name] = holder._replace(rows=tuple(rows))
            within[each.name] = holder.name
    return [by_name[each.name] for each in every if each.name not in within], within
