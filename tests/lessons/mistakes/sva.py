"""Mistakes in the exercises of the thread sva."""

QUIET, ORDER, FAULT, PUTS, SHORT = (
    "sva/quiet_end",
    "sva/in_order",
    "sva/a_user_or_nothing",
    "sva/who_puts",
    "sva/short_section",
)

DUMMY = """
    async def release(self, k):
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
    """
STOP = """
    async def release(self, k):
        await k.dev.stop_queue()
        await k.dev.drain_queue()
    """
USER = """
    async def release(self, k):
        await k.dev.unmap(VA)

    async def handle(self, k):
        if not await k.mm.mmget_not_zero():
            return INVALID
        page = await k.mm.get_user_pages()
        await k.dev.map(VA, page)
        await put_user(k.mm, lambda: self.release(k))
        return SUCCESS
    """
CLEARS = """
    async def locked_release(self, k):
        if not await k.io_mm.list_is_empty():
            await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

    async def locked_unbind(self, k, bond):
        await k.io_mm.list_del(bond)
        if await k.io_mm.list_is_empty():
            await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await k.io_mm.io_mm_put()
        await bond.kfree()
    """
DETACHES = """
    async def locked_release(self, k):
        for bond in await k.io_mm.list_for_each_entry():
            await bond.forget_io_mm()
            await detach(k, bond)

    async def locked_unbind(self, k, bond):
        if await bond.io_mm_of_bond() is not None:
            await detach(k, bond)
        await bond.kfree()
    """
LESS = """
    async def release(self, k):
        await k.io_mm.lock.mutex_lock()
        if not await k.io_mm.list_is_empty():
            await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.io_mm.lock.mutex_unlock()

    async def unbind(self, k, bond):
        await k.io_mm.lock.mutex_lock()
        await k.io_mm.list_del(bond)
        if await k.io_mm.list_is_empty():
            await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await k.io_mm.lock.mutex_unlock()
        await k.io_mm.io_mm_put()
        await bond.kfree()
    """

RIGHT = {
    "sva/give_it_back": {
        "invalidate, then free": """
            async def work(self, k):
                tables = await k.tables.process_one_work()
                await k.iommu.iommu_sva_invalidate_kva_range()
                await k.tables.free_deferred(tables)
            """,
    },
    QUIET: {
        "the dummy, then each after its source": DUMMY,
        "no entry, quietly": """
            async def release(self, k):
                await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
                await flush(k)
            """,
        "stopped": STOP,
    },
    ORDER: {"each after its source": DUMMY},
    FAULT: {
        "a user or nothing": USER,
        "one way out": """
            async def release(self, k):
                await k.dev.unmap(VA)

            async def handle(self, k):
                answer = INVALID
                if await k.mm.mmget_not_zero():
                    await k.dev.map(VA, await k.mm.get_user_pages())
                    answer = SUCCESS
                    await put_user(k.mm, lambda: self.release(k))
                return answer
            """,
    },
    PUTS: {"unbind puts": CLEARS, "release detaches": DETACHES},
    SHORT: {"the list and the entry": LESS},
}

