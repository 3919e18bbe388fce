"""A buffer of shared memory: pages of a file, which has no name if the memory is anonymous."""

from typing import ClassVar

from mmviz.engine import Struct, atomic, field
from mmviz.kernel.conformance.buffer import BufferPage
from mmviz.kernel.conformance.buffer_vma import BufferVma, WordPage
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.page import Page


class ShmemFile(Struct):
    """The file behind shared memory, of one page.

    Attributes:
        page: the page in its page cache; the cache holds a reference of its own.

    Source: mm/shmem.c, shmem_zero_setup(); mm/filemap.c.
    Simplified: pages that are only on disk are not modelled.
    """

    page: WordPage | None = None

    @atomic("mm/filemap.c")
    def generic_perform_write(self, fresh: WordPage, word: int) -> None:
        """Write the word through the page cache, as write() does."""
        if self.page is None:
            fresh.alloc()
            self.page = fresh
        self.page.word = word

    @atomic("mm/filemap.c")
    def filemap_read(self) -> int | None:
        """Read the word from the page cache, as pread() does; None past the file's end."""
        return None if self.page is None else self.page.word


class SharedVma(BufferVma):
    """A shared mapping: fork copies no entry, each process faults the file's page in.

    Attributes:
        file: what is mapped. Never changes.

    Source: mm/memory.c, do_fault(), do_wp_page(); mm/shmem.c.
    Simplified: do_read_fault() and do_shared_fault() are one; the file's page is never evicted.
    """

    file: ShmemFile = field(default_factory=ShmemFile)
    anonymous: ClassVar[bool] = False

    @atomic("mm/memory.c")
    def do_fault(self, fresh: WordPage) -> None:
        """Map the file's page; the first access in any process allocates it."""
        if self.pte is not None:
            return
        if self.file.page is None:
            fresh.alloc()
            fresh.word = 0
            self.file.page = fresh
        self.file.page.get()
        self.count(self.file.page, 1)
        self.pte = Pte(self.file.page, write=self.vm_write)

    @atomic("mm/memory.c")
    def do_wp_page(self, copy: Page) -> None:
        """Answer a write to a read-only entry: make it writable, even if the page is shared."""
        if self.pte is not None:
            self.pte = Pte(self.pte.page)


class SharedPage(BufferPage):
    """One page of a shared buffer."""

    vma: SharedVma = field(default_factory=SharedVma)

    async def do_pte_missing(self, access: str) -> None:
        """Fill an empty entry from the file."""
        await self.vma.do_fault(self.fresh)
