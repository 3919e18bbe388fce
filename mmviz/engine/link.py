"""A run as one short line of text that survives a mail: which case, which steps, where to look.

    mmviz:0.2.0/iommu_group/release_order:DelistThenRelease/CPU0:3,CPU1:4/at5/w3od3bu.aq6atr
    ......version/race:case/schedule/the step to look at/what the steps did.checksum

A link has letters, digits and `_ . : , / %` only, so whatever else a mailer puts into it (line
breaks, quoting, blanks, brackets, soft hyphens) can be taken out again.  The checksum tells whether
what is left is the link; its length is fixed, so that a link ends where it ends.  The letters
before it change with what the steps do, so that a race that has changed is told.
"""

import re
from base64 import b32encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple, SupportsIndex
from urllib.parse import quote, unquote

from mmviz.engine.case import Case
from mmviz.engine.errors import MmvizError, ScheduleError
from mmviz.engine.run import Run, replay
from mmviz.engine.text import index, quoted
from mmviz.engine.version import VERSION

MOST = 65_536  # bytes of a text in which a link is looked for
LONGEST = 20_000  # characters of a link
CHECKED, POINTS = 6, 12  # letters of the checksum, and at most of what the steps did
NO_STEP = "0"

START = re.compile(r"mmviz:(?=\d|$)", re.IGNORECASE)
END = re.compile(rf"/at\d{{1,6}}/[a-z2-7]{{0,{POINTS}}}\.([a-z2-7]{{{CHECKED}}})")
FORM = re.compile(r"([\d.]+\w*)/(.+):([^:/]+)/([^/]+)/at(\d+)/([a-z2-7]*)")
ENCODED = re.compile(r"=([0-9A-Fa-f]{2})")  # quoted-printable
ENTITY = re.compile(r"&(?:[lg]t|nbsp|shy|#\w{1,6});")
INITIALS = re.compile(r"^[ \t]*[A-Za-z]{1,4}>[> \t]*", re.MULTILINE)  # "JG> ", how some quote
FOREIGN = re.compile(r"[^A-Za-z0-9_.:,/%]+")
WHAT = "write mmviz:VERSION/RACE:CASE/SCHEDULE/…, as `mmviz replay` prints it"


class Link(NamedTuple):
    """What a link says; its checksum is right, and nothing of it has been looked up.

    Attributes:
        version: of the mmviz that wrote it.
        scenario, case: the names of the race and of its case.
        schedule: the actors, with counts, as `parse_schedule` takes them.
        at: the step to look at; 0 is the start.
        marks: a letter for each of some steps, which changes with what was done until then.
    """

    version: str
    scenario: str
    case: str
    schedule: str
    at: int
    marks: str


def link(run: Run, at: SupportsIndex = 0) -> str:
    """Return a run as a link.

    Args:
        run: the run, of a case of the catalogue.
        at: the step to look at; 0 is the start.

    Raises:
        MmvizError: the case is not of the catalogue, the run has no such step, or is too long.
    """
    last, k = run.tip.index, index(at, "the step of a link")
    if not 0 <= k <= last:
        raise MmvizError(f"this run has no step {quoted(k)}; write at=N, N from 0 to {last}")
    (found,) = links(run, [k])
    return found


def links(run: Run, steps: Iterable[int]) -> list[str]:
    """Return the links of some steps of a run.

    Raises:
        MmvizError: the case is not of the catalogue, or the run is too long.
    """
    case = run.case
    if not case.expression.startswith("mmviz.find(") or case.scenario.endswith(".py"):
        raise MmvizError(
            f"a link names a case of the catalogue, and {case.name} is a case of your own; send "
            "its file, and the schedule"
        )
    words = [
        f"{_word(name)}:{count}" if count > 1 else _word(name)
        for name, count in _counted(run.schedule)
    ]
    place = f"{quote(case.scenario, safe='/_')}:{_word(case.name)}"
    begin, did = f"{VERSION}/{place}/{','.join(words) or NO_STEP}", marks(run)
    bodies = [f"{begin}/at{k}/{did}" for k in steps]
    if any(len(body) > LONGEST for body in bodies):
        raise MmvizError(
            f"a run of {run.tip.index:,} steps is too long for a link; send its schedule"
        )
    return [f"mmviz:{body}.{_letters(body, CHECKED)}" for body in bodies]


def link_to(case: Case, schedule: str | Iterable[str], at: SupportsIndex = 0) -> str:
    """Return the link of a schedule of a case.

    Raises:
        ScheduleError: a step cannot happen; the message says which, and why.
        MmvizError: as `link`.
    """
    return link(replay(case, schedule), at)


def is_link(text: object) -> bool:
    """Tell whether a text has a link in it, whole or damaged."""
    if not isinstance(text, str):
        return False
    text = str.__str__(text)
    return bool(START.search(text if len(text) > MOST else _without(text)))