WRONG = {
    "sva/give_it_back": {
        "nothing": """
            async def work(self, k):
                pass
            """,
        "the leaf alone": """
            async def work(self, k):
                tables = await k.tables.process_one_work()
                await k.iommu.flush_leaf()
                await k.tables.free_deferred(tables)
            """,
        "before there is work": """
            async def work(self, k):
                await k.iommu.iommu_sva_invalidate_kva_range()
                tables = await k.tables.process_one_work()
                await k.tables.free_deferred(tables)
            """,
    },
    QUIET: {
        "nothing": """
            async def release(self, k):
                pass
            """,
        "the flush alone": """
            async def release(self, k):
                await flush(k)
            """,
        "reported": DUMMY.replace("k.dummy", "NOT_PRESENT"),
        "the old pgd again": DUMMY.replace("k.dummy", "k.mm.pgd"),
        "the entry last": """
            async def release(self, k):
                await flush(k)
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
            """,
        "the flush without await": """
            async def release(self, k):
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
                flush(k)
            """,
        "the subscription put": """
            async def release(self, k):
                await k.mm.mmu_notifier_put()
            """,
        "a user kept": """
            async def release(self, k):
                await k.mm.mmget()
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
                await flush(k)
            """,
        "a reference kept": """
            async def release(self, k):
                await k.mm.mmgrab()
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
                await flush(k)
            """,
        "a reference put": """
            async def release(self, k):
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
                await flush(k)
                await k.mm.mmdrop()
            """,
        "stopped, and not drained": """
            async def release(self, k):
                await k.dev.stop_queue()
            """,
        "started again": """
            async def release(self, k):
                await k.dev.stop_queue()
                await k.dev.drain_queue()
                await k.dev.start_queue()
            """,
        "waits until it is unbound": """
            async def release(self, k):
                while await k.mm.mmu_notifier_release():
                    pass
            """,
        "writes the entry itself": """
            async def release(self, k):
                k.smmu.entry = k.dummy
                await flush(k)
            """,
        "a flag of one's own": """
            async def release(self, k):
                global stopped
                stopped = True
            """,
        "a syntax error": """
            async def release(self, k):
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
                yield
            """,
    },
    ORDER: {
        "nothing": """
            async def release(self, k):
                return
            """,
        "the wait first": """
            async def release(self, k):
                await k.dev.arm_smmu_cmdq_issue_sync()
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
                await k.smmu.arm_smmu_sync_cd()
                await k.smmu.arm_smmu_tlb_inv_asid()
                await k.dev.arm_smmu_atc_inv_domain()
            """,
        "all twice in the wrong order": """
            async def release(self, k):
                for _ in range(2):
                    await k.dev.arm_smmu_atc_inv_domain()
                    await k.smmu.arm_smmu_tlb_inv_asid()
                    await k.smmu.arm_smmu_sync_cd()
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
                await k.dev.arm_smmu_cmdq_issue_sync()
            """,
        "for ever": """
            async def release(self, k):
                while True:
                    await k.dev.arm_smmu_atc_inv_domain()
            """,
    },
    FAULT: {
        "nothing": """
            async def release(self, k):
                pass

            async def handle(self, k):
                pass
            """,
        "always invalid": """
            async def release(self, k):
                await k.dev.unmap(VA)

            async def handle(self, k):
                return INVALID
            """,
        "always success": """
            async def release(self, k):
                await k.dev.unmap(VA)

            async def handle(self, k):
                return SUCCESS
            """,
        "a reference on the struct": USER.replace(
            "if not await k.mm.mmget_not_zero():\n            return INVALID", "await k.mm.mmgrab()"
        ).replace("put_user(k.mm, lambda: self.release(k))", "k.mm.mmdrop()"),
        "a look at the users": USER.replace("mmget_not_zero", "has_users").replace(
            "        await put_user(k.mm, lambda: self.release(k))\n", ""
        ),
        "a look, then a get": USER.replace(
            "mmget_not_zero():\n            return INVALID",
            "has_users():\n            return INVALID\n        await k.mm.mmget()",
        ),
        "the put before the entry": """
            async def release(self, k):
                await k.dev.unmap(VA)

            async def handle(self, k):
                if not await k.mm.mmget_not_zero():
                    return INVALID
                page = await k.mm.get_user_pages()
                await put_user(k.mm, lambda: self.release(k))
                await k.dev.map(VA, page)
                return SUCCESS
            """,
        "mmput alone": USER.replace(
            "await put_user(k.mm, lambda: self.release(k))", "await k.mm.mmput()"
        ),
        "the put without release": USER.replace("k.mm, lambda: self.release(k)", "k.mm"),
        "unmapped by the handler": USER.replace(
            "return SUCCESS", "await k.dev.unmap(VA)\n        return SUCCESS"
        ),
        "the whole page table": USER.replace("k.mm.get_user_pages()", "k.mm.get_user_page()"),
        "another address": USER.replace("k.dev.map(VA, page)", "k.dev.map('0x2000', page)"),
        "the answer forgotten": USER.replace("        return SUCCESS\n", ""),
        "true for an answer": USER.replace("return SUCCESS", "return True"),
        "the release awaited at once": USER.replace("lambda: self.release(k)", "self.release(k)"),
    },
    PUTS: {
        "nothing": """
            async def locked_release(self, k):
                pass

            async def locked_unbind(self, k, bond):
                pass
            """,
        "release does nothing": CLEARS.replace(
            "if not await k.io_mm.list_is_empty():\n            await "
            "k.smmu.arm_smmu_write_ctx_desc(k.dummy)",
            "pass",
        ),
        "unbind frees only": """
            async def locked_release(self, k):
                for bond in await k.io_mm.list_for_each_entry():
                    await bond.forget_io_mm()
                    await detach(k, bond)

            async def locked_unbind(self, k, bond):
                await bond.kfree()
            """,
        "release frees": """
            async def locked_release(self, k):
                for bond in await k.io_mm.list_for_each_entry():
                    await detach(k, bond)
                    await bond.kfree()

            async def locked_unbind(self, k, bond):
                await detach(k, bond)
                await bond.kfree()
            """,
        "not present at once": CLEARS.replace("k.dummy", "NOT_PRESENT").replace(
            "if not await k.io_mm.list_is_empty():\n            await", "await"
        ),
        "the entry for each unbind": CLEARS.replace(
            "if await k.io_mm.list_is_empty():\n            await", "await"
        ),
        "two puts": CLEARS.replace(
            "await k.io_mm.io_mm_put()",
            "await k.io_mm.io_mm_put()\n        await k.io_mm.io_mm_put()",
        ),
        "freed first": """
            async def locked_release(self, k):
                await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

            async def locked_unbind(self, k, bond):
                await bond.kfree()
                await detach(k, bond)
            """,
        "the lock again": CLEARS.replace(
            "await k.io_mm.list_del(bond)",
            "await k.io_mm.lock.mutex_lock()\n        await k.io_mm.list_del(bond)",
        ),
        "the lock dropped": CLEARS.replace(
            "await k.io_mm.list_del(bond)",
            "await k.io_mm.lock.mutex_unlock()\n        await k.io_mm.list_del(bond)",
        ),
        "the wrong bond": CLEARS.replace("list_del(bond)", "list_del(k.bond1)"),
        "a dummy after all is unbound": CLEARS.replace(
            "if not await k.io_mm.list_is_empty():\n            await", "await"
        ),
    },
    SHORT: {
        "no lock at all": """
            async def release(self, k):
                if not await k.io_mm.list_is_empty():
                    await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

            async def unbind(self, k, bond):
                await k.io_mm.list_del(bond)
                if await k.io_mm.list_is_empty():
                    await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
                await k.io_mm.io_mm_put()
                await bond.kfree()
            """,
        "the lock around the list only": """
            async def release(self, k):
                await k.io_mm.lock.mutex_lock()
                empty = await k.io_mm.list_is_empty()
                await k.io_mm.lock.mutex_unlock()
                if not empty:
                    await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

            async def unbind(self, k, bond):
                await k.io_mm.lock.mutex_lock()
                await k.io_mm.list_del(bond)
                empty = await k.io_mm.list_is_empty()
                await k.io_mm.lock.mutex_unlock()
                if empty:
                    await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
                await k.io_mm.io_mm_put()
                await bond.kfree()
            """,
        "release without the lock": """
            async def release(self, k):
                if not await k.io_mm.list_is_empty():
                    await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

            async def unbind(self, k, bond):
                await k.io_mm.lock.mutex_lock()
                await k.io_mm.list_del(bond)
                if await k.io_mm.list_is_empty():
                    await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
                await k.io_mm.lock.mutex_unlock()
                await k.io_mm.io_mm_put()
                await bond.kfree()
            """,
        "the free under the lock": LESS.replace(
            "        await k.io_mm.lock.mutex_unlock()\n        await k.io_mm.io_mm_put()\n        await bond.kfree()\n",
            "        await k.io_mm.io_mm_put()\n        await bond.kfree()\n        await bond.kfree()\n        await k.io_mm.lock.mutex_unlock()\n",
        ),
        "an early return with the lock": LESS.replace(
            "if not await k.io_mm.list_is_empty():\n            await",
            "if await k.io_mm.list_is_empty():\n            return\n        await",
        ),
    },
}

