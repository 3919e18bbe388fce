"""The stage: thin Jupyter shells round pure scenes. Only this package imports widgets."""

from mmviz.widgets.debate import Debate
from mmviz.widgets.driver import Driver
from mmviz.widgets.entry import Entry
from mmviz.widgets.player import Player

__all__ = ["Debate", "Driver", "Entry", "Player"]
