"""Mistakes in the exercises of the thread hmm."""

from tests.lessons.mistakes import because

ONE, SECOND, SHORT, CALLBACK, RELEASE = (
    "hmm/one_put",
    "hmm/the_second_waits",
    "hmm/short_mutex",
    "hmm/freed_under_callback",
    "hmm/release_and_unregister",
)

RIGHT = {
    "hmm/wait_for_the_folio": {
        "queue up, unlock, sleep": """
            async def locked(self, k, folio):
                await k.waiters.prepare_to_wait()
                await k.mapping.ptl.spin_unlock()
                await k.cpu.schedule_out()
                await k.waiters.schedule()
                await k.cpu.schedule_in()
            """,
    },
    ONE: {
        "takes the pointer by xchg": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "asks the driver's file, without its mutex": """
            async def hmm_mirror_unregister(self, k):
                if not await k.file.must_unregister():
                    return
                mirror = k.mirrors[0]
                hmm = await mirror.read_hmm()
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await mirror.set_hmm(None)
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "the given code under the driver's mutex": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                await k.file.lock.mutex_lock()
                hmm = await mirror.read_hmm()
                if hmm is not None:
                    await hmm.mirrors_sem.down_write()
                    await mirror.list_del_init()
                    await mirror.set_hmm(None)
                    await hmm.mirrors_sem.up_write()
                    await hmm_put(hmm)
                await k.file.lock.mutex_unlock()
            """,
        "a reference of its own, taken under the mutex": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                await k.file.lock.mutex_lock()
                hmm = await mirror.read_hmm()
                await mirror.set_hmm(None)
                await k.file.lock.mutex_unlock()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                if await hmm.kref_put():
                    await hmm.kfree()
            """,
    },
    SECOND: {
        "the mutex over all of it": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                await k.file.lock.mutex_lock()
                if await k.file.must_unregister():
                    hmm = await mirror.read_hmm()
                    await hmm.mirrors_sem.down_write()
                    await mirror.list_del()
                    await hmm.mirrors_sem.up_write()
                    await hmm_put(hmm)
                await k.file.lock.mutex_unlock()
            """,
        "looks at the file before it looks at the mirror": """
            async def hmm_mirror_unregister(self, k):
                await k.file.lock.mutex_lock()
                if not await k.file.must_unregister():
                    await k.file.lock.mutex_unlock()
                    return
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await k.file.lock.mutex_unlock()
                await hmm_put(hmm)
            """,
    },
    SHORT: {
        "put after the mutex": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = None
                await k.file.lock.mutex_lock()
                if await k.file.must_unregister():
                    hmm = await mirror.read_hmm()
                    await hmm.mirrors_sem.down_write()
                    await mirror.list_del()
                    await hmm.mirrors_sem.up_write()
                await k.file.lock.mutex_unlock()
                if hmm is not None:
                    await hmm_put(hmm)
            """,
    },
    CALLBACK: {
        "unless zero, freed after a grace period": """
            async def hmm_invalidate_range_start(self, k, notifier):
                if not await notifier.kref_get_unless_zero():
                    return
                await notifier.sync_cpu_device_pagetables()
                await self.hmm_put(k, notifier)

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        "no reference, freed after a grace period": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        "no reference, and the last put waits": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.start_poll_synchronize_srcu()
                await k.srcu.synchronize_srcu()
                await hmm.kfree()
            """,
        "asks the mm, and takes NULL for an answer": """
            async def hmm_invalidate_range_start(self, k, notifier):
                hmm = await k.mm.read_once_hmm()
                if hmm is None:
                    return
                if await hmm.kref_get_unless_zero():
                    await hmm.sync_cpu_device_pagetables()
                    await self.hmm_put(k, hmm)

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
    },
    RELEASE: {
        "held for reading": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                if await k.mirrors.list_first() is not None:
                    await self.release(k)
                await k.mirrors_sem.up_read()
            """,
        "held for writing, and taken off": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_write()
                mirror = await k.mirrors.list_first()
                if mirror is not None:
                    await self.release(k)
                    await k.mirrors.list_del_init(mirror)
                await k.mirrors_sem.up_write()
            """,
        "tried for reading: a writer is about to unregister": """
            async def hmm_release(self, k):
                if not await k.mirrors_sem.down_read_trylock():
                    return
                if await k.mirrors.list_first() is not None:
                    await self.release(k)
                await k.mirrors_sem.up_read()
            """,
    },
}

