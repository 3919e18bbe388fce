"""Pictures as plain data: frames in, boxes, texts and lines out.

No module here imports a widget. A scene is a pure function of frames and a cursor, so tests of
pictures are arithmetic.
"""

from mmviz.scene.marks import Box, Line, Scene, Text

__all__ = ["Box", "Line", "Scene", "Text"]