def read(text: str) -> Link:
    """Return what the link in a text says; the text may be a whole mail.

    What mailers put into a link is taken out again.

    Raises:
        MmvizError: there is no link, it is damaged or cut off, or there are several.
    """
    text = str.__str__(text)
    if len(text) > MOST or len(text.encode("utf-8", "replace")) > MOST:
        raise MmvizError(f"the text is larger than 64 KiB; paste the link alone: {WHAT}")
    if not is_link(text):
        raise MmvizError(f"{quoted(text)} has no link in it; {WHAT}")
    attempts = [set(_bodies(_without(each))) for each in (text, INITIALS.sub("", text))]
    found = next((each for each in attempts if "" not in each), {""})
    if "" in found:
        raise MmvizError(
            "the link is damaged or cut off: its checksum, the last six letters, is not that of "
            "the text before it; copy it once more, from mmviz: to its last letter"
        )
    if len(found) > 1:
        raise MmvizError(f"there are {len(found)} links in the text; paste one of them")
    (body,) = found
    parts = FORM.fullmatch(body)
    if parts is None:
        raise MmvizError(f"mmviz {VERSION} cannot read a link of this form; {WHAT}")
    version, scenario, case, schedule, at, did = parts.groups()
    try:
        race, name = (unquote(each, errors="strict") for each in (scenario, case))
        words = [_steps(each) for each in schedule.split(",") if schedule != NO_STEP]
    except ValueError:
        raise MmvizError(f"mmviz {VERSION} cannot read a link of this form; {WHAT}") from None
    return Link(version, race, name, " ".join(words), int(at), did)


def marks(run: Run) -> str:
    """Return letters for what the steps of a run did: one each for at most twelve of them."""
    last = run.tip.index
    points = set(_points(last, min(last, POINTS)))
    said, found = blake2b(), ""
    for frame in run.frames[1:]:
        did = (frame.actor, frame.label, *map(str, frame.writes), *sorted(frame.violated))
        said.update("\0".join((*did, "\n")).encode("utf-8", "replace"))
        if frame.index in points:
            found += _in_letters(said.digest(), 1)
    return found


def differs(run: Run, wanted: str) -> int | None:
    """Return the first step by which a run differs from the one linked; None where it is the same.

    Args:
        run: the run, as it happens here.
        wanted: the letters in the link.
    """
    pairs = zip(marks(run), wanted, _points(run.tip.index, len(wanted)), strict=False)
    return next((step for mine, other, step in pairs if mine != other), None)


def happens(case: Case, linked: Link) -> tuple[Run, str]:
    """Return the run of a link, and what is to be said about it, "" where it is as linked.

    Raises:
        ScheduleError: a step cannot happen; the message says which, why, and who wrote the link.
    """
    try:
        run = replay(case, linked.schedule)
    except ScheduleError as error:
        told = f"{error} {written_by(linked.version)}"
        raise ScheduleError(told, error.step, error.actor) from None
    if not linked.at <= run.tip.index:
        raise MmvizError(f"the link looks at step {linked.at}, and its run has {run.tip.index}")
    step = differs(run, linked.marks)
    if step is None and len(linked.marks) == min(run.tip.index, POINTS):
        return run, ""
    step = run.tip.index if step is None else step
    label = f"{run.frames[step].actor}: {run.frames[step].label}"
    return run, (
        f"step {step}, {label}, does something else here than in the run that was linked, or a "
        f"step before it does. {written_by(linked.version)}"
    )


def written_by(version: str) -> str:
    """Return a sentence: which mmviz wrote a link, and that the race is another one here."""
    if version == VERSION:
        return "The race has changed since the link was written."
    return f"The link was written by mmviz {version}, and this is mmviz {VERSION}."


def _counted(schedule: Sequence[str]) -> Iterator[tuple[str, int]]:
    for name, same in groupby(schedule):
        yield name, len(list(same))


def _word(name: str) -> str:
    """Return a name in the letters of a link."""
    return re.sub(r"[^A-Za-z0-9_%]", lambda each: f"%{ord(each[0]):02X}", quote(name, safe=""))


def _steps(word: str) -> str:
    """Return a word of a link's schedule as `parse_schedule` takes it."""
    name, colon, count = word.partition(":")
    plain = unquote(name, errors="strict")
    if not plain or re.search(r"[\s,*]", plain):
        raise ValueError(word)
    return f"{plain}*{count}" if colon else plain


def _without(text: str) -> str:
    """Return a text without what no link has."""
    text = ENCODED.sub(lambda byte: chr(int(byte[1], 16)), text)
    return FOREIGN.sub("", ENTITY.sub("", text))


def _bodies(text: str) -> Iterator[str]:
    """Yield each link of a text, without its start and checksum; "" where that is wrong."""
    starts = [start.end() for start in START.finditer(text)]
    for begin, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = text[begin : min(end, begin + LONGEST + CHECKED + 1)]
        said, done = blake2b(), 0
        for last in END.finditer(piece):
            until = last.start(1) - 1
            said.update(piece[done:until].encode())
            done = until
            if _in_letters(said.digest(), CHECKED) == last[1]:
                yield piece[:until]
                break
        else:
            yield ""


def _points(steps: int, count: int) -> list[int]:
    """Return the steps after which a letter is written."""
    return [-(-steps * (k + 1) // count) for k in range(count)]


def _letters(text: str, count: int) -> str:
    return _in_letters(blake2b(text.encode()).digest(), count)


def _in_letters(digest: bytes, count: int) -> str:
    return b32encode(digest).decode().lower()[:count]
