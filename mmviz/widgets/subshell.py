"""Which of the kernel's shells answers a widget's questions."""

from typing import Any


def answered_in_any_shell(widget: Any) -> None:
    """Leave it to the page which shell a widget's questions go to.

    ipykernel 7.4 hands a question to the shell that last sent something to the widget; if a cell
    did, questions would wait until that cell, or the next, has ended. To be called after sending.

    Source: ipykernel/comm/comm.py, BaseComm.publish_msg(); Jupyter Enhancement Proposal 91.
    """
    getattr(widget.comm, "__dict__", {}).pop("_reply_subshell_id", None)
