"""A counter that is read before the lookup, and hardware that does the rest.

SGI's GRU has a TLB that its driver fills, without a lock and without a page reference.  The
driver reads the miss, then the counter of open invalidations, looks the page up, and drops the
entry in.  An invalidation may begin after the counter was read.  But the GRU itself ignores a
dropin if a flush has come since the miss was read: the hardware keeps the sequence number that KVM
keeps in memory.  So half of the pattern is in the driver, half in the device, and neither half is
enough.

Promise: Once an invalidation is over, the GRU reaches no page that the CPU has given up.

Memory model: sequentially consistent; the driver's rmb() and the barrier of atomic_dec_and_test()
    appear only as the order of steps.

Simplified:
    As range_start_only, whose page tables and callbacks these are; `gpu` is the GRU.
    One miss; a driver that gives up waits for the next one, which is left out.
    The lookup without a lock is one step; that it walks page tables in an interrupt is left out.
    The page is freed after range_end; freed before it, the verdicts are the same.
    Under the page-table lock, invalidate_range() stands for the invalidate_page() of v4.11.

Sources:
    <20170831211738.17922-11-jglisse@redhat.com>: patch 10, removes gru_invalidate_page()
    <20170905162112.GC14176@hpe.com>: Sivanich's answer to it, an ack
    drivers/misc/sgi-gru/grufault.c: gru_try_dropin(), atomic_pte_lookup()
    drivers/misc/sgi-gru/grutlbpurge.c, v4.12: gru_invalidate_page() flushes and counts nothing
    928a8e9f523d (after v7.2-rc3): misc: sgi-gru: remove interrupt-context page-table walks
"""

from typing import Any

from mmviz.engine import Map, Race, at_end, field
from mmviz.kernel.driver.gru import GruMm, GruTlb
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.invalidate_page import WALKED, patch
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    Mirror,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import (
    ONE_INVALIDATION,
    TWO_INVALIDATIONS,
    Driver,
    try_to_unmap_one,
)


class GruMirror(Mirror):
    """A page mapped by the CPU, and in the TLB of a GRU."""

    gpu: GruTlb = field(default_factory=lambda: GruTlb(Map({VA: None})))
    gms: GruMm = field(default_factory=GruMm)


class PlainMirror(GruMirror):
    """The same with hardware that takes every dropin."""

    gpu: GruTlb = field(default_factory=lambda: GruTlb(Map({VA: None}), ignores=False))


@at_end
def count_is_left_behind(k: Any) -> bool:
    """No invalidation is under way, yet the driver counts one: every later miss fails."""
    return bool(k.gms.ms_range_active)


# The page is given up, and touched again, while the GRU misses its TLB.
race = Race(
    world=GruMirror,
    actors=ONE_INVALIDATION,
    bad=(*BAD, page_refs_out_of_balance, count_is_left_behind),
)


@race.case(
    "MN-E/gru1",
    "counter before the lookup, and the GRU ignores a dropin that a flush has overtaken",
    schedules={"the dropin is ignored": "GPU*3 CPU0*7 CPU1 GPU"},
    source=shipped("v4.13", "v7.1", said=patch(10)),
    states=149,
)
class CounterAndHardware(Driver):
    """Counts and flushes in range_start; a miss reads the counter before it looks the page up."""

    async def invalidate_range_start(self, k: GruMirror) -> None:
        await k.gms.inc_ms_range_active()
        await k.gpu.tgh_invalidate(VA)

    async def invalidate_range_end(self, k: GruMirror) -> None:
        await k.gms.dec_ms_range_active()

    async def fault(self, k: GruMirror) -> None:
        await k.gpu.read_tfh()
        if await k.gms.read_ms_range_active() > 0:
            return
        page = await k.cpu.ptep_get(VA)
        if page is not None:
            await k.gpu.tfh_write_restart(VA, page)


race.case(
    "MN-E/gru1 (2 INV)",
    "the same, and two CPUs invalidate",
    name="CounterAndHardwareTwoInvalidators",
    of=CounterAndHardware,
    actors=TWO_INVALIDATIONS,
    source=shipped("v4.13", "v7.1", said=patch(10)),
    states=1764,
)
race.case(
    "MN-E/gru2",
    "the same driver, and hardware that takes every dropin",
    name="CounterAlone",
    of=CounterAndHardware,
    world=PlainMirror,
    sometimes=BAD,
    source=constructed("what the driver does is not enough without its hardware"),
    states=164,
)


@race.case(
    "MN-E/gru3",
    "tempting: the GRU ignores overtaken dropins anyway, so count nothing",
    sometimes=BAD,
    source=constructed("the hardware does not know that an invalidation is still under way"),
    states=137,
)
class HardwareAlone(CounterAndHardware):
    """Flushes in range_start; a miss after the flush finds the entry that is about to go."""

    async def invalidate_range_start(self, k: GruMirror) -> None:
        await k.gpu.tgh_invalidate(VA)

    async def invalidate_range_end(self, k: GruMirror) -> None:
        """Not implemented."""


@race.case(
    "MN-E/gru4",
    "tempting: count after the flush",
    sometimes=BAD,
    source=constructed("a miss between the flush and the count is noticed by neither"),
    states=190,
)
class CountAfterFlush(CounterAndHardware):
    """Flushes first, and counts then."""

    async def invalidate_range_start(self, k: GruMirror) -> None:
        await k.gpu.tgh_invalidate(VA)
        await k.gms.inc_ms_range_active()


@race.case(
    "MN-E/gru5",
    "invalidate_page(), which flushes under the page-table lock and counts nothing",
    actors=ONE_INVALIDATION | {"CPU0": try_to_unmap_one},
    source=shipped("v4.11", "v4.12", said=WALKED),
    states=139,
)
class FlushAfterClear(HardwareAlone):
    """After the clear a flush is enough: a later miss finds nothing, an earlier one is ignored."""

    async def invalidate_range_start(self, k: GruMirror) -> None:
        """Not implemented: this is the callback for a single page."""

    async def invalidate_range(self, k: GruMirror) -> None:
        await k.gpu.tgh_invalidate(VA)
