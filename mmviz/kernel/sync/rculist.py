"""Linked lists, and the links that are left in a removed element."""

from mmviz.engine import Allocated, Struct, atomic
from mmviz.kernel.sync.poison import follow

LIST_HEAD, LIST_POISON1 = "head", "LIST_POISON1"


class ListEntry(Allocated):
    """An element of a list; `next` lies in its own memory.

    Attributes:
        next: the next element: the head again, or a poison.

    Source: include/linux/list.h, include/linux/rculist.h.
    Simplified: a list has one element at most.
    """

    next: str = LIST_HEAD

    @atomic("include/linux/list.h")
    def list_next(self) -> None:
        """Follow the element's link to the next one."""
        if self.next == LIST_POISON1:
            follow(f"{self.name}.next")


class ListHead(Struct):
    """A list with one element at most.

    Attributes:
        first: the element, None when the list is empty.

    Source: include/linux/list.h, include/linux/rculist.h.
    Simplified: the barriers of the _rcu variants have nothing to do without weak memory.
    """

    first: ListEntry | None = None

    @atomic("include/linux/list.h")
    def list_first(self) -> ListEntry | None:
        """Follow the head's link to the first element."""
        return self.first

    @atomic("include/linux/list.h")
    def list_del(self) -> None:
        """Unlink the element and poison its links."""
        if self.first is not None:
            self.first.next = LIST_POISON1
        self.first = None

    @atomic("include/linux/rculist.h")
    def list_del_rcu(self) -> None:
        """Unlink the element; its forward link stays, for readers that have reached it."""
        self.first = None

    @atomic("include/linux/list.h")
    def list_del_init(self, entry: ListEntry) -> None:
        """Unlink the element if it is linked, and leave it as a list of its own."""
        if self.first is entry:
            self.first = None
        entry.next = LIST_HEAD