AGAIN = "the second time changes nothing"
INSIDE = "both lines are in one critical section, and no other actor looks at it in between"
ENTRY = "await k.smmu.arm_smmu_write_ctx_desc(k.dummy)"
GONE = "await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)"
COMMANDS = (
    f"{ENTRY} (line 2)",
    "await k.smmu.arm_smmu_sync_cd() (line 3)",
    "await k.smmu.arm_smmu_tlb_inv_asid() (line 4)",
    "await k.dev.arm_smmu_atc_inv_domain() (line 5)",
    "await k.dev.arm_smmu_cmdq_issue_sync() (line 6)",
)

REASONS = {
    "the second time there is nothing left to forget or to free": (
        (
            "sva/give_it_back",
            "invalidate, then free, twice: await k.iommu.iommu_sva_invalidate_kva_range() (line 3)",
        ),
        (
            "sva/give_it_back",
            "invalidate, then free, twice: await k.tables.free_deferred(tables) (line 4)",
        ),
    ),
    AGAIN: (
        *((QUIET, f"the dummy, then each after its source, twice: {each}") for each in COMMANDS),
        *((ORDER, f"each after its source, twice: {each}") for each in COMMANDS),
        (
            QUIET,
            "no entry, quietly, twice: await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET) "
            "(line 2)",
        ),
        (QUIET, "no entry, quietly, twice: await flush(k) (line 3)"),
        (QUIET, "stopped, twice: await k.dev.stop_queue() (line 2)"),
        (QUIET, "stopped, twice: await k.dev.drain_queue() (line 3)"),
        (FAULT, "a user or nothing, twice: await k.dev.unmap(VA) (line 2)"),
        (FAULT, "a user or nothing, twice: await k.dev.map(VA, page) (line 8)"),
        (FAULT, "one way out, twice: await k.dev.unmap(VA) (line 2)"),
        (FAULT, "one way out, twice: await k.dev.map(VA, await k.mm.get_user_pages()) (line 7)"),
        (PUTS, f"unbind puts, twice: {ENTRY} (line 3)"),
        (PUTS, f"unbind puts, twice: {GONE} (line 8)"),
        (PUTS, "release detaches, twice: await bond.forget_io_mm() (line 3)"),
        (SHORT, f"the list and the entry, twice: {ENTRY} (line 4)"),
        (SHORT, f"the list and the entry, twice: {GONE} (line 11)"),
    ),
    INSIDE: (
        (PUTS, "unbind puts, after the next line: if await k.io_mm.list_is_empty(): (line 7)"),
        (PUTS, "unbind puts, after the next line: await k.io_mm.io_mm_put() (line 9)"),
        (PUTS, "release detaches, after the next line: await bond.forget_io_mm() (line 3)"),
    ),
    "a bond that is off the list is known to its own unbind alone": (
        (SHORT, "the list and the entry, after the next line: await k.io_mm.io_mm_put() (line 13)"),
    ),
    "six lines are allowed, and this is the sixth": (
        (
            SHORT,
            "the list and the entry, after the next line: await k.io_mm.lock.mutex_unlock() "
            "(line 12)",
        ),
    ),
    "only the exit unmaps here; if there is still a user afterwards, it has not begun": (
        (
            FAULT,
            "a user or nothing, after the next line: if not await k.mm.mmget_not_zero(): (line 5)",
        ),
    ),
    "the DMA of a process that has ended, which an entry that is not present reports, is left out": (
        (PUTS, "not present at once"),
    ),
}

SAFE = {known: why for why, each in REASONS.items() for known in each}
