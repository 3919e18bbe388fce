"""Exercises of the thread iommu_group: who may look at a device that is on its way out."""

from typing import Any

from mmviz.engine import Race
from mmviz.lessons.exercise import SCHEDULE, STEP, Bounds, Exercise, Misconception
from mmviz.lessons.worlds.iommu_group import (
    OTHER_DEVICE,
    RELEASED,
    THREE_CPUS,
    both_are_released,
    device_a_is_released,
    dma_is_stopped,
    driver_uses_owned_group,
    group_is_given_back,
    kernel_driver_works,
    user_works,
    vfio_keeps_its_domain,
    watched_plug,
)
from mmviz.scenarios.iommu_group.kernel_or_user import (
    Owned,
    OwnershipUnderMutex,
    kernel_and_user_mixed,
    owned,
    really_probe,
    user_loses_translation,
    user_reaches_kernel_domain,
    vfio_group_open,
)
from mmviz.scenarios.iommu_group.worlds import (
    unplug_a,
)

# -- the kernel's driver and the user, with the tests outside of the mutex -------------------

ownership = Race(
    world=owned,
    actors={"CPU0": really_probe, "CPU1": vfio_group_open},
    bad=(kernel_and_user_mixed, user_reaches_kernel_domain, user_loses_translation, "bug_on"),
    memory="sequentially consistent",
)


@ownership.case("look, then lock and take", sometimes=[kernel_and_user_mixed])
class LookThenTake(OwnershipUnderMutex):
    """Each side looks, and takes the mutex only to write."""

    async def use(self, k: Owned) -> bool:
        usable = await k.group.is_usable()
        if usable:
            await k.group.mutex.mutex_lock()
            await k.group.use()
            await k.group.mutex.mutex_unlock()
        return usable

    async def claim(self, k: Owned) -> bool:
        claimable = await k.group.is_claimable()
        if claimable:
            await k.group.mutex.mutex_lock()
            await k.group.claim("vfio")
            await k.group.set_blocking_domain(k.iommu)
            await k.group.mutex.mutex_unlock()
        return claimable


@ownership.case("only the user looks under the mutex", sometimes=[kernel_and_user_mixed])
class UserLooksUnderMutex(LookThenTake):
    """The user's side is one critical section, and the driver's is not."""

    async def claim(self, k: Owned) -> bool:
        await k.group.mutex.mutex_lock()
        claimable = await k.group.is_claimable()
        if claimable:
            await k.group.claim("vfio")
            await k.group.set_blocking_domain(k.iommu)
        await k.group.mutex.mutex_unlock()
        return claimable


@ownership.case("look and take under the mutex")
class LookAndTake(UserLooksUnderMutex):
    """Both sides are one critical section."""

    async def use(self, k: Owned) -> bool:
        await k.group.mutex.mutex_lock()
        usable = await k.group.is_usable()
        if usable:
            await k.group.use()
        await k.group.mutex.mutex_unlock()
        return usable


STORY = """
CPU0 unplugs a device of a group. CPU1 ends VFIO's use of the group: it moves every device that is
*still listed* back to the default domain D, and frees VFIO's domain V.
"""
STEPS = """
Steps that you may await: `k.group.mutex.mutex_lock()`, `k.group.mutex.mutex_unlock()`,
`k.group.list_del(dev)`, `k.group.iommu_group_get()`, `k.group.iommu_group_put()`,
`k.group.is_on_foreign_domain()`, `k.iommu.attach_dev(dev, domain)`, `k.iommu.detach_dev(dev)`,
`k.iommu.let_go(dev, domain)`, `k.iommu.release_device(dev)`,
`k.iommu.detach_and_free(dev, domain)`. The domains are `k.v` and `k.d`. The list, and what a device
is attached to, may change under the mutex only: lockdep watches `list_del`, `attach_dev`, `let_go`.
"""
RELEASE: dict[str, Any] = {
    "race": "iommu_group/release_order",
    "case": "DelistThenRelease",
    "writes": ("iommu_release_device",),
    "world": watched_plug,
    "bad": ("lockdep_complains", "follows_poisoned_pointer"),
    "jobs": RELEASED,
}