WRONG = {
    "hmm/wait_for_the_folio": {
        "nothing": """
            async def locked(self, k, folio):
                pass
            """,
        "sleeps with the lock": """
            async def locked(self, k, folio):
                await k.cpu.schedule_out()
                await folio.lock_page()
                await k.cpu.schedule_in()
                await folio.unlock_page()
                await k.mapping.ptl.spin_unlock()
            """,
        "keeps the CPU while it sleeps": """
            async def locked(self, k, folio):
                await k.waiters.prepare_to_wait()
                await k.mapping.ptl.spin_unlock()
                await k.waiters.schedule()
            """,
        "returns holding the folio": """
            async def locked(self, k, folio):
                await folio.get_page()
                await k.mapping.ptl.spin_unlock()
                await k.cpu.schedule_out()
                await folio.lock_page()
                await k.cpu.schedule_in()
            """,
    },
    ONE: {
        "the given code": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.read_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await mirror.set_hmm(None)
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "clears at once, in a step of its own": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.read_hmm()
                await mirror.set_hmm(None)
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "looks again under the semaphore": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.read_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                if await mirror.read_hmm() is None:
                    await hmm.mirrors_sem.up_write()
                    return
                await mirror.list_del_init()
                await mirror.set_hmm(None)
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "takes a reference first, without asking": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.read_hmm()
                if hmm is None:
                    return
                await hmm.kref_get()
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await mirror.set_hmm(None)
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
                await hmm_put(hmm)
            """,
        "asks whether it is registered, which both may hear": """
            async def hmm_mirror_unregister(self, k):
                if not await k.file.is_registered():
                    return
                mirror = k.mirrors[0]
                hmm = await mirror.read_hmm()
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "no semaphore around the list": """
            async def hmm_mirror_unregister(self, k):
                hmm = await k.mirrors[0].xchg_hmm()
                if hmm is not None:
                    await k.mirrors[0].list_del_init()
                    await hmm_put(hmm)
            """,
        "the semaphore for reading": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_read()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_read()
                await hmm_put(hmm)
            """,
        "the mutex in place of the semaphore": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                await k.file.lock.mutex_lock()
                hmm = await mirror.xchg_hmm()
                if hmm is not None:
                    await mirror.list_del_init()
                    await hmm_put(hmm)
                await k.file.lock.mutex_unlock()
            """,
        "returns with the mutex held": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                await k.file.lock.mutex_lock()
                hmm = await mirror.read_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await mirror.set_hmm(None)
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
                await k.file.lock.mutex_unlock()
            """,
        "puts before it takes the mirror off": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    return
                await hmm_put(hmm)
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
            """,
        "never puts": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
            """,
        "puts, and does not free": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm.kref_put()
            """,
        "frees, and does not put": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm.kfree()
            """,
        "frees the mirror as well": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
                await mirror.kfree()
            """,
        "leaves the mirror on the list": """
            async def hmm_mirror_unregister(self, k):
                hmm = await k.mirrors[0].xchg_hmm()
                if hmm is not None:
                    await hmm_put(hmm)
            """,
        "waits in a loop for the other": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                while True:
                    if await mirror.read_hmm() is None:
                        return
            """,
        "a flag of its own": """
            done = False

            async def hmm_mirror_unregister(self, k):
                if self.done:
                    return
                self.done = True
                hmm = await k.mirrors[0].read_hmm()
                await hmm.mirrors_sem.down_write()
                await k.mirrors[0].list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "locks the semaphore of struct hmm before it looks": """
            async def hmm_mirror_unregister(self, k):
                await k.hmm.mirrors_sem.down_write()
                hmm = await k.mirrors[0].read_hmm()
                if hmm is not None:
                    await k.mirrors[0].list_del_init()
                    await k.mirrors[0].set_hmm(None)
                await k.hmm.mirrors_sem.up_write()
                if hmm is not None:
                    await hmm_put(hmm)
            """,
    },
    SECOND: {
        "xchg under the mutex: the mirror may be gone": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                await k.file.lock.mutex_lock()
                hmm = await mirror.xchg_hmm()
                if hmm is not None:
                    await hmm.mirrors_sem.down_write()
                    await mirror.list_del_init()
                    await hmm.mirrors_sem.up_write()
                    await hmm_put(hmm)
                await k.file.lock.mutex_unlock()
            """,
        "asks the file, and does not wait": """
            async def hmm_mirror_unregister(self, k):
                if not await k.file.must_unregister():
                    return
                hmm = await k.mirrors[0].read_hmm()
                await hmm.mirrors_sem.down_write()
                await k.mirrors[0].list_del()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "the mutex around the question only": """
            async def hmm_mirror_unregister(self, k):
                await k.file.lock.mutex_lock()
                mine = await k.file.must_unregister()
                await k.file.lock.mutex_unlock()
                if mine:
                    hmm = await k.mirrors[0].read_hmm()
                    await hmm.mirrors_sem.down_write()
                    await k.mirrors[0].list_del()
                    await hmm.mirrors_sem.up_write()
                    await hmm_put(hmm)
            """,
        "waits in a loop until the mirror is off the list": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.xchg_hmm()
                if hmm is None:
                    while await mirror.read_hmm() is None:
                        pass
                    return
                await hmm.mirrors_sem.down_write()
                await mirror.list_del_init()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
        "drops the mutex before the list": """
            async def hmm_mirror_unregister(self, k):
                await k.file.lock.mutex_lock()
                if not await k.file.must_unregister():
                    await k.file.lock.mutex_unlock()
                    return
                hmm = await k.mirrors[0].read_hmm()
                await k.file.lock.mutex_unlock()
                await hmm.mirrors_sem.down_write()
                await k.mirrors[0].list_del()
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
            """,
    },
    SHORT: {
        "the mutex over all of it": """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                await k.file.lock.mutex_lock()
                if await k.file.must_unregister():
                    hmm = await mirror.read_hmm()
                    await hmm.mirrors_sem.down_write()
                    await mirror.list_del()
                    await hmm.mirrors_sem.up_write()
                    await hmm_put(hmm)
                await k.file.lock.mutex_unlock()
            """,
        "drops the mutex before the list": """
            async def hmm_mirror_unregister(self, k):
                await k.file.lock.mutex_lock()
                mine = await k.file.must_unregister()
                await k.file.lock.mutex_unlock()
                if mine:
                    hmm = await k.mirrors[0].read_hmm()
                    await hmm.mirrors_sem.down_write()
                    await k.mirrors[0].list_del()
                    await hmm.mirrors_sem.up_write()
                    await hmm_put(hmm)
            """,
    },
    CALLBACK: {
        "the given code": """
            async def hmm_invalidate_range_start(self, k, notifier):
                hmm = await self.mm_get_hmm(k)
                if hmm is None:
                    await k.mm.VM_BUG_ON("hmm == NULL")
                    return
                await hmm.sync_cpu_device_pagetables()
                await self.hmm_put(k, hmm)

            async def free_memory(self, k, hmm):
                await hmm.kfree()
            """,
        "container_of, freed at once": """
            async def hmm_invalidate_range_start(self, k, notifier):
                if await notifier.kref_get_unless_zero():
                    await notifier.sync_cpu_device_pagetables()
                    await self.hmm_put(k, notifier)

            async def free_memory(self, k, hmm):
                await hmm.kfree()
            """,
        "the callback frees what it was told not to": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.sync_cpu_device_pagetables()
                await notifier.kfree()

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        "a reference without asking": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.kref_get()
                await notifier.sync_cpu_device_pagetables()
                await self.hmm_put(k, notifier)

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        "a reference that is never put": """
            async def hmm_invalidate_range_start(self, k, notifier):
                if await notifier.kref_get_unless_zero():
                    await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        "the last put waits, and may be the callback's": """
            async def hmm_invalidate_range_start(self, k, notifier):
                if not await notifier.kref_get_unless_zero():
                    return
                await notifier.sync_cpu_device_pagetables()
                await self.hmm_put(k, notifier)

            async def free_memory(self, k, hmm):
                await k.srcu.start_poll_synchronize_srcu()
                await k.srcu.synchronize_srcu()
                await hmm.kfree()
            """,
        "waits for a grace period that it never began": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.synchronize_srcu()
                await hmm.kfree()
            """,
        "a read section around the free": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.srcu_read_lock()
                await hmm.kfree()
                await k.srcu.srcu_read_unlock()
            """,
        "freed both ways": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
                await hmm.kfree()
            """,
        "never freed": """
            async def hmm_invalidate_range_start(self, k, notifier):
                await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                pass
            """,
        "the callback does nothing": """
            async def hmm_invalidate_range_start(self, k, notifier):
                pass

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        "tells the mirrors only when it is the last": """
            async def hmm_invalidate_range_start(self, k, notifier):
                if await notifier.kref_get_unless_zero():
                    await self.hmm_put(k, notifier)
                    return
                await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        "puts before it tells": """
            async def hmm_invalidate_range_start(self, k, notifier):
                if await notifier.kref_get_unless_zero():
                    await self.hmm_put(k, notifier)
                    await notifier.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await hmm.kfree()
            """,
        "asks the mm and asserts an answer": """
            async def hmm_invalidate_range_start(self, k, notifier):
                hmm = await k.mm.read_once_hmm()
                await hmm.sync_cpu_device_pagetables()

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
    },
    RELEASE: {
        "the given code": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_write()
                while True:
                    mirror = await k.mirrors.list_first()
                    if mirror is None:
                        break
                    await k.mirrors.list_del_init(mirror)
                    await k.mirrors_sem.up_write()
                    await self.release(k)
                    await k.mirrors_sem.down_write()
                await k.mirrors_sem.up_write()
            """,
        "looks, and tells without the lock": """
            async def hmm_release(self, k):
                if await k.mirrors.list_first() is not None:
                    await self.release(k)
            """,
        "the lock around the look only": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                mirror = await k.mirrors.list_first()
                await k.mirrors_sem.up_read()
                if mirror is not None:
                    await self.release(k)
            """,
        "looks again before it tells": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                mirror = await k.mirrors.list_first()
                await k.mirrors_sem.up_read()
                if mirror is not None and await k.mirrors.list_first() is not None:
                    await self.release(k)
            """,
        "takes it off the list under a read lock": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                mirror = await k.mirrors.list_first()
                if mirror is not None:
                    await k.mirrors.list_del_init(mirror)
                    await self.release(k)
                await k.mirrors_sem.up_read()
            """,
        "tells in any case": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                await self.release(k)
                await k.mirrors_sem.up_read()
            """,
        "does not tell": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_write()
                mirror = await k.mirrors.list_first()
                if mirror is not None:
                    await k.mirrors.list_del_init(mirror)
                await k.mirrors_sem.up_write()
            """,
        "frees the mirror itself": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_write()
                mirror = await k.mirrors.list_first()
                if mirror is not None:
                    await k.mirrors.list_del_init(mirror)
                    await self.release(k)
                    await mirror.kfree()
                await k.mirrors_sem.up_write()
            """,
        "unlocks the other way": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                if await k.mirrors.list_first() is not None:
                    await self.release(k)
                await k.mirrors_sem.up_write()
            """,
        "reads and then writes, both held": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                mirror = await k.mirrors.list_first()
                if mirror is not None:
                    await k.mirrors_sem.down_write()
                    await k.mirrors.list_del_init(mirror)
                    await k.mirrors_sem.up_write()
                    await self.release(k)
                await k.mirrors_sem.up_read()
            """,
        "tries the lock again and again": """
            async def hmm_release(self, k):
                while not await k.mirrors_sem.down_read_trylock():
                    pass
                if await k.mirrors.list_first() is not None:
                    await self.release(k)
                await k.mirrors_sem.up_read()
            """,
        "goes round its loop for a mirror that stays": """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_read()
                while await k.mirrors.list_first() is not None:
                    await self.release(k)
                await k.mirrors_sem.up_read()
            """,
    },
}

