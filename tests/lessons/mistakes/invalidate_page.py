"""Mistakes in the exercises of the thread invalidate_page."""

from tests.lessons.mistakes import because

CHECK, LATE, SHORT = (
    "invalidate_page/check_and_map",
    "invalidate_page/callback_in_time",
    "invalidate_page/short_hold",
)

RIGHT = {
    "invalidate_page/start_before_walk": {
        "looks again": """
            async def follow_pte_pmd(self, k):
                huge = await k.dax.pmd_huge()
                await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD if huge else PTE])
                await k.dax.ptl.spin_lock()
                if await k.dax.pmd_huge() == huge:
                    await k.dax.wrprotect()
                await k.dax.ptl.spin_unlock()
                await k.mirror.mmu_notifier_invalidate_range_end()
            """,
        "all of it": """
            async def follow_pte_pmd(self, k):
                await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD])
                await k.dax.ptl.spin_lock()
                await k.dax.wrprotect()
                await k.dax.ptl.spin_unlock()
                await k.mirror.mmu_notifier_invalidate_range_end()
            """,
    },
    CHECK: {
        "both words under the mutex": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "looked up under the mutex, the counter alone": """
            async def fault(self, k):
                while True:
                    await k.update.mutex_lock()
                    busy = await k.notifier.read_mmu_invalidate_in_progress()
                    page = None
                    if not busy:
                        page = await k.cpu.get_user_pages(VA)
                        if page is not None:
                            await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    if page is not None:
                        await page.put_page()
                    if not busy:
                        return
            """,
        "read apart under the mutex": """
            async def fault(self, k):
                done = False
                while not done:
                    seq = await self.sample(k)
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    late = await k.notifier.mmu_invalidate_seq_changed(seq)
                    busy = await k.notifier.read_mmu_invalidate_in_progress()
                    done = not late and busy == 0
                    if done:
                        await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
            """,
        "waits until nothing is in progress, and samples then": """
            async def fault(self, k):
                while True:
                    await k.notifier.wait_until_idle()
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    retry = await k.notifier.mmu_invalidate_retry(seq)
                    if not retry:
                        await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    if not retry:
                        return
            """,
        "checks cheaply first, and again under the mutex": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await page.put_page()
                        continue
                    await k.update.mutex_lock()
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "puts the reference before it maps": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    if not await k.notifier.mmu_invalidate_retry(seq):
                        break
                    await k.update.mutex_unlock()
                    await page.put_page()
                await page.put_page()
                await k.gpu.map(VA, page)
                await k.update.mutex_unlock()
            """,
    },
    LATE: {
        "under the lock": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await invalidate_page(k)
                await k.page.put_page()
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
            """,
        "before the lock": """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.page.put_page()
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
            """,
        "uses what the clear returns": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await invalidate_page(k)
                page = await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                await page.put_page()
                await page.put_page()
            """,
        "the driver's part written out": """
            async def try_to_unmap_one(self, k):
                await k.update.spin_lock()
                await k.gpu.unmap(VA)
                await k.update.spin_unlock()
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                for _ in range(2):
                    await k.page.put_page()
            """,
    },
    SHORT: {
        "before the lock, put after it": """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
    },
}

