"""What fork does with one entry, version by version."""

import pytest

from mmviz.engine import World, field
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.fork import (
    EntryCopied,
    EntryCopiedWritable,
    EntryTreatedAsPresent,
    ForkedMapping,
)
from mmviz.kernel.mm.page import Page


class Small(World):
    """A parent, a child and a free page."""

    parent: ForkedMapping
    child: CowMapping = field(default_factory=CowMapping)
    page: Page = field(default_factory=lambda: Page(7))
    spare: Page = field(default_factory=lambda: Page(8, refs=0))


def copied(parent, refs=1, locked=None, **flags):
    """Return the world after the entry was copied, and whether it could be."""
    k = Small(parent=parent())
    k.page.refs, k.page.locked = refs, locked
    k.parent.pte = Pte(k.page, **flags)
    return k, k.parent.copy_pte_range(k.child, k.spare).do()


VERSIONS = [ForkedMapping, EntryCopied, EntryCopiedWritable, EntryTreatedAsPresent]


@pytest.mark.parametrize("parent", VERSIONS)
def test_a_present_page_is_shared_read_only_in_every_version(parent):
    k, done = copied(parent)

    assert done
    assert str(k.parent.pte) == str(k.child.pte) == "present page 7 ro"
    assert k.page.refs == 2


@pytest.mark.parametrize("parent", VERSIONS)
def test_a_pinned_present_page_is_copied_and_stays_writable(parent):
    k, _ = copied(parent, refs=1025)

    assert str(k.parent.pte) == "present page 7 rw"
    assert str(k.child.pte) == "present page 8 rw"


@pytest.mark.parametrize(
    ("parent", "parents", "childs"),
    [
        (ForkedMapping, "present page 7 rw", "present page 8 rw"),
        (EntryCopied, "exclusive page 7 ro", "exclusive page 7 ro"),
        (EntryCopiedWritable, "exclusive page 7 rw", "exclusive page 7 rw"),
        (EntryTreatedAsPresent, "exclusive page 7 rw", "present page 8 rw"),
    ],
)
def test_versions_differ_for_a_pinned_page_under_an_exclusive_entry(parent, parents, childs):
    k, done = copied(parent, refs=1025, exclusive=True)

    assert done
    assert (str(k.parent.pte), str(k.child.pte)) == (parents, childs)


def test_an_unpinned_page_under_an_exclusive_entry_is_shared():
    k, _ = copied(ForkedMapping, exclusive=True)

    assert str(k.parent.pte) == str(k.child.pte) == "present page 7 ro"
    assert k.page.refs == 2


def test_fork_gives_up_on_a_locked_page_under_an_exclusive_entry():
    k, done = copied(ForkedMapping, locked="CPU1", exclusive=True)

    assert not done
    assert k.child.pte is None
    assert str(k.parent.pte) == "exclusive page 7 rw"
