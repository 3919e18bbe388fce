"""An exercise of the thread hmm: a fault that waits for a folio's lock."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import Exercise
from mmviz.scenarios.hmm.fault_keeps_its_cpu import Machine


@at_end
def folio_is_migrated(k: Machine) -> bool:
    """The entry is present: the folio is in the system's memory."""
    return k.mapping.pte.is_present


@at_end
def device_folio_is_free(k: Machine) -> bool:
    """The folio in the device's memory is free."""
    return k.folio.is_free


def holds_lock_without_cpu(k: Machine) -> bool:
    """CPU0 holds the page-table lock, and does not have its CPU."""
    return k.mapping.ptl.owner == "CPU0" and k.cpu.curr is None


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="hmm/wait_for_the_folio",
        title="Wait for a folio without keeping it, or the CPU",
        task="""
CPU0 faults on a folio in a device's memory, and finds its lock taken by CPU1, which migrates it.
CPU1 waits for a work item on CPU0, and CPU0's kernel does not preempt. Write `locked(k, folio)`,
which CPU0 awaits with the page-table lock held; the fault is tried again after it, on CPU0. It must
drop the page-table lock, and must not hold it without the CPU. Steps that you may await:
`k.mapping.ptl.spin_unlock()`, `k.cpu.schedule_out()`
(give up the CPU), `k.cpu.schedule_in()`, `folio.lock_page()`, `folio.unlock_page()`,
`folio.get_page()`, `folio.put_page()`, `k.waiters.prepare_to_wait()`, `k.waiters.schedule()`
(sleep until CPU1 has woken who is queued).
""",
        race="hmm/fault_keeps_its_cpu",
        case="TryAgain",
        writes=("locked",),
        bad=(holds_lock_without_cpu,),
        jobs=(folio_is_migrated, device_folio_is_free),
        hints=(
            "Who needs CPU0 before CPU1 can go on?",
            "A reference keeps the folio, and what else?",
            "Queue up while the page-table lock still keeps the entry, then sleep.",
        ),
        solved="WaitOnLocked",
        excluded={"CondResched": "it gives the CPU up between two tries, which is not asked"},
        variants=({"case": "LockWithReference"}, {"case": "QueueTooLate"}),
    ),
)
