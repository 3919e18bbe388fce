"""Mistakes in the exercises of the thread iommu_group."""

ONE, LOOK, OUT = (
    "iommu_group/one_critical_section",
    "iommu_group/look_and_take",
    "iommu_group/outside_the_mutex",
)

MERGED = """
    async def iommu_release_device(self, k, dev):
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()
    """
REBIND = """
    async def iommu_release_device(self, k, dev):
        await k.group.mutex.mutex_lock()
        await k.iommu.attach_dev(dev, k.d)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()
    """
DETACH = """
    async def iommu_release_device(self, k, dev):
        await k.group.mutex.mutex_lock()
        attached = await k.iommu.detach_dev(dev)
        await k.iommu.let_go(dev, attached)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()
    """
OWNED = """
    async def use(self, k):
        await k.group.mutex.mutex_lock()
        usable = await k.group.is_usable()
        if usable:
            await k.group.use()
        await k.group.mutex.mutex_unlock()
        return usable

    async def claim(self, k):
        await k.group.mutex.mutex_lock()
        claimable = await k.group.is_claimable()
        if claimable:
            await k.group.claim("vfio")
            await k.group.set_blocking_domain(k.iommu)
        await k.group.mutex.mutex_unlock()
        return claimable
    """

RIGHT = {
    ONE: {
        "one critical section": MERGED,
        "rebind": REBIND,
        "detach under the mutex": DETACH,
        "rebind if foreign, with a reference": """
            async def iommu_release_device(self, k, dev):
                await k.group.iommu_group_get()
                await k.group.mutex.mutex_lock()
                if await k.group.is_on_foreign_domain():
                    await k.iommu.attach_dev(dev, k.d)
                await k.group.list_del(dev)
                await k.group.mutex.mutex_unlock()
                await k.group.iommu_group_put()
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.iommu_group_put()
            """,
        "helpers of one's own": """
            async def iommu_release_device(self, k, dev):
                await self.enter(k)
                await k.group.list_del(dev)
                await self.let_go(k, dev)
                await self.__leave(k)

            async def enter(self, k):
                await k.group.mutex.mutex_lock()

            async def let_go(self, k, dev):
                await k.iommu.detach_and_free(dev, await k.iommu.release_device(dev))

            async def __leave(self, k):
                await k.group.mutex.mutex_unlock()
                await k.group.iommu_group_put()
            """,
    },
    LOOK: {
        "look and take": OWNED,
        "early return": """
            async def use(self, k):
                await k.group.mutex.mutex_lock()
                if not await k.group.is_usable():
                    await k.group.mutex.mutex_unlock()
                    return False
                await k.group.use()
                await k.group.mutex.mutex_unlock()
                return True

            async def claim(self, k):
                await k.group.mutex.mutex_lock()
                if not await k.group.is_claimable():
                    await k.group.mutex.mutex_unlock()
                    return False
                await k.group.claim("vfio")
                await k.group.set_blocking_domain(k.iommu)
                await k.group.mutex.mutex_unlock()
                return True
            """,
        "a look before the lock, too": """
            async def use(self, k):
                if not await k.group.is_usable():
                    return False
                await k.group.mutex.mutex_lock()
                usable = await k.group.is_usable()
                if usable:
                    await k.group.use()
                await k.group.mutex.mutex_unlock()
                return usable

            async def claim(self, k):
                await k.group.mutex.mutex_lock()
                claimable = await k.group.is_claimable()
                if claimable:
                    await k.group.set_blocking_domain(k.iommu)
                    await k.group.claim("vfio")
                await k.group.mutex.mutex_unlock()
                return claimable
            """,
    },
    OUT: {"rebind": REBIND},
}