# Answers of other readers, which no mutants are made of: (right, methods).
READERS = {
    ONE: {
        "a reference unless zero on what may be freed": (
            False,
            """
            async def hmm_mirror_unregister(self, k):
                mirror = k.mirrors[0]
                hmm = await mirror.read_hmm()
                if hmm is None or not await hmm.kref_get_unless_zero():
                    return
                await hmm.mirrors_sem.down_write()
                first = await mirror.read_hmm() is not None
                await mirror.list_del_init()
                await mirror.set_hmm(None)
                await hmm.mirrors_sem.up_write()
                await hmm_put(hmm)
                if first:
                    await hmm_put(hmm)
            """,
        ),
        "names struct hmm by the world": (
            True,
            """
            async def hmm_mirror_unregister(self, k):
                if await k.file.must_unregister():
                    await k.hmm.mirrors_sem.down_write()
                    await k.mirrors[0].list_del()
                    await k.hmm.mirrors_sem.up_write()
                    await hmm_put(k.hmm)
            """,
        ),
    },
    SECOND: {
        "asks twice under the mutex": (
            True,
            """
            async def hmm_mirror_unregister(self, k):
                await k.file.lock.mutex_lock()
                if await k.file.is_registered():
                    await k.file.must_unregister()
                    hmm = await k.mirrors[0].read_hmm()
                    await hmm.mirrors_sem.down_write()
                    await k.mirrors[0].list_del_init()
                    await hmm.mirrors_sem.up_write()
                    await hmm_put(hmm)
                await k.file.lock.mutex_unlock()
            """,
        ),
        "the second thread takes and drops the mutex": (
            False,
            """
            async def hmm_mirror_unregister(self, k):
                if not await k.file.must_unregister():
                    await k.file.lock.mutex_lock()
                    await k.file.lock.mutex_unlock()
                    return
                await k.file.lock.mutex_lock()
                hmm = await k.mirrors[0].read_hmm()
                await hmm.mirrors_sem.down_write()
                await k.mirrors[0].list_del_init()
                await hmm.mirrors_sem.up_write()
                await k.file.lock.mutex_unlock()
                await hmm_put(hmm)
            """,
        ),
    },
    CALLBACK: {
        "tells the mirrors with the reference or without": (
            True,
            """
            async def hmm_invalidate_range_start(self, k, notifier):
                hmm = notifier
                got = await hmm.kref_get_unless_zero()
                await hmm.sync_cpu_device_pagetables()
                if got:
                    await self.hmm_put(k, hmm)

            async def free_memory(self, k, hmm):
                await k.srcu.call_srcu(hmm)
            """,
        ),
    },
    RELEASE: {
        "held for writing, and left on the list": (
            True,
            """
            async def hmm_release(self, k):
                await k.mirrors_sem.down_write()
                if await k.mirrors.list_first():
                    await self.release(k)
                await k.mirrors_sem.up_write()
            """,
        ),
        "tells first, and locks then": (
            False,
            """
            async def hmm_release(self, k):
                await self.release(k)
                await k.mirrors_sem.down_read()
                await k.mirrors_sem.up_read()
            """,
        ),
    },
}

