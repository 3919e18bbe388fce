"""The drivers that a thread is about, each with the cases that its code comes to."""

from dataclasses import dataclass

from mmviz.kernel.provenance import Provenance


@dataclass(frozen=True)
class Listener:
    """What one driver did, and whether it was right.

    Attributes:
        name: the driver, by the name of its file.
        source: the patch of the thread that changes it.
        did: what its code did, in a sentence.
        way: which of the thread's alternatives that was.
        right: whether it was right, and since or until when.
        cases: the cases of the same thread that behave like it, "race:Case", the nearest first.
    """

    name: str
    source: Provenance
    did: str
    way: str
    right: str
    cases: tuple[str, ...]
