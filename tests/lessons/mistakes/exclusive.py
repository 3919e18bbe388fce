"""Mistakes in the exercises of the thread exclusive."""

from tests.lessons.mistakes import because

AFTER, AGAIN, LOCKLESS, DRAIN = (
    "exclusive/look_afterwards",
    "exclusive/look_again",
    "exclusive/without_a_lock",
    "exclusive/drain",
)

RECHECKS = """
    async def gup_pte_range(self, mapping):
        entry = await mapping.ptep_get_lockless()
        if entry is None or not entry.is_writable:
            return None
        if not await entry.page.try_grab_page():
            return None
        if await mapping.ptep_get_lockless() != entry:
            await entry.page.unpin_user_page()
            return None
        return entry.page
    """

LOCKS = """
    async def gup_pte_range(self, mapping):
        entry = await mapping.ptep_get_lockless()
        if entry is None or not entry.is_writable:
            return None
        await entry.page.lock_page()
        again = await mapping.ptep_get_lockless()
        if again == entry:
            await entry.page.try_grab_page()
        await entry.page.unlock_page()
        if again == entry:
            return entry.page
        return None
    """

TRIES = """
    async def gup_pte_range(self, mapping):
        entry = await mapping.ptep_get_lockless()
        if entry is None or not entry.is_writable:
            return None
        if not await entry.page.trylock_page():
            return None
        again = await mapping.ptep_get_lockless()
        if again == entry:
            await entry.page.try_grab_page()
        await entry.page.unlock_page()
        if again == entry:
            return entry.page
        return None
    """

RIGHT = {
    AFTER: {
        "replace, look, put back": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                if await k.page.page_maybe_dma_pinned():
                    await k.cpu.restore_exclusive_pte(k.page)
                    return False
                return True
            """,
        "looks before as well, and saves the trouble": """
            async def make_device_exclusive(self, k):
                if await k.page.page_maybe_dma_pinned():
                    return False
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                pinned = await k.page.page_maybe_dma_pinned()
                if pinned:
                    await k.cpu.restore_exclusive_pte(k.page)
                return not pinned
            """,
        "tries again when the pin has gone": """
            async def make_device_exclusive(self, k):
                for _ in range(2):
                    if not await k.cpu.page_make_device_exclusive_one(k.page):
                        return False
                    if not await k.page.page_maybe_dma_pinned():
                        return True
                    await k.cpu.restore_exclusive_pte(k.page)
                return False
            """,
    },
    AGAIN: {
        "pins, then reads again": RECHECKS,
        "under the page lock": LOCKS,
        "under the page lock if it is free": TRIES,
        "asks again by its own second walk": """
            async def gup_pte_range(self, mapping):
                first = await mapping.ptep_get_lockless()
                if first is None or not first.is_writable:
                    return None
                page = first.page
                pinned = await page.try_grab_page()
                second = await mapping.ptep_get_lockless()
                if pinned and second is not None and second.is_writable and second.page is page:
                    return page
                if pinned:
                    await page.unpin_user_page()
                return None
            """,
    },
    LOCKLESS: {"pins, then reads again": RECHECKS},
    DRAIN: {
        "unmap, then wait": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                await k.gpu.wait_idle()
            """,
        "waits before as well": """
            async def invalidate(self, k):
                await k.gpu.wait_idle()
                await k.gpu.unmap()
                await k.gpu.wait_idle()
            """,
    },
}

