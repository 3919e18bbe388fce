"""Exercises of the thread exclusive: a check that is overtaken, a page given back too early.

The worlds are those of the races, and check what a race leaves to its reader: an exclusive entry
is made and undone under the page lock.
"""

from typing import Final

from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS
from mmviz.lessons.exercise import SCHEDULE, Bounds, Exercise, Misconception
from mmviz.scenarios.exclusive.pin_check_too_early import race
from mmviz.scenarios.exclusive.worlds.checked import (
    THREE,
    TWO_CPUS,
    CheckedCounter,
    PinnedMachine,
    Stopping,
    WaitsForWalks,
    add_three_times,
    pin_under_page_lock,
)

# exclusive/pin_check_too_early: a NIC pins the page that a GPU wants to itself.


def nic_has_the_page(k: PinnedMachine) -> bool:
    """The NIC has its page, with one pin, and no other pin is left."""
    return k.nic.page is k.page and k.page.refs == 1 + GUP_PIN_COUNTING_BIAS


def refused_page_is_put_back(k: PinnedMachine) -> bool:
    """The GPU does not have the pinned page, and the CPU can write to it."""
    return k.gpu.page is None and k.cpu.pte is not None and k.cpu.pte.is_writable


def gpu_has_the_page(k: PinnedMachine) -> bool:
    """The GPU gets the page."""
    return k.gpu.exclusive


def pinned_fast(k: PinnedMachine) -> bool:
    """The NIC gets the page by GUP-fast, and the slow way is not needed."""
    return k.nic.page is k.page and not k.cpu.slow


TWO: Final = race.actors  # without the task that write-protects the page
UNDISTURBED: Final = {"CPU0": pinned_fast, "CPU1": gpu_has_the_page}


# exclusive/atomic_loses_update: a GPU that adds by a read and a write.


def cpus_have_added(k: CheckedCounter) -> bool:
    """Each CPU's one is in the counter, and so is every addition of the GPU."""
    return k.counter.added >= 2 and k.counter.value == k.counter.added


def references_are_as_before(k: CheckedCounter) -> bool:
    """The page has the one reference that it had."""
    return k.page.refs == 1


def gpu_has_added_three_times(k: CheckedCounter) -> bool:
    """The GPU can make its three additions."""
    return k.counter.added == 5


def gpu_has_added_twice(k: CheckedCounter) -> bool:
    """The GPU can make both of its additions."""
    return k.counter.added == 4


CONVERT_RULES = """
- `k.cpu.page_make_device_exclusive_one(k.page)` replaces the CPU's entry, and says
  whether it has: the entry may be read-only at that moment, because of CPU2, and the
  GPU may not have the page then. `k.cpu.restore_exclusive_pte(k.page)` puts the entry
  back.
- `k.page.page_maybe_dma_pinned()` says whether the page is pinned.
- Return True when the GPU may have the page: the caller maps it then. Else return
  False; the CPU's entry must be there again.
- The caller holds the page lock, before and after. Always refusing is no answer: the
  GPU must get the page when no device has pinned it.
"""

GUP_RULES = """
- `mapping.ptep_get_lockless()` reads the entry; it may be None. `entry.is_writable`
  and `entry.page` are plain facts of what was read, and no steps.
- `entry.page.try_grab_page()` pins, and says whether it did;
  `entry.page.unpin_user_page()` takes the pin away.
- Return the page when it is pinned for good, and None to let the caller take the slow
  way, which pins for itself. A pin that is not returned must not be left over.
- Returning None each time is no answer: a walk that nothing disturbs must pin.
- The driver of the GPU replaces the entry, then looks for pins, and puts the entry
  back if there are any. It stays as it is.
"""

DRAIN = """
A GPU adds one to a counter by reading it and writing it back: two steps. A CPU adds
one in a single step. While the GPU has the page to itself a CPU that touches it faults;
the fault locks the page, calls the driver's `invalidate()`, makes the CPU's entry
present again, and unlocks the page. This `invalidate()` clears the GPU's entry, so that
no new operation begins. But one may be under way. Change it so that no increment is lost.

- `k.gpu.unmap()` clears the GPU's entry. `k.gpu.wait_idle()` waits until no operation
  is under way; it does not keep a new one from beginning.
- The caller holds the page lock, and it must stay held: `unmap()` needs it.
- There are two CPUs. Each must be able to add one, and the GPU to make both of its
  additions.
"""

