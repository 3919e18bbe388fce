"""Exercises of the thread vtd: an entry that the IOMMU reads word by word."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise
from mmviz.scenarios.vtd.entry_is_torn import NEW, Machine


@at_end
def entry_is_the_new_one(k: Machine) -> bool:
    """The entry is present, with the new id and the new table."""
    return (k.pte.present, k.pte.did, k.pte.table) == (True, NEW, "new table")


STORY = """
A PASID entry has a domain id in one word, with the Present bit, and the pointer to the page table
in another. The IOMMU fetches the two one after the other, and caches translations under the id.
"""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="vtd/tear_it",
        title="Find a run in which the IOMMU mixes two entries",
        task=f"""{STORY}
The CPU replaces the entry, one word after the other. Write a schedule of CPU and IOMMU after which
a translation is cached under a domain id that stands for another table. A shortest one counts more.
""",
        race="vtd/entry_is_torn",
        case="WordByWord",
        asks=SCHEDULE,
        goal="translation_of_another_table",
        hints=(
            "Let the IOMMU read one word of the old entry, and one of the new one.",
            "A translation is cached in the IOMMU's last step.",
        ),
        variants=(
            {"case": "PointerFirst"},
            {"case": "ClearWithoutFlush"},
            {"case": "PresentTooEarly"},
        ),
        minutes=5,
    ),
    Exercise(
        name="vtd/replace",
        title="Replace an entry that hardware may read at any time",
        task=f"""{STORY}
Write `replace(k)`: in the end the entry is present, with `NEW` and `"new table"`, and nothing of
the old entry is cached. Steps that you may await: `k.pte.write_low(present=…, did=…)`,
`k.pte.write_high(table)`, `k.pte.pasid_clear_present()`, `k.pte.pasid_set_present()`,
`k.iommu.pasid_cache_invalidation_with_pasid()` (waits for a fetch that has begun),
`k.iommu.flush_iotlb(did)`. The ids are `OLD` and `NEW`.
""",
        race="vtd/entry_is_torn",
        case="WordByWord",
        writes=("replace",),
        jobs=(entry_is_the_new_one,),
        hints=(
            "While the entry is present, the IOMMU may be between its two reads.",
            "The Present bit alone can be cleared in one write.",
            "A fetch that has begun has seen the bit: wait for it before you write the rest.",
        ),
        solved="ClearFlushWrite",
        variants=({"case": "ZeroFirst"}, {"case": "PresentTooEarly"}),
    ),
)