OWNERSHIP = """
CPU0 binds a kernel driver to device b; CPU1 opens device a for a user. Both check that the other
is not there, and then take the group. Neither may work while the other does, and either must be
able to get the group.

Write `use(k)` (a kernel driver asks for the group) and `claim(k)` (a user does); each returns
whether it got the group. Who gets it gives it back later, which is written already. Steps that you
may await: `k.group.mutex.mutex_lock()`, `k.group.mutex.mutex_unlock()`, `k.group.is_usable()`,
`k.group.use()`, `k.group.is_claimable()`, `k.group.claim("vfio")`,
`k.group.set_blocking_domain(k.iommu)`.
"""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="iommu_group/break_it",
        title="Find a run that leaves a device on a freed domain",
        task=f"""{STORY}
Between the removal from the list and the driver's release, the device is neither listed nor
released. Write a schedule of CPU0 and CPU1 after which a device is attached to a freed domain.
A shortest one counts more.
""",
        race="iommu_group/release_order",
        case="DelistThenRelease",
        asks=SCHEDULE,
        goal="device_attached_to_freed_domain",
        hints=(
            "Let CPU0 take the device off the list, and stop there.",
            "CPU1 moves only what is listed. Let it finish with the group.",
            "The domain must be freed while the device still points at it.",
        ),
        variants=(
            {"case": "HoldGroupReference", "title": "A reference on the group does not help"},
            {
                "case": "ReleaseThenDelist",
                "goal": "attach_after_release",
                "title": "Find a run that attaches a device that was released",
                "task": f"{STORY}\nHere the device is released first, and is still listed then. "
                "Write a schedule after which a device is attached whose driver data is gone.",
                "hints": (
                    "CPU1 attaches every listed device to D.",
                    "Let CPU0 release the device, and stop before it takes it off the list.",
                ),
            },
            {"actors": OTHER_DEVICE},
            {
                "case": "ReleaseTakesMutex",
                "goal": "deadlock",
                "title": "Find a run that deadlocks",
                "task": f"{STORY}\nHere release is under the mutex, and the driver's release takes "
                "the mutex again. Write a schedule after which no actor can take a step.",
                "hints": ("A mutex that its holder takes again is never free.",),
            },
        ),
        minutes=5,
    ),
    Exercise(
        name="iommu_group/no_return",
        title="From which step on can the use after free no longer be avoided?",
        task=f"""{STORY}
In the run `CPU0*3 CPU1*10 CPU0*2` the driver's release uses the freed domain in the last step.
After which step does *every* way to go on lead there? Answer with its number; 0 is the start.
""",
        race="iommu_group/release_order",
        case="DelistThenRelease",
        asks=STEP,
        goal="use_after_free",
        run="CPU0*3 CPU1*10 CPU0*2",
        hints=(
            "It is not the step in which it happens. What else could still be scheduled before?",
            "While V is not freed, CPU0 could still finish its release.",
            "CPU0 has the way to V in device a's record, and nothing will change that record.",
        ),
        variants=(
            {
                "run": "CPU0*4 CPU1*10 CPU0",
                "task": f"{STORY}\nIn the run `CPU0*4 CPU1*10 CPU0` CPU0 has read the device's "
                "domain before CPU1 begins. After which step does every way to go on lead to the "
                "use after free? Answer with its number; 0 is the start.",
            },
            {
                "case": "ReleaseThenDelist",
                "goal": "attach_after_release",
                "title": "From which step on is the attach after the release unavoidable?",
                "run": "CPU0*2 CPU1*4",
                "task": f"{STORY}\nHere the device is released first, and is still listed then. "
                "In the run `CPU0*2 CPU1*4` CPU1 attaches it although its driver data is gone. "
                "After which step does every way to go on lead there? Answer with its number; 0 "
                "is the start.",
                "hints": (
                    "CPU0 could still take the device off the list. Until when?",
                    "The list is changed under the mutex.",
                ),
            },
            {
                "actors": THREE_CPUS,
                "run": "CPU0*3 CPU1*6 CPU2*4 CPU0*2",
                "task": f"{STORY}\nHere CPU0 and CPU1 unplug one device each, and CPU2 ends VFIO's "
                "use. In the run `CPU0*3 CPU1*6 CPU2*4 CPU0*2` CPU0's release uses the freed "
                "domain. After which step does every way to go on lead there? Answer with its "
                "number; 0 is the start.",
            },
        ),
        minutes=5,
    ),
    Exercise(
        name="iommu_group/one_critical_section",
        title="Unplug a device while VFIO leaves the group",
        task=f"""{STORY}
Write `iommu_release_device(k, dev)` so that no interleaving leaves a device on a freed domain.
CPU1 calls it too, for the other device.
{STEPS}""",
        **RELEASE,
        hints=(
            "Who may look at the group between two of your steps, and what do they find?",
            "The listed devices are moved under k.group.mutex.",
            "A holder of the mutex must find the device listed, or released; never in between.",
        ),
        solved="ReleaseUnderMutex",
        misconceptions=(
            Misconception(
                "a reference on the group keeps VFIO's domain",
                "The group's reference keeps the group and its default domain D. V belongs to "
                "VFIO, which frees it whenever its last user leaves.",
                "HoldGroupReference",
                {
                    "actors": {"CPU0": unplug_a, "CPU1": vfio_keeps_its_domain},
                    "jobs": (both_are_released, dma_is_stopped),
                },
            ),
            Misconception(
                "a device that was released is left alone",
                "The list is what CPU1 goes by. A released device that is still listed is attached "
                "again, and its driver data is gone.",
                "ReleaseThenDelist",
                {"actors": {"CPU0": unplug_a}, "jobs": (device_a_is_released,)},
            ),
        ),
        variants=(
            {"case": "ReleaseThenDelist"},
            {"case": "PutGroupFirst"},
            {"actors": OTHER_DEVICE},
            {
                "actors": THREE_CPUS,
                "task": "CPU0 and CPU1 unplug one device each, at the same time. CPU2 ends VFIO's "
                "use of the group: it moves every device that is *still listed* back to the "
                "default domain D, and frees VFIO's domain V.\n\nWrite "
                "`iommu_release_device(k, dev)` so that no interleaving leaves a device on a freed "
                f"domain.\n{STEPS}",
            },
        ),
    ),
    Exercise(
        name="iommu_group/look_and_take",
        title="A group belongs to kernel drivers or to one user",
        task=OWNERSHIP,
        race=ownership,
        case="LookThenTake",
        writes=("use", "claim"),
        bad=(driver_uses_owned_group,),
        jobs=(group_is_given_back,),
        outcomes=(kernel_driver_works, user_works),
        alone={"CPU0": kernel_driver_works, "CPU1": user_works},
        hints=(
            "Can what was looked at have changed when it is used?",
            "Both sides may look before either takes.",
            "Look and take must be one critical section, on both sides.",
        ),
        solved="LookAndTake",
        misconceptions=(
            Misconception(
                "it is enough if one side looks under the mutex",
                "A lock keeps out only those who take it. The other side looks before, and takes "
                "after.",
                "UserLooksUnderMutex",
                {
                    "actors": {"CPU1": vfio_group_open},
                    "outcomes": (user_works,),
                    "alone": {},
                },
            ),
        ),
        variants=(
            {"case": "UserLooksUnderMutex"},
            {
                "actors": {"CPU0": vfio_group_open, "CPU1": really_probe},
                "alone": {"CPU0": user_works, "CPU1": kernel_driver_works},
                "task": OWNERSHIP.translate(str.maketrans("01", "10")),
            },
        ),
    ),
    Exercise(
        name="iommu_group/outside_the_mutex",
        title="Keep the driver's release out of the mutex",
        task=f"""{STORY}
One critical section around everything is right. But a driver's release may take long, and every
operation on the group waits for it. Write `iommu_release_device(k, dev)` so that it stays right,
and no more than three lines of code run under the mutex, in both actors together.
{STEPS}""",
        **RELEASE | {"case": "ReleaseUnderMutex"},
        hints=(
            "What must be true of the device when the mutex is dropped?",
            "If the device does not point at V any more, V may be freed.",
            "Attach it to the default domain D before it leaves the list.",
        ),
        solved="""
            import mmviz


            class Mine(GIVEN):
                async def iommu_release_device(self, k, dev):
                    await k.group.mutex.mutex_lock()
                    await k.iommu.attach_dev(dev, k.d)
                    await k.group.list_del(dev)
                    await k.group.mutex.mutex_unlock()
                    domain = await k.iommu.release_device(dev)
                    await k.iommu.detach_and_free(dev, domain)
                    await k.group.iommu_group_put()
            """,
        cheaper=Bounds(under={"group.mutex": 3}),
        misconceptions=(
            Misconception(
                "the mutex is only for the list",
                "It also keeps out those who free what the device points at.",
                "DelistThenRelease",
                {
                    "actors": {"CPU0": unplug_a, "CPU1": vfio_keeps_its_domain},
                    "jobs": (both_are_released, dma_is_stopped),
                    "cheaper": None,
                },
            ),
        ),
        variants=(
            {
                "case": "RebindToDefault",
                "task": f"{STORY}\nThis code attaches the device to the default domain before it "
                "leaves the list, and asks first whether it has to. It is right. Keep it right "
                f"with one line less under the mutex.\n{STEPS}",
            },
            {"actors": OTHER_DEVICE},
        ),
        minutes=15,
    ),
)