SAFE = {
    **because(
        "the second time it is done already, and a woken task does not sleep again",
        "hmm/wait_for_the_folio",
        "queue up, unlock, sleep, twice: await k.waiters.prepare_to_wait() (line 2)",
        "queue up, unlock, sleep, twice: await k.waiters.schedule() (line 5)",
    ),
    **because(
        "list_del_init() may be called twice",
        ONE,
        "takes the pointer by xchg, twice: await mirror.list_del_init() (line 7)",
        "asks the driver's file, without its mutex, twice: await mirror.list_del_init() (line 7)",
        "the given code under the driver's mutex, twice: await mirror.list_del_init() (line 7)",
        "a reference of its own, taken under the mutex, twice: await mirror.list_del_init() (line 10)",
    ),
    **because(
        "both are done under the semaphore, and the order of the two shows to no thread",
        ONE,
        "asks the driver's file, without its mutex, after the next line: await mirror.list_del_init() (line 7)",
        "asks the driver's file, without its mutex, after the next line: await mirror.set_hmm(None) (line 8)",
        "the given code under the driver's mutex, after the next line: await mirror.list_del_init() (line 7)",
        "the given code under the driver's mutex, after the next line: await mirror.set_hmm(None) (line 8)",
    ),
    **because(
        "the driver's file tells who unregisters, so no thread looks at the pointer again",
        ONE,
        "asks the driver's file, without its mutex, without: await mirror.set_hmm(None) (line 8)",
    ),
    **because(
        "the pointer is NULL already",
        ONE,
        "asks the driver's file, without its mutex, twice: await mirror.set_hmm(None) (line 8)",
        "the given code under the driver's mutex, twice: await mirror.set_hmm(None) (line 8)",
        "a reference of its own, taken under the mutex, twice: await mirror.set_hmm(None) (line 5)",
    ),
    **because(
        "list_del_init() may be called twice",
        SECOND,
        "looks at the file before it looks at the mirror, twice: await mirror.list_del_init() (line 9)",
    ),
    **because(
        "struct hmm, and the semaphore in it, is there until the reference is put",
        SECOND,
        "looks at the file before it looks at the mirror, after the next line: await hmm.mirrors_sem.up_write() (line 10)",
    ),
    **because(
        "the reference may be put under the driver's mutex: that costs more, which is not asked here",
        SECOND,
        "looks at the file before it looks at the mirror, after the next line: await k.file.lock.mutex_unlock() (line 11)",
    ),
    **because(
        "the read section keeps the memory, with the reference or without it",
        CALLBACK,
        "unless zero, freed after a grace period, after the next line: if not await notifier.kref_get_unless_zero(): (line 2)",
        "unless zero, freed after a grace period, after the next line: await notifier.sync_cpu_device_pagetables() (line 4)",
        "asks the mm, and takes NULL for an answer, after the next line: await hmm.sync_cpu_device_pagetables() (line 6)",
    ),
    **because(
        "the mirrors may be told twice",
        CALLBACK,
        "unless zero, freed after a grace period, twice: await notifier.sync_cpu_device_pagetables() (line 4)",
        "no reference, freed after a grace period, twice: await notifier.sync_cpu_device_pagetables() (line 2)",
        "no reference, and the last put waits, twice: await notifier.sync_cpu_device_pagetables() (line 2)",
        "asks the mm, and takes NULL for an answer, twice: await hmm.sync_cpu_device_pagetables() (line 6)",
    ),
    **because(
        "a second grace period waits longer than needed",
        CALLBACK,
        "no reference, and the last put waits, twice: await k.srcu.start_poll_synchronize_srcu() (line 5)",
        "no reference, and the last put waits, twice: await k.srcu.synchronize_srcu() (line 6)",
    ),
    **because(
        "CPU1 cannot free the mirror while the semaphore is held, on the list or off it",
        RELEASE,
        "held for writing, and taken off, after the next line: await self.release(k) (line 5)",
        "held for writing, and taken off, without: await k.mirrors.list_del_init(mirror) (line 6)",
    ),
    **because(
        "list_del_init() may be called twice",
        RELEASE,
        "held for writing, and taken off, twice: await k.mirrors.list_del_init(mirror) (line 6)",
    ),
}
