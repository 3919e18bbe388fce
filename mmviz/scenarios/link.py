"""Opening a link: its case is looked up in the catalogue, and its run replayed."""

from typing import NamedTuple

from mmviz.engine import Case, Run, UnknownName
from mmviz.engine.link import Link, happens, is_link, read, written_by
from mmviz.scenarios import find

__all__ = ["Opened", "is_link", "linked_case", "opened"]


class Opened(NamedTuple):
    """What a link leads to.

    Attributes:
        case: the case.
        schedule: the actors in the order of their steps.
        at: the step to look at; 0 is the start.
        run: the run, as it happens here.
        remark: how the run differs from the one that was linked; "" where it is the same.
    """

    case: Case
    schedule: tuple[str, ...]
    at: int
    run: Run
    remark: str


def opened(text: str) -> Opened:
    """Return what the link in a text leads to; no file is read, and nothing of it is run.

    Args:
        text: the link, or a mail with a link in it, wrapped and quoted as mails are.

    Raises:
        UnknownName: this version has no such race or case.
        ScheduleError: a step cannot happen here; the message says which, and why.
        MmvizError: there is no link, it is damaged, or there are several.
    """
    linked = read(text)
    case = _case(linked)
    run, remark = happens(case, linked)
    return Opened(case, run.schedule, linked.at, run, remark)


def linked_case(text: str) -> Case:
    """Return the case that the link in a text names.

    Raises:
        UnknownName: this version has no such race or case.
        MmvizError: there is no link, it is damaged, or there are several.
    """
    return _case(read(text))


def _case(linked: Link) -> Case:
    if linked.scenario.endswith(".py"):
        raise UnknownName("a link names a race of the catalogue, and no file")
    try:
        return find(linked.scenario, linked.case)
    except UnknownName as error:
        raise UnknownName(f"{error} {written_by(linked.version)}") from None
