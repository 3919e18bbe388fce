"""Code that runs with bottom halves disabled must not sleep."""

from typing import ClassVar

from mmviz.engine import Struct, atomic
from mmviz.kernel.sync.locks import enter, leave


class BottomHalves(Struct):
    """A CPU's bottom halves; an actor that has disabled them must not sleep.

    Source: include/linux/bottom_half.h.
    Simplified: each actor has a CPU of its own, so disabling them excludes no other actor.
    """

    forbids_sleep: ClassVar[bool] = True

    @atomic("include/linux/bottom_half.h")
    def local_bh_disable(self) -> None:
        """Disable bottom halves here; sleeping is forbidden until they are enabled again."""
        enter(self)

    @atomic("include/linux/bottom_half.h")
    def local_bh_enable(self) -> None:
        """Enable bottom halves."""
        leave(self, "local_bh_enable()")