WRONG = {
    ONE: {
        "nothing": """
            async def iommu_release_device(self, k, dev):
                pass
            """,
        "a flag of one's own as a lock": """
            async def iommu_release_device(self, k, dev):
                while self.busy:
                    pass
                self.busy = True
                await k.group.list_del(dev)
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                self.busy = False
                await k.group.iommu_group_put()
            """,
        "a flag as a class attribute": """
            busy = False

            async def iommu_release_device(self, k, dev):
                await k.group.list_del(dev)
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.iommu_group_put()
            """,
        "the driver's lock": """
            async def iommu_release_device(self, k, dev):
                await k.iommu.lock.spin_lock()
                await k.group.list_del(dev)
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.iommu.lock.spin_unlock()
                await k.group.iommu_group_put()
            """,
        "a loop without end": """
            async def iommu_release_device(self, k, dev):
                while True:
                    await k.group.mutex.mutex_lock()
                    await k.group.mutex.mutex_unlock()
            """,
        "a loop without a step": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                while True:
                    pass
            """,
        "the mutex twice": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                await k.group.list_del(dev)
                await k.group.mutex.mutex_lock()
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.mutex.mutex_unlock()
                await k.group.mutex.mutex_unlock()
                await k.group.iommu_group_put()
            """,
        "an unlock that is not locked": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_unlock()
                await k.group.list_del(dev)
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.iommu_group_put()
            """,
        "two critical sections": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                await k.group.list_del(dev)
                await k.group.mutex.mutex_unlock()
                await k.group.mutex.mutex_lock()
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.mutex.mutex_unlock()
                await k.group.iommu_group_put()
            """,
        "the domain read outside": """
            async def iommu_release_device(self, k, dev):
                domain = await k.iommu.release_device(dev)
                await k.group.mutex.mutex_lock()
                await k.group.list_del(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.mutex.mutex_unlock()
                await k.group.iommu_group_put()
            """,
        "frees V itself": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                await k.group.list_del(dev)
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.v.iommu_domain_free()
                await k.group.mutex.mutex_unlock()
                await k.group.iommu_group_put()
            """,
        "moved to VFIO's domain": REBIND.replace("k.d)", "k.v)"),
        "the wrong device": MERGED.replace("list_del(dev)", "list_del(k.b)"),
        "a reference too many": MERGED.replace(
            "await k.group.mutex.mutex_lock()",
            "await k.group.iommu_group_get()\n        await k.group.mutex.mutex_lock()",
        ),
        "all devices moved, then released": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                await k.group.iommu_group_set_core_domain(k.d, k.iommu)
                await k.group.mutex.mutex_unlock()
                await k.group.list_del(dev)
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.iommu_group_put()
            """,
        "no async": MERGED.replace("async def", "def").replace("await ", ""),
        "another signature": MERGED.replace("(self, k, dev)", "(self, k)"),
        "the method misspelt": MERGED.replace("iommu_release_device", "iommu_release_devise"),
        "a field misspelt": MERGED.replace("k.group.list_del", "k.grup.list_del"),
        "a step misspelt": MERGED.replace("list_del", "list_delete"),
        "a variable misspelt": MERGED.replace("(dev, domain)", "(dev, domian)"),
        "an exception caught": """
            async def iommu_release_device(self, k, dev):
                try:
                    await k.group.list_del(dev)
                    domain = await k.iommu.release_device(dev)
                    await k.iommu.detach_and_free(dev, domain)
                except Exception:
                    pass
                await k.group.iommu_group_put()
            """,
        "a finally": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                try:
                    await k.group.list_del(dev)
                finally:
                    await k.group.mutex.mutex_unlock()
            """,
        "writes the fields itself": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                dev.priv = False
                k.group.devices = ()
                await k.group.mutex.mutex_unlock()
            """,
        "setattr": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                object.__setattr__(dev, "priv", False)
                await k.group.mutex.mutex_unlock()
            """,
        "a step of one's own": """
            async def iommu_release_device(self, k, dev):
                await everything(k.group, k.iommu, dev)
            """,
        "its own __init__": MERGED
        + """
    def __init__(self):
        pass
    """,
        "a method that nothing calls": MERGED
        + """
    async def unplug_a(self, k):
        pass
    """,
    },
    LOOK: {
        "never, for both": """
            async def use(self, k):
                return False

            async def claim(self, k):
                return False
            """,
        "always, for both": """
            async def use(self, k):
                await k.group.use()
                return True

            async def claim(self, k):
                await k.group.claim("vfio")
                return True
            """,
        "the driver is locked out": """
            async def use(self, k):
                return False

            async def claim(self, k):
                await k.group.mutex.mutex_lock()
                await k.group.claim("vfio")
                await k.group.set_blocking_domain(k.iommu)
                await k.group.mutex.mutex_unlock()
                return True
            """,
        "the user is locked out": """
            async def use(self, k):
                await k.group.use()
                return True

            async def claim(self, k):
                return False
            """,
        "nothing": """
            async def use(self, k):
                pass

            async def claim(self, k):
                pass
            """,
        "the mutex is kept": """
            async def use(self, k):
                await k.group.mutex.mutex_lock()
                await k.group.use()
                return True

            async def claim(self, k):
                await k.group.mutex.mutex_lock()
                await k.group.claim("vfio")
                await k.group.set_blocking_domain(k.iommu)
                return True
            """,
        "tries until it may": """
            async def use(self, k):
                while not await k.group.is_usable():
                    pass
                await k.group.use()
                return True

            async def claim(self, k):
                await k.group.mutex.mutex_lock()
                claimable = await k.group.is_claimable()
                if claimable:
                    await k.group.claim("vfio")
                    await k.group.set_blocking_domain(k.iommu)
                await k.group.mutex.mutex_unlock()
                return claimable
            """,
        "polls under the mutex": OWNED.replace(
            "usable = await k.group.is_usable()\n        if usable:\n            await",
            "usable = True\n        while not await k.group.is_usable():\n"
            "            await k.group.mutex.mutex_unlock()\n"
            "            await k.group.mutex.mutex_lock()\n        if usable:\n            await",
        ),
        "asks without the answer": OWNED.replace("return usable", "return True"),
    },
    OUT: {
        "one critical section": MERGED,
        "detach under the mutex": DETACH,
        "the list alone": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                await k.group.list_del(dev)
                await k.group.mutex.mutex_unlock()
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.iommu_group_put()
            """,
        "rebound before the mutex": """
            async def iommu_release_device(self, k, dev):
                await k.iommu.attach_dev(dev, k.d)
                await k.group.mutex.mutex_lock()
                await k.group.list_del(dev)
                await k.group.mutex.mutex_unlock()
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.iommu_group_put()
            """,
        "let go of V, wherever it is": """
            async def iommu_release_device(self, k, dev):
                await k.group.mutex.mutex_lock()
                await k.iommu.let_go(dev, k.v)
                await k.group.list_del(dev)
                await k.group.mutex.mutex_unlock()
                domain = await k.iommu.release_device(dev)
                await k.iommu.detach_and_free(dev, domain)
                await k.group.iommu_group_put()
            """,
    },
}