WRONG = {
    "invalidate_page/start_before_walk": {
        "nothing": """
            async def follow_pte_pmd(self, k):
                pass
            """,
        "looks again before the lock": """
            async def follow_pte_pmd(self, k):
                huge = await k.dax.pmd_huge()
                await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD if huge else PTE])
                if await k.dax.pmd_huge() == huge:
                    await k.dax.ptl.spin_lock()
                    await k.dax.wrprotect()
                    await k.dax.ptl.spin_unlock()
                await k.mirror.mmu_notifier_invalidate_range_end()
            """,
        "tells the drivers after it": """
            async def follow_pte_pmd(self, k):
                await k.dax.ptl.spin_lock()
                huge = await k.dax.pmd_huge()
                await k.dax.wrprotect()
                await k.dax.ptl.spin_unlock()
                await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD if huge else PTE])
                await k.mirror.mmu_notifier_invalidate_range_end()
            """,
    },
    CHECK: {
        "the given code": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await page.put_page()
                        continue
                    await k.update.mutex_lock()
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "samples after the lookup": """
            async def fault(self, k):
                while True:
                    page = await k.cpu.get_user_pages(VA)
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "samples once, before the loop": """
            async def fault(self, k):
                seq = await k.notifier.read_mmu_invalidate_seq()
                while True:
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "gives up instead of trying again": """
            async def fault(self, k):
                seq = await k.notifier.read_mmu_invalidate_seq()
                page = await k.cpu.get_user_pages(VA)
                if page is None:
                    return
                await k.update.mutex_lock()
                if not await k.notifier.mmu_invalidate_retry(seq):
                    await k.gpu.map(VA, page)
                await k.update.mutex_unlock()
                await page.put_page()
            """,
        "holds the page-table lock instead": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.cpu.ptl.spin_lock()
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.cpu.ptl.spin_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.cpu.ptl.spin_unlock()
                    await page.put_page()
                    return
            """,
        "both locks, a mutex under a spinlock": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.cpu.ptl.spin_lock()
                    await k.update.mutex_lock()
                    retry = await k.notifier.mmu_invalidate_retry(seq)
                    if not retry:
                        await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await k.cpu.ptl.spin_unlock()
                    await page.put_page()
                    if not retry:
                        return
            """,
        "a flag of its own as a lock": """
            async def fault(self, k):
                self.busy = True
                page = await k.cpu.get_user_pages(VA)
                if page is not None:
                    await k.update.mutex_lock()
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                self.busy = False
            """,
        "a flag in the world as a lock": """
            async def fault(self, k):
                k.busy = True
                page = await k.cpu.get_user_pages(VA)
                if page is not None:
                    await k.update.mutex_lock()
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                k.busy = False
            """,
        "drops the mutex between check and map": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    retry = await k.notifier.mmu_invalidate_retry(seq)
                    await k.update.mutex_unlock()
                    if retry:
                        await page.put_page()
                        continue
                    await k.update.mutex_lock()
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "the counter alone, looked up without the mutex": """
            async def fault(self, k):
                while True:
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    if await k.notifier.read_mmu_invalidate_in_progress():
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "the sequence alone": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    if await k.notifier.mmu_invalidate_seq_changed(seq):
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        "waits for idle, and checks nothing": """
            async def fault(self, k):
                await k.notifier.wait_until_idle()
                page = await k.cpu.get_user_pages(VA)
                if page is None:
                    return
                await k.update.mutex_lock()
                await k.gpu.map(VA, page)
                await k.update.mutex_unlock()
                await page.put_page()
            """,
        "waits for idle with the mutex held": """
            async def fault(self, k):
                await k.update.mutex_lock()
                await k.notifier.wait_until_idle()
                page = await k.cpu.get_user_pages(VA)
                if page is not None:
                    await k.gpu.map(VA, page)
                    await page.put_page()
                await k.update.mutex_unlock()
            """,
        "maps, then checks, then unmaps": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.gpu.unmap(VA)
                        await page.put_page()
                        continue
                    await page.put_page()
                    return
            """,
        "keeps the reference for as long as it is mapped": """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    return
            """,
        "tries the mutex, and maps whatever it says": """
            async def fault(self, k):
                page = await k.cpu.get_user_pages(VA)
                if page is None:
                    return
                await k.update.mutex_trylock()
                await k.gpu.map(VA, page)
                await k.update.mutex_unlock()
                await page.put_page()
            """,
        "the mutex only around the check": """
            async def fault(self, k):
                while True:
                    seq = await self.sample(k)
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    retry = await self.must_retry(k, seq)
                    await k.update.mutex_unlock()
                    if not retry:
                        await k.gpu.map(VA, page)
                    await page.put_page()
                    if not retry:
                        return
            """,
        "a loop without end": """
            async def fault(self, k):
                while True:
                    await k.update.mutex_lock()
                    await k.update.mutex_unlock()
            """,
        "a loop without a step": """
            async def fault(self, k):
                while True:
                    pass
            """,
        "the lock's method, not called": """
            async def fault(self, k):
                page = await k.cpu.get_user_pages(VA)
                if page is None:
                    return
                k.update.mutex_lock
                await k.gpu.map(VA, page)
                k.update.mutex_unlock
                await page.put_page()
            """,
        "a lock that is not there": """
            async def fault(self, k):
                await k.gpu.lock.mutex_lock()
                await k.gpu.lock.mutex_unlock()
            """,
        "the whole handler under the mutex, never looking": """
            async def fault(self, k):
                await k.update.mutex_lock()
                page = await k.cpu.get_user_pages(VA)
                if page is not None:
                    await k.gpu.map(VA, page)
                    await page.put_page()
                await k.update.mutex_unlock()
            """,
        "clears the words itself": """
            async def fault(self, k):
                await k.notifier.kvm_mmu_invalidate_begin()
                page = await k.cpu.get_user_pages(VA)
                if page is not None:
                    await k.update.mutex_lock()
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                await k.notifier.kvm_mmu_invalidate_end()
            """,
    },
    LATE: {
        "clear, unlock, put all, call": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.page.put_page()
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await invalidate_page(k)
            """,
        "never unlocks": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await invalidate_page(k)
                await k.page.put_page()
                await k.page.put_page()
            """,
        "does not call the driver": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.page.put_page()
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
            """,
        "leaves the page mapped": """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.page.put_page()
            """,
        "the driver's lock for the page table": """
            async def try_to_unmap_one(self, k):
                await k.update.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.gpu.unmap(VA)
                await k.update.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
        "holds the driver's lock around its callback": """
            async def try_to_unmap_one(self, k):
                await k.update.spin_lock()
                await invalidate_page(k)
                await k.update.spin_unlock()
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
        "forgets that the callback is async": """
            async def try_to_unmap_one(self, k):
                invalidate_page(k)
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
        "puts both under the lock, calls after": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.page.put_page()
                await k.page.put_page()
                await k.cpu.ptl.spin_unlock()
                await invalidate_page(k)
            """,
        "not async": """
            def try_to_unmap_one(self, k):
                return invalidate_page(k)
            """,
        "a try around it": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                try:
                    await k.cpu.ptep_clear_flush(VA)
                    await invalidate_page(k)
                finally:
                    await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
        "waits for CPU1 before it unlocks": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await invalidate_page(k)
                while await k.cpu.ptep_get(VA) is None:
                    pass
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
    },
    SHORT: {
        "under the lock": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await invalidate_page(k)
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
        "no lock at all": """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.cpu.ptep_clear_flush(VA)
                await k.page.put_page()
                await k.page.put_page()
            """,
        "drops and takes the lock again": """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                await invalidate_page(k)
                await k.cpu.ptl.spin_lock()
                await k.page.put_page()
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
            """,
    },
}

# Answers of other readers, which no mutants are made of: (right, methods).
READERS = {
    CHECK: {
        "both words and the lookup under the mutex": (
            True,
            """
            async def fault(self, k):
                while True:
                    await k.update.mutex_lock()
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        await k.update.mutex_unlock()
                        return
                    retry = await k.notifier.mmu_invalidate_retry(seq)
                    if not retry:
                        await k.gpu.map(VA, page)
                    await page.put_page()
                    await k.update.mutex_unlock()
                    if not retry:
                        return
            """,
        ),
        "tries the mutex, and starts over": (
            True,
            """
            async def fault(self, k):
                while True:
                    seq = await k.notifier.read_mmu_invalidate_seq()
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    if not await k.update.mutex_trylock():
                        await page.put_page()
                        continue
                    if await k.notifier.mmu_invalidate_retry(seq):
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    break
            """,
        ),
        "a helper for one attempt": (
            True,
            """
            async def fault(self, k):
                while not await self.attempt(k):
                    pass

            async def attempt(self, k):
                seq = await self.sample(k)
                page = await k.cpu.get_user_pages(VA)
                if page is None:
                    return True
                await k.update.mutex_lock()
                ok = not await self.must_retry(k, seq)
                if ok:
                    await k.gpu.map(VA, page)
                await k.update.mutex_unlock()
                await page.put_page()
                return ok
            """,
        ),
        "asks whether the CPU still has the page": (
            False,
            """
            async def fault(self, k):
                while True:
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    again = await k.cpu.ptep_get(VA)
                    if again is not page:
                        await k.update.mutex_unlock()
                        await page.put_page()
                        continue
                    await k.gpu.map(VA, page)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    return
            """,
        ),
        "async with": (
            False,
            """
            async def fault(self, k):
                page = await k.cpu.get_user_pages(VA)
                async with k.update:
                    await k.gpu.map(VA, page)
                await page.put_page()
            """,
        ),
        "sleeps for a second": (
            False,
            """
            async def fault(self, k):
                import time
                time.sleep(1)
            """,
        ),
        "a lock of asyncio": (
            False,
            """
            async def fault(self, k):
                await asyncio.sleep(0)
            """,
        ),
        "waits for idle outside of the mutex": (
            False,
            """
            async def fault(self, k):
                page = await k.cpu.get_user_pages(VA)
                while page is not None:
                    await k.update.mutex_lock()
                    if await k.notifier.read_mmu_invalidate_in_progress() == 0:
                        await k.gpu.map(VA, page)
                        await k.update.mutex_unlock()
                        await page.put_page()
                        return
                    await k.update.mutex_unlock()
                    await page.put_page()
                    await k.notifier.wait_until_idle()
                    page = await k.cpu.get_user_pages(VA)
            """,
        ),
        "maps, then checks, under the mutex": (
            False,
            """
            async def fault(self, k):
                while True:
                    seq = await self.sample(k)
                    page = await k.cpu.get_user_pages(VA)
                    if page is None:
                        return
                    await k.update.mutex_lock()
                    await k.gpu.map(VA, page)
                    retry = await self.must_retry(k, seq)
                    if retry:
                        await k.gpu.unmap(VA)
                    await k.update.mutex_unlock()
                    await page.put_page()
                    if not retry:
                        return
            """,
        ),
    },
    LATE: {
        "calls the driver before and after": (
            True,
            """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                await invalidate_page(k)
                await k.page.put_page()
                await k.page.put_page()
            """,
        ),
        "takes the device's entry by xchg": (
            True,
            """
            async def try_to_unmap_one(self, k):
                await k.cpu.ptl.spin_lock()
                page = await k.cpu.ptep_clear_flush(VA)
                await k.update.spin_lock()
                await k.gpu.xchg(VA, None)
                await k.update.spin_unlock()
                await k.cpu.ptl.spin_unlock()
                await page.put_page()
                await k.page.put_page()
            """,
        ),
        "zaps, which takes the lock itself": (
            True,
            """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.cpu.zap_pte_range(VA)
                await k.page.put_page()
                await k.page.put_page()
            """,
        ),
        "another way to clear, without the lock": (
            False,
            """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.cpu.ptep_get_and_clear(VA)
                await k.page.put_page()
                await k.page.put_page()
            """,
        ),
        "the device's entry by xchg, without its lock": (
            False,
            """
            async def try_to_unmap_one(self, k):
                await k.gpu.xchg(VA, None)
                await k.cpu.ptl.spin_lock()
                await k.cpu.ptep_clear_flush(VA)
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
        ),
        "puts the fresh page there itself": (
            False,
            """
            async def try_to_unmap_one(self, k):
                await invalidate_page(k)
                await k.cpu.ptl.spin_lock()
                await k.cpu.set_pte_at(VA, k.fresh)
                await k.cpu.ptl.spin_unlock()
                await k.page.put_page()
                await k.page.put_page()
            """,
        ),
    },
}