WRONG = {
    AFTER: {
        "the given code": """
            async def make_device_exclusive(self, k):
                if await k.page.page_maybe_dma_pinned():
                    return False
                return await k.cpu.page_make_device_exclusive_one(k.page)
            """,
        "never looks": """
            async def make_device_exclusive(self, k):
                return await k.cpu.page_make_device_exclusive_one(k.page)
            """,
        "always refuses": """
            async def make_device_exclusive(self, k):
                return False
            """,
        "says yes and does nothing": """
            async def make_device_exclusive(self, k):
                return True
            """,
        "replaces, and always refuses": """
            async def make_device_exclusive(self, k):
                await k.cpu.page_make_device_exclusive_one(k.page)
                await k.cpu.restore_exclusive_pte(k.page)
                return False
            """,
        "does not put the entry back": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                return not await k.page.page_maybe_dma_pinned()
            """,
        "puts the entry back, and says yes": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                if await k.page.page_maybe_dma_pinned():
                    await k.cpu.restore_exclusive_pte(k.page)
                return True
            """,
        "takes the page lock, which the caller holds": """
            async def make_device_exclusive(self, k):
                await k.page.lock_page()
                if await k.page.page_maybe_dma_pinned():
                    await k.page.unlock_page()
                    return False
                done = await k.cpu.page_make_device_exclusive_one(k.page)
                await k.page.unlock_page()
                return done
            """,
        "drops the caller's lock while it looks": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                await k.page.unlock_page()
                pinned = await k.page.page_maybe_dma_pinned()
                await k.page.lock_page()
                if pinned:
                    await k.cpu.restore_exclusive_pte(k.page)
                return not pinned
            """,
        "looks twice before": """
            async def make_device_exclusive(self, k):
                if await k.page.page_maybe_dma_pinned():
                    return False
                if await k.page.page_maybe_dma_pinned():
                    return False
                return await k.cpu.page_make_device_exclusive_one(k.page)
            """,
        "waits until the page is not pinned": """
            async def make_device_exclusive(self, k):
                await k.cpu.page_make_device_exclusive_one(k.page)
                while await k.page.page_maybe_dma_pinned():
                    pass
                return True
            """,
        "takes the pin away": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                if await k.page.page_maybe_dma_pinned():
                    await k.page.unpin_user_page()
                return True
            """,
        "pins the page for itself": """
            async def make_device_exclusive(self, k):
                await k.page.try_grab_page()
                return await k.cpu.page_make_device_exclusive_one(k.page)
            """,
        "forgets await in the check": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                if k.page.page_maybe_dma_pinned():
                    await k.cpu.restore_exclusive_pte(k.page)
                    return False
                return True
            """,
        "maps the page itself, and looks then": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                await k.gpu.map_atomic(k.page)
                if await k.page.page_maybe_dma_pinned():
                    await k.gpu.unmap()
                    await k.cpu.restore_exclusive_pte(k.page)
                    return False
                return True
            """,
        "reads the count by itself": """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                if k.page.refs > 1:
                    await k.cpu.restore_exclusive_pte(k.page)
                    return False
                return True
            """,
        "returns nothing": """
            async def make_device_exclusive(self, k):
                if await k.cpu.page_make_device_exclusive_one(k.page):
                    if await k.page.page_maybe_dma_pinned():
                        await k.cpu.restore_exclusive_pte(k.page)
            """,
    },
    AGAIN: {
        "the given code": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.try_grab_page()
                return entry.page
            """,
        "reads twice, then pins": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                if await mapping.ptep_get_lockless() != entry:
                    return None
                await entry.page.try_grab_page()
                return entry.page
            """,
        "always the slow way": """
            async def gup_pte_range(self, mapping):
                return None
            """,
        "leaves its pin behind": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.try_grab_page()
                if await mapping.ptep_get_lockless() != entry:
                    return None
                return entry.page
            """,
        "gives the pin back, and the page as well": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.try_grab_page()
                if await mapping.ptep_get_lockless() != entry:
                    await entry.page.unpin_user_page()
                return entry.page
            """,
        "does not pin": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                if await mapping.ptep_get_lockless() != entry:
                    return None
                return entry.page
            """,
        "a plain reference is no pin": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.get_page()
                if await mapping.ptep_get_lockless() != entry:
                    await entry.page.put_page()
                    return None
                return entry.page
            """,
        "gives a pin back as a reference": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.try_grab_page()
                if await mapping.ptep_get_lockless() != entry:
                    await entry.page.put_page()
                    return None
                return entry.page
            """,
        "compares with itself": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.try_grab_page()
                entry = await mapping.ptep_get_lockless()
                if entry != entry:
                    await entry.page.unpin_user_page()
                    return None
                return entry.page
            """,
        "pins whatever the entry says": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                await entry.page.try_grab_page()
                if await mapping.ptep_get_lockless() != entry:
                    await entry.page.unpin_user_page()
                    return None
                return entry.page
            """,
        "the page lock around the pin, the entry read before": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.lock_page()
                await entry.page.try_grab_page()
                await entry.page.unlock_page()
                return entry.page
            """,
        "returns with the page lock held": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.lock_page()
                if await mapping.ptep_get_lockless() != entry:
                    return None
                await entry.page.try_grab_page()
                await entry.page.unlock_page()
                return entry.page
            """,
        "tries the lock, and goes on without it": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.trylock_page()
                await entry.page.try_grab_page()
                await entry.page.unlock_page()
                return entry.page
            """,
        "goes round until the entry is writable": """
            async def gup_pte_range(self, mapping):
                while True:
                    entry = await mapping.ptep_get_lockless()
                    if entry is None or not entry.is_writable:
                        continue
                    await entry.page.try_grab_page()
                    if await mapping.ptep_get_lockless() == entry:
                        return entry.page
                    await entry.page.unpin_user_page()
            """,
        "pins twice": """
            async def gup_pte_range(self, mapping):
                entry = await mapping.ptep_get_lockless()
                if entry is None or not entry.is_writable:
                    return None
                await entry.page.try_grab_page()
                await entry.page.try_grab_page()
                if await mapping.ptep_get_lockless() != entry:
                    await entry.page.unpin_user_page()
                    await entry.page.unpin_user_page()
                    return None
                return entry.page
            """,
        "reads the field": """
            async def gup_pte_range(self, mapping):
                entry = mapping.pte
                await entry.page.try_grab_page()
                if mapping.pte != entry:
                    await entry.page.unpin_user_page()
                    return None
                return entry.page
            """,
    },
    LOCKLESS: {
        "under the page lock": LOCKS,
        "under the page lock if it is free": TRIES,
    },
    DRAIN: {
        "the given code": """
            async def invalidate(self, k):
                await k.gpu.unmap()
            """,
        "waits only": """
            async def invalidate(self, k):
                await k.gpu.wait_idle()
            """,
        "waits, then unmaps": """
            async def invalidate(self, k):
                await k.gpu.wait_idle()
                await k.gpu.unmap()
            """,
        "nothing at all": """
            async def invalidate(self, k):
                pass
            """,
        "takes the page lock again": """
            async def invalidate(self, k):
                await k.page.lock_page()
                await k.gpu.unmap()
                await k.gpu.wait_idle()
                await k.page.unlock_page()
            """,
        "drops the caller's page lock": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                await k.page.unlock_page()
                await k.gpu.wait_idle()
            """,
        "drops and takes the page lock": """
            async def invalidate(self, k):
                await k.page.unlock_page()
                await k.gpu.unmap()
                await k.gpu.wait_idle()
                await k.page.lock_page()
            """,
        "asks in a loop without a step": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                while k.gpu.register is not None:
                    pass
            """,
        "puts the entry back too early": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                await k.cpu.restore_exclusive_pte(k.page)
                await k.gpu.wait_idle()
            """,
        "finishes the device's work for it": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                await k.gpu.write(k.counter)
            """,
        "maps the page again": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                await k.gpu.wait_idle()
                await k.gpu.map_atomic(k.page)
            """,
        "throws away what the device has read": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                k.gpu.register = None
            """,
        "lets the other device calls run, not awaited": """
            async def invalidate(self, k):
                k.gpu.unmap()
                k.gpu.wait_idle()
            """,
        "returns between the two": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                return
                await k.gpu.wait_idle()
            """,
        "adds for the device": """
            async def invalidate(self, k):
                await k.gpu.unmap()
                await k.gpu.read(k.counter)
                await k.gpu.write(k.counter)
            """,
    },
}

# Answers of other readers, which no mutants are made of: (right, methods).
READERS = {
    AGAIN: {
        "starts over once": (
            True,
            """
            async def gup_pte_range(self, mapping):
                for _ in range(2):
                    entry = await mapping.ptep_get_lockless()
                    if entry is None or not entry.is_writable:
                        return None
                    await entry.page.try_grab_page()
                    if entry == await mapping.ptep_get_lockless():
                        return entry.page
                    await entry.page.unpin_user_page()
                return None
            """,
        ),
        "pins the slow way": (
            False,
            """
            async def gup_pte_range(self, mapping):
                return await mapping.follow_page_pte()
            """,
        ),
    },
    AFTER: {
        "looks three times": (
            True,
            """
            async def make_device_exclusive(self, k):
                if not await k.cpu.page_make_device_exclusive_one(k.page):
                    return False
                for _ in range(3):
                    if await k.page.page_maybe_dma_pinned():
                        await k.cpu.restore_exclusive_pte(k.page)
                        return False
                return True
            """,
        ),
    },
    DRAIN: {
        "does it all twice": (
            True,
            """
            async def invalidate(self, k):
                for _ in range(2):
                    await k.gpu.unmap()
                    await k.gpu.wait_idle()
            """,
        ),
    },
}

SAFE = {
    **because(
        "the second time there is no exclusive entry",
        AFTER,
        "replace, look, put back, twice: await k.cpu.restore_exclusive_pte(k.page) (line 5)",
        "looks before as well, and saves the trouble, twice: await k.cpu.restore_exclusive_pte(k.page) (line 8)",
        "tries again when the pin has gone, twice: await k.cpu.restore_exclusive_pte(k.page) (line 7)",
    ),
    **because(
        "the look before saves work; the one after decides",
        AFTER,
        "looks before as well, and saves the trouble, without: if await k.page.page_maybe_dma_pinned(): (line 2)",
        "looks before as well, and saves the trouble, without: return False (line 3)",
    ),
    **because(
        "None counts as False",
        AFTER,
        "tries again when the pin has gone, without: return False (line 8)",
    ),
    **because(
        "the page is never freed here, so try_grab_page() always pins",
        AGAIN,
        "pins, then reads again, without: return None (line 6)",
        "asks again by its own second walk, always: if pinned: (line 10)",
    ),
    **because(
        "a function without return returns None",
        AGAIN,
        "under the page lock, without: return None (line 12)",
        "under the page lock if it is free, without: return None (line 13)",
        "asks again by its own second walk, without: return None (line 12)",
    ),
    **because(
        "the second look refuses whatever the first should have",
        AGAIN,
        "asks again by its own second walk, without: if first is None or not first.is_writable: (line 3)",
        "asks again by its own second walk, without: return None (line 4)",
    ),
    **because(
        "the page is never freed here, so try_grab_page() always pins",
        LOCKLESS,
        "pins, then reads again, without: return None (line 6)",
    ),
    **because(
        "the entry is clear already",
        DRAIN,
        "unmap, then wait, twice: await k.gpu.unmap() (line 2)",
        "waits before as well, twice: await k.gpu.unmap() (line 3)",
    ),
    **because(
        "no operation is under way any more, or the wait after unmap() is the one that counts",
        DRAIN,
        "unmap, then wait, twice: await k.gpu.wait_idle() (line 3)",
        "waits before as well, twice: await k.gpu.wait_idle() (line 2)",
        "waits before as well, twice: await k.gpu.wait_idle() (line 4)",
    ),
}
