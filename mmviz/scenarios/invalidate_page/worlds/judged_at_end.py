"""A stale entry, judged when all is done: no count tells that an invalidation is under way."""

from typing import Any

from mmviz.engine import at_end
from mmviz.scenarios.invalidate_page.worlds.mirror import VA


@at_end
def device_keeps_stale_entry(k: Any) -> bool:
    """In the end the device still works on a page that the process has lost."""
    page = k.gpu.pte[VA]
    return page is not None and page is not k.cpu.pte[VA]
