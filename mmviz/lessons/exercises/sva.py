"""Exercises of the thread sva: a process ends while a device works with its addresses."""

from mmviz.lessons.exercise import SCHEDULE, STEP, Bounds, Exercise, Misconception
from mmviz.lessons.worlds.sva import (
    COMMANDS,
    ENDED,
    EXIT,
    TWO,
    TWO_JOB,
    UNBOUND,
    answer_is_none,
    bond_without_caches,
    device_works,
    entry_leads_nowhere,
    entry_outlives_process,
    exits_with_two_users,
    fault_is_served,
    one_bond,
    other_device_works_on,
    page_is_kept,
    process_is_gone,
    references_are_put,
    shadow_is_empty,
    stays,
    warm,
    watched_bonds,
)
from mmviz.scenarios.sva.entry_after_exit import dma, iommu_sva_handle_iopf
from mmviz.scenarios.sva.two_drivers_bind import mmput as exits
from mmviz.scenarios.sva.two_drivers_bind import unbind_first_device
from mmviz.scenarios.sva.worlds import iommu_sva_unbind_device, mmput

RIGHT_ORDER = """
    import mmviz


    class Mine(GIVEN):
        async def release(self, k):
            await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
            await k.smmu.arm_smmu_sync_cd()
            await k.smmu.arm_smmu_tlb_inv_asid()
            await k.dev.arm_smmu_atc_inv_domain()
            await k.dev.arm_smmu_cmdq_issue_sync()
    """
EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="sva/break_it",
        title="Find a run in which a DMA lands on a page that was given back",
        task=f"""{EXIT}
Here `release()` flushes every cache, and leaves the entry as it is. Write a schedule of CPU0, CPU1
and DEV after which a DMA is on its way to a page that was given back. A shortest one counts more.
""",
        race="sva/exit_during_dma",
        case="FlushOnly",
        asks=SCHEDULE,
        goal="device_reads_freed_page",
        hints=(
            "A DMA is under way from the device's translate() to its access().",
            "When the caches are empty, the next DMA walks the table again.",
            "Between the flush and the free, let DEV ask once more.",
        ),
        variants=(
            {
                "race": "sva/clear_order",
                "case": "DeviceCacheBeforeIotlb",
                "task": f"{EXIT}\nHere every command is there, but the device's cache is emptied "
                "before the IOTLB. Write a schedule after which a DMA is on its way to a page that "
                "was given back.",
                "hints": (
                    "Which cache is filled from which?",
                    "Let DEV ask between the two flushes.",
                ),
            },
            {
                "race": "sva/clear_order",
                "case": "NoCompletion",
                "task": f"{EXIT}\nHere the commands are in the right order, and nothing waits for "
                "their end. Write a schedule after which a DMA is on its way to a page that was "
                "given back.",
                "hints": ("What was started before the commands may land after them.",),
            },
            {
                "race": "sva/put_before_clear",
                "case": "PutStopClear",
                "title": "Find a run in which a DMA lands on a page of a process that has ended",
                "task": "CPU0 unbinds a device: it puts its notifier, then stops the device, then "
                "clears the PASID's entry. CPU1 ends the process; without a notifier nothing tells "
                "the driver. Write a schedule of CPU0, CPU1 and DEV after which a DMA is on its "
                "way to a page that was given back.",
                "hints": (
                    "Let CPU0 put the notifier, and stop there.",
                    "CPU1 then frees the page, and the device works on.",
                ),
            },
        ),
        minutes=5,
    ),
    Exercise(
        name="sva/no_return",
        title="From which step on can the late entry no longer be avoided?",
        task="""
A driver keeps a shadow of the process's page table. CPU0 answers the faults of the device DEV,
CPU1 ends the process. The handler keeps the process's struct alive, and looks up the page. In the
run `DEV*2 CPU0*2 CPU1*3 CPU0 CPU1*2` an entry appears after `release()` has cleared the table.
After which step does *every* way to go on lead to an entry for a freed page? Answer with its
number; 0 is the start. (CPU0 is a worker, which may also do nothing at all from some point on; an
actor that may rest avoids nothing by the steps it has done.)
""",
        race="sva/entry_after_exit",
        case="StructOnly",
        asks=STEP,
        goal="device_keeps_freed_page",
        run="DEV*2 CPU0*2 CPU1*3 CPU0 CPU1*2",
        hints=(
            "What does the handler have in its hands, and when will it write it?",
            "A worker may rest before it writes. Which of its steps is the write?",
            "After the write only CPU1 could still take the entry away. Does it?",
        ),
        variants=(
            {
                "race": "sva/two_drivers_bind",
                "case": "ReleaseDetachesUnasked",
                "goal": "refcount_underflow",
                "title": "From which step on is the second put unavoidable?",
                "run": "CPU0*14 CPU1*5",
                "task": "Two drivers have bound one process. CPU0 ends it, and its `release()` "
                "detaches both bonds and puts their references; CPU1 and CPU2 unbind one driver "
                "each, and put as well. After which step of the run `CPU0*14 CPU1*5` does "
                "*every* way to go on lead to a put too many? Answer with its number; 0 is the "
                "start.",
                "hints": (
                    "Each unbind puts in any case. What could keep release() from putting, too?",
                    "release() puts what it finds on the list. When does it look?",
                ),
            },
        ),
        minutes=5,
    ),
    Exercise(
        name="sva/quiet_end",
        title="Make a device's DMA fail when the process ends",
        task=f"""{EXIT}
Write `release(k)` so that no DMA lands on the freed page, and a device that works on fills no
kernel log: each use of an entry that is `NOT_PRESENT` is reported.
{COMMANDS}""",
        race="sva/exit_during_dma",
        case="FlushOnly",
        writes=("release",),
        also=("NOT_PRESENT", "NOT_PRESENT_QUIET", "flush"),
        world=warm,
        jobs=ENDED,
        outcomes=(device_works,),
        hints=(
            "What does the next DMA find when all caches are empty?",
            "The entry must lead somewhere else before the caches are emptied.",
            "k.dummy is a page table without a page: a walk of it fails, and is not reported.",
        ),
        solved="DummyPgd",
        solutions=("ClearEntryQuietly", "StopDevice", RIGHT_ORDER),
        misconceptions=(
            Misconception(
                "to write the entry is enough",
                "The IOMMU and the device use their copies, and look at the entry only to fill "
                "them.",
                """
                import mmviz
                from mmviz.scenarios.sva.exit_during_dma import NOT_PRESENT_QUIET


                class Mine(GIVEN):
                    async def release(self, k):
                        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
                        await k.dev.arm_smmu_atc_inv_domain()
                        await k.dev.arm_smmu_cmdq_issue_sync()
                """,
                {"world": bond_without_caches},
            ),
            Misconception(
                "the caches are all that matters",
                "An empty cache is filled again from the entry, by the next DMA.",
                "FlushOnly",
                {
                    "actors": {"CPU0": mmput, "CPU1": iommu_sva_unbind_device},
                    "outcomes": (),
                },
            ),
        ),
        variants=({"case": "ClearEntry"}, {"case": "ReleaseNothing"}),
    ),
    Exercise(
        name="sva/in_order",
        title="Empty the caches in an order that holds",
        task=f"""{EXIT}
The commands are all known, and this order of them fails. Write `release(k)` so that when it
returns no DMA can find the process's page.
{COMMANDS}""",
        race="sva/clear_order",
        case="DeviceCacheBeforeIotlb",
        writes=("release",),
        world=warm,
        jobs=ENDED,
        outcomes=(device_works,),
        hints=(
            "A cache that is emptied too early is filled again. From what?",
            "Begin with what all the others are filled from.",
            "Entry, the IOMMU's copy of it, its translations, the device's; then wait.",
        ),
        solved=RIGHT_ORDER,
        variants=(
            {"case": "EntryLast"},
            {"case": "EntrySyncLast"},
            {"case": "NoCompletion"},
            {"case": "NoIotlb"},
        ),
    ),
    Exercise(
        name="sva/a_user_or_nothing",
        title="A fault handler during the exit",
        task="""
A driver keeps a shadow of the process's page table. CPU0 answers the faults of the device DEV by
your `handle(k)`, which returns `SUCCESS` (the device tries again) or `INVALID` (it gives up). CPU1
ends the process: the last user leaves, your `release(k)` is called, the page is given back.

Write both. No entry for the page may be there when it is given back, a live process's faults are
served, and the device always gets to an end. Steps that you may await: `k.mm.get_user_pages()`,
`k.dev.map(VA, page)`, `k.dev.unmap(VA)`, `k.mm.mmget()`, `k.mm.mmget_not_zero()`, `k.mm.mmgrab()`,
`k.mm.mmdrop()`, `k.mm.has_users()`, and `put_user(k.mm, lambda: self.release(k))`, which is
mmput().
""",
        race="sva/entry_after_exit",
        case="StructOnly",
        writes=("release", "handle"),
        also=("INVALID", "SUCCESS", "VA", "put_user"),
        bad=(answer_is_none,),
        jobs=(process_is_gone, shadow_is_empty),
        outcomes=(fault_is_served,),
        hints=(
            "What keeps the page mapped while the handler writes the entry?",
            "A reference on the struct keeps the struct. A user keeps the mappings.",
            "Once the last user has left, none can come back: ask, and answer INVALID.",
        ),
        solved="""
            import mmviz
            from mmviz.scenarios.sva.entry_after_exit import INVALID, SUCCESS, VA, put_user


            class Mine(GIVEN):
                async def release(self, k):
                    await k.dev.unmap(VA)

                async def handle(self, k):
                    if not await k.mm.mmget_not_zero():
                        return INVALID
                    page = await k.mm.get_user_pages()
                    await k.dev.map(VA, page)
                    await put_user(k.mm, lambda: self.release(k))
                    return SUCCESS
            """,
        solutions=("UserOrNothing",),
        misconceptions=(
            Misconception(
                "a reference on the mm keeps its pages",
                "mm_count keeps the struct. The pages are given back when the last user leaves.",
                "StructOnly",
                {
                    "actors": {"CPU0": iommu_sva_handle_iopf, "CPU1": stays, "DEV": dma},
                    "jobs": (page_is_kept,),
                },
            ),
            Misconception(
                "to look whether there is a user is as good as to become one",
                "Between the look and the entry the last user may leave.",
                """
                import mmviz
                from mmviz.scenarios.sva.entry_after_exit import INVALID, SUCCESS, VA


                class Mine(GIVEN):
                    async def release(self, k):
                        await k.dev.unmap(VA)

                    async def handle(self, k):
                        if not await k.mm.has_users():
                            return INVALID
                        page = await k.mm.get_user_pages()
                        await k.dev.map(VA, page)
                        return SUCCESS
                """,
                {
                    "actors": {"CPU0": iommu_sva_handle_iopf, "CPU1": stays, "DEV": dma},
                    "jobs": (page_is_kept,),
                },
            ),
        ),
        variants=(
            {"case": "UserWithoutLooking"},
            {"case": "SuccessAfterExit"},
            {
                "actors": {
                    "CPU0": iommu_sva_handle_iopf,
                    "CPU1": exits_with_two_users,
                    "DEV": dma,
                }
            },
        ),
        minutes=15,
    ),
    Exercise(
        name="sva/who_puts",
        title="Two drivers unbind while the process ends",
        task=TWO + TWO_JOB,
        race="sva/two_drivers_bind",
        case="ReleaseDetachesUnasked",
        writes=("locked_release", "locked_unbind"),
        also=("NOT_PRESENT", "detach"),
        world=watched_bonds,
        bad=(entry_outlives_process, "lockdep_complains", "follows_poisoned_pointer"),
        jobs=UNBOUND,
        outcomes=(other_device_works_on,),
        hints=(
            "Who puts the reference of a bond, and how often?",
            "If release() and unbind both may, each must know what the other has done.",
            "release() need only make the entry fail; only unbind puts.",
        ),
        solved="ReleaseClears",
        solutions=("ReleaseDetaches",),
        excluded={"BindTwice": "there each driver binds twice, so it does more than is asked"},
        misconceptions=(
            Misconception(
                "each unbind takes the entry away",
                "The entry is shared: the other device still needs it.",
                """
                import mmviz
                from mmviz.scenarios.sva.two_drivers_bind import NOT_PRESENT


                class Mine(GIVEN):
                    async def locked_release(self, k):
                        for bond in await k.io_mm.list_for_each_entry():
                            await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

                    async def locked_unbind(self, k, bond):
                        await k.io_mm.list_del(bond)
                        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
                        await k.io_mm.io_mm_put()
                        await bond.kfree()
                """,
                {
                    "world": one_bond,
                    "actors": {"CPU0": exits, "CPU1": unbind_first_device},
                    "jobs": (references_are_put, entry_leads_nowhere),
                    "outcomes": (),
                },
            ),
        ),
        variants=(
            {"case": "FirstUnbindClears"},
            {
                "case": "ReleaseClearsUnlocked",
                "writes": ("release", "unbind", "locked_release", "locked_unbind"),
                "misconceptions": (),
                "task": TWO.replace("Both do", "Both should do")
                + "Here neither takes the lock. Write all four.\n"
                + TWO_JOB,
            },
        ),
        minutes=20,
    ),
    Exercise(
        name="sva/short_section",
        title="Hold iommu_sva_lock for less",
        task=TWO
        + """
This code is right. But every bind and unbind of every process waits for the one lock. Write
`release` and `unbind` so that they stay right, and at most six lines of code run under the lock,
in all actors together. Put under the lock only what the others look at.
"""
        + TWO_JOB,
        race="sva/two_drivers_bind",
        case="ReleaseClears",
        writes=("release", "unbind", "locked_release", "locked_unbind"),
        also=("NOT_PRESENT", "detach"),
        world=watched_bonds,
        bad=(entry_outlives_process, "lockdep_complains", "follows_poisoned_pointer"),
        jobs=UNBOUND,
        outcomes=(other_device_works_on,),
        cheaper=Bounds(under={"io_mm.lock": 6}),
        hints=(
            "Which of the steps change what another actor looks at under the lock?",
            "Once a bond is off the list, does any other actor reach it?",
            "The reference and the bond itself can be given back after the unlock.",
        ),
        solved="""
            import mmviz
            from mmviz.scenarios.sva.two_drivers_bind import NOT_PRESENT


            class Mine(GIVEN):
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
            """,
        excluded={"BindTwice": "there each driver binds twice, so it does more than is asked"},
        variants=({"case": "ReleaseDetaches"},),
        minutes=20,
    ),
)
