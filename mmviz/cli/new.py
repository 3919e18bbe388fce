"""`mmviz new`: a small race that passes every check, with comments that say what to replace."""

import importlib
import keyword
import re
from pathlib import Path

from mmviz.cli.counts import changes
from mmviz.engine import MmvizError, explore
from mmviz.engine.text import quoted
from mmviz.scenarios import HERE, SHARED, load, names

THREAD = '''"""Replace this line with who argued about what, in one sentence.

Then a paragraph: the question, and the answers that were on the table.  The messages of the thread
are values of mmviz/kernel/provenance.py, defined here, so that several cases can name them:

    SERIES_V1: Final = proposed("2022-09-08", "<4-v1-…@nvidia.com>")
"""
'''

RACE = '''"""Replace this title: the rule, or the race, in one line.

Replace this story: in a few sentences, what happens, and what goes wrong.  Here a GPU maps a page
that the CPU frees: the GPU asks the CPU's page table, and the CPU clears its entry in between.

Promise: Replace this with what must always hold: the GPU never reaches a freed page.

Memory model: sequentially consistent.

Simplified:
    One page, one address, one fault of the GPU.

Sources:
    mm/memory.c: replace this with the messages, files and functions that you model
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Race, Struct, World, atomic, field
from mmviz.kernel.provenance import constructed


# The world: kernel objects with kernel names. mmviz/kernel has many that are ready to use.
class Page(Struct):
    mapped_by_gpu: bool = False
    freed: bool = False

    @atomic("mm/page_alloc.c")
    def free_page(self) -> None:
        """The page goes back to the allocator."""
        self.freed = True


class Machine(World):
    page: Page = field(default_factory=Page)
    pte: bool = True  # the CPU's entry for the page is present

    # A step is atomic: one method with the file that it is from, and one sentence.
    @atomic("mm/memory.c")
    def clear_pte(self) -> None:
        """Clear the CPU's entry."""
        self.pte = False

    @atomic("driver")
    def gpu_unmap(self) -> None:
        """The driver is notified, and unmaps the page from the GPU."""
        self.page.mapped_by_gpu = False

    @atomic("driver")
    def gpu_map(self) -> bool:
        """The GPU maps the page if the CPU's entry is present."""
        self.page.mapped_by_gpu = self.pte
        return self.pte


# The bad states: what must never hold. The docstring is the sentence that readers see.
def gpu_maps_freed_page(k: Machine) -> bool:
    """The GPU still reads and writes a page that has been freed."""
    return k.page.mapped_by_gpu and k.page.freed


Order = Callable[[Machine], Coroutine[Any, Any, None]]


# The actors: each `await` is one step, and other actors may run before and after it.
async def munmap(k: Machine, order: Order) -> None:
    await order(k)
    await k.page.free_page()


async def gpu_fault(k: Machine) -> None:
    await k.gpu_map()


race = Race(
    world=Machine,
    actors={"CPU0": munmap, "GPU": gpu_fault},
    bad=[gpu_maps_freed_page],
)


# The cases, each on the code that differs. What is not named in sometimes= or always= is Never.
@race.case(
    "notify the driver, then clear the entry",
    name="NotifyThenClear",
    sometimes=[gpu_maps_freed_page],
    source=constructed("the GPU maps the page again before the entry is gone"),
)
async def notify_then_clear(k: Machine) -> None:
    await k.gpu_unmap()
    await k.clear_pte()


@race.case(
    "clear the entry, then notify the driver",
    name="ClearThenNotify",
    source=constructed("no fault can find the entry any more"),
)
async def clear_then_notify(k: Machine) -> None:
    await k.clear_pte()
    await k.gpu_unmap()
'''


def new(name: str) -> int:
    """Write a race that passes every check; print what comes next, and return the exit status.

    Args:
        name: "thread/race" for one of the catalogue, in this checkout; or "my_race.py" for a file.

    Raises:
        MmvizError: the name cannot be one, or something of that name exists.
    """
    path = Path(name) if name.endswith(".py") else _in_catalogue(name)
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem) or path.stem == SHARED:
        raise MmvizError(f"{quoted(path.name)} cannot be a race; write letters, digits and _")
    if not path.parent.is_dir() and path.parent.parent != HERE:
        raise MmvizError(f"there is no folder {quoted(str(path.parent))}; make it first")
    written = [path]
    if not path.parent.is_dir():
        path.parent.mkdir()
        (path.parent / "__init__.py").write_text(THREAD, "utf-8")
        written.insert(0, path.parent / "__init__.py")
    try:
        with path.open("x", encoding="utf-8") as file:  # never over a file that is there
            file.write(RACE)
    except FileExistsError:
        raise MmvizError(f"{name} exists; new races only go into files of their own") from None
    names.cache_clear()
    importlib.invalidate_caches()
    for change in changes(explore(case, partial=False) for case in load(name).cases):
        change.path.write_text(change.new, "utf-8")
    print(f"Written: {', '.join(map(str, written))}")
    print(f"Replace what it models, one part after another, and run: mmviz verify {name}")
    return 0


def _in_catalogue(name: str) -> Path:
    """Return the path of a race of the catalogue.

    Raises:
        MmvizError: the name is not written thread/race, or this is no checkout.
    """
    if not re.fullmatch(r"[a-z]\w*/[a-z]\w*", name, re.ASCII):
        raise MmvizError(
            f"{quoted(name)} is no name of a race; write thread/race_in_three_words, in small "
            "letters, or my_race.py for a file"
        )
    if not (HERE.parents[1] / "pyproject.toml").exists():
        raise MmvizError(
            "races of the catalogue are written in a checkout of mmviz; here, write a file: "
            f"mmviz new {name.rpartition('/')[2]}.py"
        )
    return HERE / f"{name}.py"
