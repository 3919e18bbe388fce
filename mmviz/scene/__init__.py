"""Pictures as plain data: frames in, boxes, texts and lines out.

Nothing in here knows a widget. A scene is a pure function of frames and a cursor, so
everything worth testing about a picture is arithmetic.
"""

from mmviz.scene.marks import Box, Line, Scene, Text

__all__ = ["Box", "Line", "Scene", "Text"]