INSIDE = "both lines are in one critical section, and no other actor looks at it in between"
LATER = "the mutex is held a little longer than it has to be"
AGAIN = "the second time changes nothing: the device is there already"
REFERENCE = "the group's reference keeps D; the device does not point at V any more"
LOCK, UNLOCK = "await k.group.mutex.mutex_lock()", "await k.group.mutex.mutex_unlock()"
ATTACH, DELIST = "await k.iommu.attach_dev(dev, k.d)", "await k.group.list_del(dev)"
CLAIM = "await k.group.claim('vfio')"
BLOCK = "await k.group.set_blocking_domain(k.iommu)"

REASONS = {
    INSIDE: (
        (ONE, f"one critical section, after the next line: {DELIST} (line 3)"),
        (ONE, f"rebind, after the next line: {ATTACH} (line 3)"),
        (
            ONE,
            "detach under the mutex, after the next line: await k.iommu.let_go(dev, attached) (line 4)",
        ),
        (
            ONE,
            "rebind if foreign, with a reference, after the next line: if await k.group.is_on_foreign_domain(): (line 4)",
        ),
        (ONE, f"helpers of one's own, after the next line: {DELIST} (line 3)"),
        (LOOK, f"look and take, after the next line: {CLAIM} (line 13)"),
        (LOOK, f"early return, after the next line: {CLAIM} (line 15)"),
        (LOOK, f"early return, after the next line: {BLOCK} (line 16)"),
        (LOOK, f"a look before the lock, too, after the next line: {BLOCK} (line 15)"),
        (OUT, f"rebind, after the next line: {ATTACH} (line 3)"),
    ),
    LATER: (
        (ONE, f"one critical section, after the next line: {UNLOCK} (line 6)"),
        (ONE, f"rebind, after the next line: {UNLOCK} (line 5)"),
        (ONE, f"detach under the mutex, after the next line: {UNLOCK} (line 6)"),
        (ONE, f"rebind if foreign, with a reference, after the next line: {UNLOCK} (line 7)"),
        (ONE, f"helpers of one's own, after the next line: {UNLOCK} (line 14)"),
        (
            ONE,
            "rebind if foreign, with a reference, after the next line: await k.group.iommu_group_get() (line 2)",
        ),
    ),
    AGAIN: (
        (ONE, f"rebind, twice: {ATTACH} (line 3)"),
        (ONE, f"rebind if foreign, with a reference, twice: {ATTACH} (line 5)"),
        (
            ONE,
            "rebind if foreign, with a reference, always: if await k.group.is_on_foreign_domain(): (line 4)",
        ),
        (ONE, "detach under the mutex, twice: await k.iommu.let_go(dev, attached) (line 4)"),
        (LOOK, f"look and take, twice: {CLAIM} (line 13)"),
        (LOOK, f"look and take, twice: {BLOCK} (line 14)"),
        (LOOK, f"early return, twice: {CLAIM} (line 15)"),
        (LOOK, f"early return, twice: {BLOCK} (line 16)"),
        (LOOK, f"a look before the lock, too, twice: {CLAIM} (line 16)"),
        (LOOK, f"a look before the lock, too, twice: {BLOCK} (line 15)"),
    ),
    REFERENCE: (
        (
            ONE,
            "detach under the mutex, after the next line: await k.iommu.detach_and_free(dev, domain) (line 8)",
        ),
        (
            ONE,
            "rebind if foreign, with a reference, after the next line: await k.group.iommu_group_put() (line 8)",
        ),
    ),
    "the look before the lock decides nothing here: the one under the lock does": (
        (LOOK, "a look before the lock, too, without: return False (line 3)"),
    ),
}

SAFE = {known: why for why, each in REASONS.items() for known in each}
