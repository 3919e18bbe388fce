"""How Jupyter shows what was read in a text: on a stage, with what was understood below it."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from mmviz.engine import Case


class Staged(Protocol):
    """What a stage is made of.

    Attributes:
        case: what is on the stage; None for no stage.
        origin: the Python that makes the case of the text, "" if there is none.
    """

    origin: ClassVar[str]
    case: Case | None

    @property
    def schedule(self) -> tuple[str, ...]:
        """The run to show."""

    def beside(self) -> Mapping[int, str]:
        """Return what the text says beside a step of the run, by its number; 0 is the start."""

    def _repr_html_(self) -> str:
        """Return what was understood, as a table."""


class Brought:
    """Something that was read in a text; it has a case, and a run of it.

    Attributes:
        display: shows it in Jupyter and tells whether it did; None where no widgets are installed.
            What cannot be displayed so is a table.
        origin: the Python that makes the case of the text, "" if there is none.
    """

    display: ClassVar[Callable[[Any], bool] | None] = None
    origin: ClassVar[str] = ""

    def beside(self) -> Mapping[int, str]:
        """Return what the text says beside a step of the run, by its number; 0 is the start."""
        return {}

    def _ipython_display_(self) -> None:
        how = type(self).display
        if how is None or not how(self):
            raise NotImplementedError  # so that the table is shown
