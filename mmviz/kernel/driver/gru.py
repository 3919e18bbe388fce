"""SGI's GRU: a TLB that software fills, in hardware that knows of a flush in between."""

from mmviz.engine import Struct, atomic
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable


class GruTlb(DevicePageTable):
    """The TLB of a GRU, and the fault handle (TFH) of its one miss.

    Attributes:
        pending: the driver has read the fault handle, and no flush has come since.
        ignores: a dropin is ignored if a flush has come since the read. Never changes.

    Source: drivers/misc/sgi-gru/grufault.c, the comment in gru_try_dropin(); gruhandles.c,
    tgh_invalidate(), tfh_write_restart().
    Simplified: one fault handle; how the hardware notices the flush is not said, here it forgets
    the read.
    """

    pending: bool = False
    ignores: bool = True

    @atomic("drivers/misc/sgi-gru/grufault.c")
    def read_tfh(self) -> None:
        """Read the fault handle of a miss: the GRU watches for flushes from here on."""
        self.pending = True

    @atomic("drivers/misc/sgi-gru/gruhandles.c")
    def tgh_invalidate(self, address: str) -> None:
        """Flush the address from the TLB; the GRU ignores the dropin of an earlier read."""
        self.pte[address] = None
        self.pending = False

    @atomic("drivers/misc/sgi-gru/gruhandles.c")
    def tfh_write_restart(self, address: str, page: Page) -> None:
        """Drop the entry into the TLB, and let the GRU go on, unless a flush has come."""
        if self.pending or not self.ignores:
            self.pte[address] = page
        self.pending = False


class GruMm(Struct):
    """The driver's side of an mm: struct gru_mm_struct.

    Attributes:
        ms_range_active: invalidations between range_start and range_end.

    Source: drivers/misc/sgi-gru/grutables.h; grutlbpurge.c, gru_invalidate_range_start().
    """

    ms_range_active: int = 0

    @atomic("drivers/misc/sgi-gru/grutlbpurge.c")
    def inc_ms_range_active(self) -> None:
        """Count one more invalidation in progress."""
        self.ms_range_active += 1

    @atomic("drivers/misc/sgi-gru/grutlbpurge.c")
    def dec_ms_range_active(self) -> None:
        """Count one fewer invalidation in progress."""
        self.ms_range_active -= 1

    @atomic("drivers/misc/sgi-gru/grufault.c")
    def read_ms_range_active(self) -> int:
        """Read how many invalidations are in progress."""
        return self.ms_range_active
