"""How struct hmm marked its ranges invalid, release by release."""

from mmviz.engine import atomic
from mmviz.kernel.hmm.range import HmmRange, RangedHmm


class FlaggedHmm(RangedHmm):
    """A struct hmm that records only whether a range is valid.

    Source: mm/hmm.c, v4.14 to v5.1, hmm_vma_range_done(), hmm_invalidate_range().
    """

    @atomic("mm/hmm.c")
    def hmm_range_register(self, range_: HmmRange) -> None:
        """List the range; it is valid even during an invalidation."""
        self.ranges = (*self.ranges, range_)
        range_.valid = True

    @atomic("mm/hmm.c")
    def hmm_invalidate_range(self) -> None:
        """Make every listed range invalid."""
        for range_ in self.ranges:
            range_.valid = False


class CountingHmm(RangedHmm):
    """A struct hmm that counts the invalidations under way.

    Source: mm/hmm.c, v5.2 to v5.4, hmm_invalidate_range_start(), hmm_range_wait_until_valid().
    Simplified: the wait has no timeout.
    """

    @atomic("mm/hmm.c")
    def hmm_invalidate_range_start(self) -> None:
        """Count one more invalidation, and make every listed range invalid."""
        self.notifiers += 1
        for range_ in self.ranges:
            range_.valid = False

    @atomic("include/linux/hmm.h", when=lambda _hmm, range_: range_.valid)
    def hmm_range_wait_until_valid(self, range_: HmmRange) -> None:
        """Sleep until the range is valid."""
