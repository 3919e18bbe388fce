"""What a view shows where it needs Graphviz and there is none: a sentence that says so."""

import textwrap
from collections.abc import Mapping

from mmviz.engine import Run
from mmviz.scene.marks import Scene, Text, sheet

ACROSS = 72  # characters of a line


class Unplaced:
    """Stands in for a view whose objects nothing can lay out here.

    Args:
        name, title: those of the view.
        why: what is missing, and what to install.
    """

    looks_ahead = False
    tips: Mapping[str, str] = {}

    def __init__(self, name: str, title: str, why: str) -> None:
        self.name, self.title, self.why = name, title, why

    def scene(self, run: Run, k: int) -> Scene:
        """Draw the sentence."""
        lines = textwrap.wrap(self.why, ACROSS)
        texts = [Text(1, 0.4 + 1.2 * number, line, "plain") for number, line in enumerate(lines)]
        return sheet(ACROSS + 2, 1.2 * len(lines) + 0.6, texts)

    def text(self, run: Run, k: int) -> str:
        """Return the sentence."""
        return self.why