LOOKS_AGAIN = """
    import mmviz


    class Mine(GIVEN):
        async def gup_pte_range(self, mapping):
            entry = await mapping.ptep_get_lockless()
            if entry is None or not entry.is_writable:
                return None
            if not await entry.page.try_grab_page():
                return None
            again = await mapping.ptep_get_lockless()
            if again != entry:
                await entry.page.unpin_user_page()
                return None
            return entry.page
    """

EXERCISES = (
    Exercise(
        name="exclusive/pin_slips_in",
        title="Find the pin that comes after the check",
        task="""
A GPU's driver (CPU1) wants a page to itself. It locks the page, checks that no device
has pinned it, replaces the CPU's entry by an exclusive one, and maps the page for the
GPU. On CPU0 GUP-fast pins the page for a NIC, and takes no lock: it reads the entry,
pins, and reads the entry again.

Find a schedule in which the GPU has a page to itself that the NIC still writes to.
Write the actors in the order of their steps: `"CPU1*2 CPU0 …"`.
""",
        race="exclusive/pin_check_too_early",
        case="CheckBefore",
        asks=SCHEDULE,
        goal="pinned_page_hidden",
        hints=(
            "When is what the check says no longer true?",
            "Let CPU0 pin between the check and the replacement of the entry.",
            "CPU1*2 takes the driver past its check. Then CPU0 pins, and reads the entry again.",
        ),
        variants=(
            {
                "case": "NoRecheckInGup",
                "title": "Find the pin that the check does not see",
                "task": """
A GPU's driver (CPU1) wants a page to itself. It locks the page, replaces the CPU's
entry by an exclusive one, checks that no device has pinned the page, and maps it for
the GPU. On CPU0 GUP-fast pins the page for a NIC, and takes no lock: it reads the
entry, and pins.

Find a schedule in which the GPU has a page to itself that the NIC still writes to.
Write the actors in the order of their steps: `"CPU1*2 CPU0 …"`.
""",
                "hints": (
                    "What has GUP-fast read, and when does it use it?",
                    "Let CPU0 read the entry, and let CPU1 do all of its work then.",
                    "CPU0 reads; CPU1 replaces, checks and maps; CPU0 pins.",
                ),
            },
            {
                "case": "RecheckBeforePin",
                "title": "Find the pin that comes after the second look",
                "task": """
A GPU's driver (CPU1) wants a page to itself. It locks the page, replaces the CPU's
entry by an exclusive one, checks that no device has pinned the page, and maps it for
the GPU. On CPU0 GUP-fast pins the page for a NIC, and takes no lock: it reads the
entry twice, and then pins.

Find a schedule in which the GPU has a page to itself that the NIC still writes to.
Write the actors in the order of their steps: `"CPU1*2 CPU0 …"`.
""",
                "hints": (
                    "What may happen between the second look and the pin?",
                    "Let CPU0 look twice, and let CPU1 do all of its work then.",
                    "CPU0*2; then CPU1 replaces, checks and maps; then CPU0 pins.",
                ),
            },
        ),
        minutes=8,
    ),
    Exercise(
        name="exclusive/look_afterwards",
        title="Check for pins so that GUP-fast cannot overtake the check",
        task=f"""
A GPU's driver wants a page to itself, which a NIC may pin at any moment. GUP-fast on
CPU0 takes no lock: it reads the entry, pins, and reads the entry again; if the entry
has changed it drops its pin and takes the slow way. Change `make_device_exclusive()`
so that the GPU never has a page that is pinned.
{CONVERT_RULES}
""",
        race="exclusive/pin_check_too_early",
        case="CheckBefore",
        writes=("make_device_exclusive",),
        jobs=(nic_has_the_page, refused_page_is_put_back),
        alone=UNDISTURBED,
        polls=True,
        world=PinnedMachine,
        actors=THREE,
        hints=(
            "GUP-fast takes no lock, so no lock of yours keeps it out. What does it look at?",
            "It reads the entry after it has pinned. Each side has to write first, and then look.",
            "Replace the entry, then look for pins. If there are any put the entry back.",
        ),
        solved="CheckAfter",
        misconceptions=(
            Misconception(
                "who pins takes the page lock",
                "The page lock is held over the whole conversion, and GUP-fast does not ask for "
                "it. A lock keeps out only those who take it.",
                "CheckBefore",
                {"actors": THREE | {"CPU0": pin_under_page_lock}},
            ),
        ),
        variants=({"case": "NoCheck"},),
        minutes=12,
    ),
    Exercise(
        name="exclusive/look_again",
        title="Pin a page without trusting an entry that was read before",
        task=f"""
The GPU's driver replaces the CPU's entry and then looks for pins. But this GUP-fast on
CPU0 reads the entry twice, and then pins the page that it has named, although the entry
may have been replaced meanwhile. Change `gup_pte_range()` so that the GPU never has a
page that the NIC has pinned.
{GUP_RULES}
""",
        race="exclusive/pin_check_too_early",
        case="RecheckBeforePin",
        writes=("gup_pte_range",),
        jobs=(nic_has_the_page, refused_page_is_put_back),
        alone=UNDISTURBED,
        polls=True,
        world=PinnedMachine,
        actors=THREE,
        hints=(
            "The driver looks for your pin after it has replaced the entry. When is it too late?",
            "If you pin before the driver looks, it sees the pin. If you pin later, you can see "
            "something else.",
            "Pin, then read the entry again. If it has changed take the pin away, return None.",
        ),
        solved=LOOKS_AGAIN,
        misconceptions=(
            Misconception(
                "an entry stays as it was read",
                "What was read without a lock may be changed by the next step of any actor. "
                "Looking once more, after the pin, is what tells.",
                "NoRecheckInGup",
                {"world": WaitsForWalks},
            ),
        ),
        variants=({"actors": TWO},),
        minutes=12,
    ),
    Exercise(
        name="exclusive/without_a_lock",
        title="Pin fast, and keep the driver from waiting",
        task=f"""
GUP-fast could ask for the page lock, which the GPU's driver holds: read the entry, lock
the page, read the entry again, pin, unlock. That is right, but GUP-fast waits for the
driver, and the driver for GUP-fast; in the kernel it runs with interrupts off, where
nothing may sleep. Write `gup_pte_range()` so that the GPU never has a page that the NIC
has pinned, and no line of it runs under the page lock.
{GUP_RULES}
""",
        race="exclusive/pin_check_too_early",
        case="RecheckBeforePin",
        writes=("gup_pte_range",),
        jobs=(nic_has_the_page, refused_page_is_put_back),
        alone=UNDISTURBED,
        polls=True,
        world=PinnedMachine,
        actors=THREE,
        hints=(
            "The driver looks for pins by itself. What has GUP-fast to do so that it is seen?",
            "Write first and look then: the pin is what you write.",
            "Pin, then read the entry again. If it has changed take the pin away, return None.",
        ),
        solved=LOOKS_AGAIN,
        cheaper=Bounds(under={"page 7": 5}),
        variants=({"actors": TWO},),
        minutes=10,
    ),
    Exercise(
        name="exclusive/drain",
        title="Give a page back only when the device is done with it",
        task=DRAIN,
        race="exclusive/atomic_loses_update",
        case="UnmapOnly",
        writes=("invalidate",),
        jobs=(cpus_have_added, references_are_as_before),
        outcomes=(gpu_has_added_twice,),
        polls=True,
        world=CheckedCounter,
        actors=TWO_CPUS,
        hints=(
            "The GPU has read the counter, and not yet written it. What does the CPU do?",
            "Two things have to hold before the CPU gets the page: no operation may begin, and "
            "none may be under way.",
            "Unmap first, then wait. The other way round a new operation slips in.",
        ),
        solved="UnmapAndDrain",
        misconceptions=(
            Misconception(
                "clearing an entry stops what uses it",
                "The GPU has read the counter already, and writes it back whatever its entry says "
                "now. The driver has to wait for that.",
                "UnmapOnly",
                {"world": Stopping},
            ),
        ),
        variants=(
            {
                "title": "Give a page back only when a device that adds three times is done",
                "task": DRAIN.replace("both of its\n  additions", "all three of its\n  additions"),
                "actors": TWO_CPUS | {"GPU": add_three_times},
                "outcomes": (gpu_has_added_three_times,),
            },
        ),
        minutes=8,
    ),
)
