"""Where a case comes from: what shipped, what was proposed and where, what was constructed.

    SERIES_V1 = proposed("2022-09-08", "<4-v1-…@nvidia.com>")
    MERGED = shipped("v6.4", checked=("v6.15", "2026-11-28"), said=REPLY)

A message that several cases come from is a name in the thread's package (`__init__.py`).
"""

import re
from dataclasses import asdict, dataclass
from enum import StrEnum

from mmviz.engine.case import Case
from mmviz.engine.errors import MmvizError
from mmviz.kernel.releases import DAYS, release


class Origin(StrEnum):
    """How real a variant is, in the words of a table's cell."""

    SHIPPED = "shipped"
    CANDIDATE = "release candidate"
    PROPOSED = "proposed in the thread"
    ELSEWHERE = "proposed elsewhere"
    MISTAKE = "known mistake of drivers"
    CONSTRUCTED = "constructed for this model"


@dataclass(frozen=True)
class Provenance:
    """Where a case comes from.

    Attributes:
        kind: how real it is.
        day: when it was first posted, in UTC, "2022-09-08"; "" when that is not known.
        where: the message, the commit or the document that says it.
        first, last: the first and the last release that behaved like the case; `last` is "" where
            no known release has changed it.
        checked: where `last` is "": the newest release whose source was read, and the day.
        why: for a constructed case, what it shows.
    """

    kind: Origin
    day: str = ""
    where: str = ""
    first: str = ""
    last: str = ""
    checked: tuple[str, str] = ("", "")
    why: str = ""

    def __post_init__(self) -> None:
        """Check the parts against each other.

        Raises:
            MmvizError: a day is not written YYYY-MM-DD, a release is unknown, or a part is missing.
        """
        for day in filter(None, (self.day, self.checked[1])):
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
                raise MmvizError(f"{day!r} is not a day; write it YYYY-MM-DD")
        for each in filter(None, (self.first, self.last, self.checked[0])):
            release(each)
        if self.kind == Origin.SHIPPED and not self.last and not all(self.checked):
            raise MmvizError(
                f"shipped since {self.first} and never changed: give checked=(release, day), the "
                "newest release whose source was read, and when"
            )
        if self.kind not in (Origin.SHIPPED, Origin.CONSTRUCTED) and not self.where:
            raise MmvizError(f"{self.kind}: name the message, commit or document")

    @property
    def era(self) -> str:
        """When kernels behaved like the case, "shipped v5.2 to v5.4"; otherwise its kind."""
        if self.kind == Origin.SHIPPED:
            if not self.last:
                return f"shipped since {self.first}"
            last = "" if self.last == self.first else f" to {self.last}"
            return f"shipped {self.first}{last}"
        if self.kind == Origin.CANDIDATE:
            return f"release candidate of {self.first}"
        return str(self.kind)

    @property
    def still(self) -> str:
        """Of what never changed, the newest release that was looked at, and the day."""
        release, day = self.checked
        return f"still in {release}, checked {day}" if release and not self.last else ""

    @property
    def when(self) -> str:
        """The day it was first posted or shipped; "" when neither is known."""
        return self.day or DAYS.get(self.first, "")

    @property
    def evidence(self) -> str:
        """What to look up: a message, a commit, a document; else the reason, or the release."""
        return self.where or self.why or self.first

    def as_data(self) -> dict[str, object]:
        """Return it as JSON data."""
        return {**asdict(self), "era": self.era, "evidence": self.evidence}

    def behaved_in(self, kernel: str) -> bool:
        """Return whether a kernel release is known to behave like the case.

        Raises:
            MmvizError: `kernel` is not a release.
        """
        asked = release(kernel)
        if self.kind != Origin.SHIPPED:
            return False
        return release(self.first) <= asked and (not self.last or asked <= release(self.last))


def shipped(
    first: str,
    last: str = "",
    where: str = "",
    *,
    said: "Provenance | None" = None,
    checked: tuple[str, str] = ("", ""),
) -> Provenance:
    """Return the provenance of what kernels did.

    Args:
        first: the first release with this behaviour, "v5.2".
        last: the last one; empty if no known release has changed it.
        where: the commit that brought it.
        said: the message that first proposed it, if that is known; its day counts.
        checked: without `last`, the newest release whose source was read, and the day.
    """
    day, message = (said.day, said.where) if said else ("", "")
    return Provenance(Origin.SHIPPED, day, message or where, first, last, checked)


def candidate(release: str, where: str, day: str = "") -> Provenance:
    """Return the provenance of what only release candidates did, of "v5.8" for example."""
    return Provenance(Origin.CANDIDATE, day, where, release)


def proposed(day: str, where: str) -> Provenance:
    """Return the provenance of what a message of the thread proposed."""
    return Provenance(Origin.PROPOSED, day, where)


def proposed_elsewhere(day: str, where: str) -> Provenance:
    """Return the provenance of what a mail or document outside the thread proposed."""
    return Provenance(Origin.ELSEWHERE, day, where)


def mistake(where: str, day: str = "") -> Provenance:
    """Return the provenance of a known mistake of drivers, with the source that reports it."""
    return Provenance(Origin.MISTAKE, day, where)


def constructed(why: str = "") -> Provenance:
    """Return the provenance of what is in no mail and no release, with what it shows."""
    return Provenance(Origin.CONSTRUCTED, why=why)


CONSTRUCTED = constructed()


def provenance(case: Case) -> Provenance:
    """Return where a case comes from; a case without a source was constructed for this model."""
    if isinstance(case.source, Provenance):
        return case.source
    return CONSTRUCTED
