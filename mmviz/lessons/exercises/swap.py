"""Exercises of the thread swap: an entry that comes back, and what lay under it."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise, Misconception
from mmviz.scenarios.swap.moved_with_another_folio import DST, SRC, Machine, uffdio_move

STORY = """
CPU0 moves a page that is swapped out, with the folio that the swap cache has under its entry. CPU1
swaps the page in, lets another folio have the slot for a while, and swaps the page out again.
"""


@at_end
def page_is_at_one_address(k: Machine) -> bool:
    """The page is at the source or at the destination, and not at both."""
    return (k.mm.pte[SRC] is None) != (k.mm.pte[DST] is None)


@at_end
def page_is_moved(k: Machine) -> bool:
    """The page can be moved."""
    return k.mm.pte[DST] is not None


def page_is_moved_without_folio(k: Machine) -> bool:
    """The page can be moved when the swap cache has no folio of it."""
    return k.mm.pte[DST] is not None and k.a.index == SRC


def folio_is_moved(k: Machine) -> bool:
    """A folio of the swap cache can be moved with its entry."""
    return k.a.index == DST


ABA = """Write a schedule of CPU0 and CPU1 after which a folio is at one address, and its reverse
map leads to another. A shortest one counts more.
"""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="swap/aba",
        title="Find a run that moves the wrong folio",
        task=f"{STORY}\nCPU0 looks the folio up, locks it, and compares the entry once more. {ABA}",
        race="swap/moved_with_another_folio",
        case="EntryTwice",
        asks=SCHEDULE,
        goal="rmap_leads_elsewhere",
        hints=(
            "The entry must be the same when CPU0 looks again.",
            "It is enough that a folio comes into the swap cache after CPU0 has found none.",
        ),
        variants=(
            {
                "case": "FolioOnly",
                "task": f"{STORY}\nCPU0 looks the folio up, locks it, compares the entry once "
                f"more, and asks whether the folio that it has found is still in the cache. {ABA}",
            },
            {
                "case": "EntryOnly",
                "title": "Find a run that leaves the folio behind",
                "task": f"{STORY}\nHere CPU0 compares the entry once more and moves it alone, "
                f"whether the swap cache has a folio or not. {ABA}",
                "hints": (
                    "A folio that is read from swap stands in the swap cache for a while.",
                    "Let it come into the swap cache, and stay there until CPU0 moves the entry.",
                ),
            },
        ),
        minutes=10,
    ),
    Exercise(
        name="swap/check_it",
        title="Is what was found still what it was?",
        task=f"""{STORY}
Write `is_still_right(k, folio)`, which CPU0 awaits with the page-table lock held, and with the
folio locked if it has found one (`None` if not): return whether it may move the entry and the
folio. Steps that you may await: `k.mm.folio_test_swapcache(folio)`, `k.mm.swap_has_cache()`,
`k.mm.is_pte_pages_stable("src")`. A move with a folio and one without must both remain possible.
""",
        race="swap/moved_with_another_folio",
        case="EntryTwice",
        writes=("is_still_right",),
        jobs=(page_is_at_one_address,),
        outcomes=(page_is_moved, page_is_moved_without_folio, folio_is_moved),
        hints=(
            "The entry is equal, and what lies under it may be another folio.",
            "And if there was none, may there be one by now?",
        ),
        solved="FolioOrNone",
        misconceptions=(
            Misconception(
                "an entry that is equal has not changed",
                "It has been away, and come back: the slot was another folio's meanwhile.",
                "EntryTwice",
                {"actors": {"CPU0": uffdio_move}, "outcomes": (page_is_moved,)},
            ),
        ),
        variants=({"case": "FolioOnly"},),
    ),
)
