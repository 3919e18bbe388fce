"""Two CPUs whose stores wait in buffers, and the buffers as actors that drain when they like."""

from typing import Final, Protocol

from mmviz.kernel.sync.store_buffer import StoreBuffer, drain_stores

SC: Final = "sequentially consistent"
TSO: Final = "total store order"


class TwoBuffers(Protocol):
    """A world with a store buffer for each of two CPUs."""

    buffer0: StoreBuffer
    buffer1: StoreBuffer


async def store_buffer_0(k: TwoBuffers) -> None:
    """CPU0's store buffer."""
    await drain_stores(k.buffer0)


async def store_buffer_1(k: TwoBuffers) -> None:
    """CPU1's store buffer."""
    await drain_stores(k.buffer1)


BUFFERS: Final = {"SB0": store_buffer_0, "SB1": store_buffer_1}
