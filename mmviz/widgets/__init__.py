"""The stage: thin Jupyter shells round pure scenes. Only this package imports widgets."""

from mmviz.widgets.debate import Debate
from mmviz.widgets.defend import defend
from mmviz.widgets.dial import Dial
from mmviz.widgets.driver import Driver
from mmviz.widgets.entry import Entry
from mmviz.widgets.player import Player
from mmviz.widgets.predict import Predict

__all__ = ["Debate", "Dial", "Driver", "Entry", "Player", "Predict", "defend"]