SAFE = {
    **because(
        "the second time it says the same of the same pages",
        "invalidate_page/start_before_walk",
        "looks again, twice: await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD if huge else PTE]) (line 3)",
        "looks again, twice: await k.mirror.mmu_notifier_invalidate_range_end() (line 8)",
        "looks again, twice: await k.dax.wrprotect() (line 6)",
        "all of it, twice: await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD]) (line 2)",
        "all of it, twice: await k.dax.wrprotect() (line 4)",
        "all of it, twice: await k.mirror.mmu_notifier_invalidate_range_end() (line 6)",
    ),
    **because(
        "the second time writes the same entry again",
        CHECK,
        "both words under the mutex, twice: await k.gpu.map(VA, page) (line 12)",
        "looked up under the mutex, the counter alone, twice: await k.gpu.map(VA, page) (line 9)",
        "read apart under the mutex, twice: await k.gpu.map(VA, page) (line 13)",
        "waits until nothing is in progress, and samples then, twice: await k.gpu.map(VA, page) (line 11)",
        "checks cheaply first, and again under the mutex, twice: await k.gpu.map(VA, page) (line 15)",
        "puts the reference before it maps, twice: await k.gpu.map(VA, page) (line 13)",
    ),
    **because(
        "a reference may be put under a lock or after it",
        CHECK,
        "both words under the mutex, after the next line: await k.update.mutex_unlock() (line 13)",
        "both words under the mutex, after the next line: await k.update.mutex_unlock() (line 9)",
        "looked up under the mutex, the counter alone, after the next line: await k.update.mutex_unlock() (line 10)",
        "read apart under the mutex, after the next line: await k.update.mutex_unlock() (line 14)",
        "waits until nothing is in progress, and samples then, after the next line: await k.update.mutex_unlock() (line 12)",
        "checks cheaply first, and again under the mutex, after the next line: await k.update.mutex_unlock() (line 16)",
        "checks cheaply first, and again under the mutex, after the next line: await k.update.mutex_unlock() (line 12)",
        "puts the reference before it maps, after the next line: await page.put_page() (line 12)",
        "puts the reference before it maps, after the next line: await k.update.mutex_unlock() (line 10)",
    ),
    **because(
        "no callback runs between the two reads, because the mutex is held",
        CHECK,
        "read apart under the mutex, after the next line: late = await k.notifier.mmu_invalidate_seq_changed(seq) (line 9)",
    ),
    **because(
        "waiting saves a round, and both words are checked afterwards",
        CHECK,
        "waits until nothing is in progress, and samples then, without: await k.notifier.wait_until_idle() (line 3)",
        "waits until nothing is in progress, and samples then, twice: await k.notifier.wait_until_idle() (line 3)",
        "waits until nothing is in progress, and samples then, after the next line: await k.notifier.wait_until_idle() (line 3)",
    ),
    **because(
        "the second time the entry is clear already, and nothing is done with it",
        LATE,
        "under the lock, twice: await k.cpu.ptep_clear_flush(VA) (line 3)",
        "before the lock, twice: await k.cpu.ptep_clear_flush(VA) (line 4)",
        "the driver's part written out, twice: await k.cpu.ptep_clear_flush(VA) (line 6)",
    ),
    **because(
        "the device lets go before CPU1 can map a fresh page, under the lock or before it",
        LATE,
        "under the lock, after the next line: await k.cpu.ptep_clear_flush(VA) (line 3)",
        "uses what the clear returns, after the next line: await k.cpu.ptl.spin_lock() (line 2)",
        "uses what the clear returns, after the next line: await invalidate_page(k) (line 3)",
    ),
    **because(
        "the second time the device has let go already",
        LATE,
        "under the lock, twice: await invalidate_page(k) (line 4)",
        "before the lock, twice: await invalidate_page(k) (line 2)",
        "uses what the clear returns, twice: await invalidate_page(k) (line 3)",
    ),
    **because(
        "reclaim's own reference keeps the page until the callback has returned",
        LATE,
        "under the lock, after the next line: await invalidate_page(k) (line 4)",
    ),
    **because(
        "a reference may be put under a lock or after it",
        LATE,
        "under the lock, after the next line: await k.page.put_page() (line 5)",
        "under the lock, after the next line: await k.cpu.ptl.spin_unlock() (line 6)",
        "before the lock, after the next line: await k.page.put_page() (line 5)",
        "before the lock, after the next line: await k.cpu.ptl.spin_unlock() (line 6)",
        "uses what the clear returns, after the next line: await k.cpu.ptl.spin_unlock() (line 5)",
        "the driver's part written out, after the next line: await k.cpu.ptl.spin_unlock() (line 7)",
    ),
    **because(
        "reclaim's own reference keeps the page until its entry is clear",
        LATE,
        "before the lock, after the next line: await k.cpu.ptep_clear_flush(VA) (line 4)",
    ),
    **because(
        "the second time writes the same entry again",
        LATE,
        "the driver's part written out, twice: await k.gpu.unmap(VA) (line 3)",
    ),
    **because(
        "the driver's lock is dropped a step later",
        LATE,
        "the driver's part written out, after the next line: await k.update.spin_unlock() (line 4)",
    ),
    **because(
        "the second time the device has let go already",
        SHORT,
        "before the lock, put after it, twice: await invalidate_page(k) (line 2)",
    ),
    **because(
        "the second time the entry is clear already, and nothing is done with it",
        SHORT,
        "before the lock, put after it, twice: await k.cpu.ptep_clear_flush(VA) (line 4)",
    ),
    **because(
        "a reference may be put under a lock or after it",
        SHORT,
        "before the lock, put after it, after the next line: await k.cpu.ptl.spin_unlock() (line 5)",
    ),
}
