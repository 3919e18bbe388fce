"""Machines that check the rules an exercise states, and those of two misconceptions."""

from typing import Any, Final

from mmviz.engine import atomic, current, field, warn
from mmviz.kernel.hmm.hmm import Hmm
from mmviz.kernel.hmm.mirror import HmmMirror, MirroredHmm
from mmviz.kernel.sync.locks import RwSemaphore
from mmviz.kernel.sync.rcu import SrcuCallbacks
from mmviz.kernel.sync.rculist import ListEntry, ListHead
from mmviz.scenarios.hmm import double_unregister, release_meets_unregister
from mmviz.scenarios.hmm.worlds.called_back import Mirrored
from mmviz.scenarios.hmm.worlds.mirrors import Registered


def assert_held_write(sem: RwSemaphore | None, function: str) -> None:
    """Complain unless the acting task holds a semaphore for writing, inside a step."""
    if sem is not None and sem.writer != current().name:
        warn("lockdep_complains", f"{current().name} calls {function} without {sem.name}")


# hmm/double_unregister: one mirror, unregistered by two threads.


class CheckedMirror(HmmMirror):
    """A mirror that leaves its list under mirrors_sem only.

    Attributes:
        sem: that semaphore.
    """

    sem: RwSemaphore | None = None

    @atomic("include/linux/list.h")
    def list_del_init(self) -> None:
        """Take the mirror off the list; a second call changes nothing."""
        assert_held_write(self.sem, "list_del_init()")
        super().list_del_init().do()

    @atomic("include/linux/list.h")
    def list_del(self) -> None:
        """Take the mirror off the list, and poison its links."""
        assert_held_write(self.sem, "list_del()")
        super().list_del().do()


class TakenByLook(CheckedMirror):
    """A mirror whose pointer is taken by the thread that looks at it."""

    @atomic("mm/hmm.c")
    def read_hmm(self) -> MirroredHmm | None:
        """Load mirror->hmm, and clear it in the same step."""
        hmm, self.hmm = self.hmm, None
        return hmm


def registered(mirror: type[CheckedMirror] = CheckedMirror) -> Registered:
    """Return the machine with one mirror on the list, and its rules checked."""
    hmm = MirroredHmm(refs=1, mirrors=1)
    return Registered(hmm, (mirror(hmm=hmm, listed=True, name="mirror", sem=hmm.mirrors_sem),))


def taken_by_look() -> Registered:
    """Return a machine on which looking at a pointer and taking it are one step."""
    return registered(TakenByLook)


async def exit_frees(k: Registered, unregister: double_unregister.Unregister) -> None:
    """The process exits: the driver unregisters its mirror, and frees it."""
    await unregister.hmm_mirror_unregister(k)
    await k.mirrors[0].kfree()


async def close_leaves(k: Registered, unregister: double_unregister.Unregister) -> None:
    """The device's file is closed: the driver unregisters its mirror, and leaves it."""
    await unregister.hmm_mirror_unregister(k)


NO_CALL_FREES: Final = {"CPU0": double_unregister.mmput, "CPU1": close_leaves}


EXIT_FREES: Final = {"CPU0": exit_frees, "CPU1": close_leaves}


# hmm/free_under_callback: one struct hmm, freed while a callback runs on it.


class ToldHmm(Hmm):
    """A struct hmm that remembers whether its mirrors were told of the invalidation.

    Attributes:
        told: they were.
    """

    told: bool = False

    @atomic("driver")
    def sync_cpu_device_pagetables(self) -> int:
        """Call each mirror on the list to clear its device's entries; return how many there are."""
        self.told = True
        return super().sync_cpu_device_pagetables().do()


class WatchedSrcu(SrcuCallbacks):
    """SRCU whose reader is the walk of the notifiers, and a worker that need not have work.

    Attributes:
        hmm: whose mirrors must be told.
        missed: the walk is over, and a mirror on the list was not told.
        walked: the walk is over.
        closed: the driver's file is closed.
    """

    hmm: ToldHmm | None = None
    missed: bool = False
    walked: bool = False
    closed: bool = False

    @atomic("include/linux/srcu.h")
    def srcu_read_unlock(self) -> None:
        """Leave the read section."""
        hmm = self.hmm
        self.missed = hmm is not None and not hmm.freed and not hmm.told and hmm.mirrors > 0
        self.walked = True
        super().srcu_read_unlock().do()

    @atomic("fs/file_table.c")
    def fput(self) -> None:
        """Close the driver's file."""
        self.closed = True

    @atomic(
        "kernel/rcu/srcutree.c",
        when=lambda srcu: (
            not srcu.is_awaiting("call_srcu")
            and (bool(srcu.callbacks) or (srcu.walked and srcu.closed))
        ),
    )
    def srcu_invoke_callbacks(self) -> None:
        """Free what was handed over, once every reader recorded at that time has left."""
        for obj in self.callbacks:
            obj.free()
        self.callbacks = ()


class CalledBack(Mirrored):
    """The machine, with the mirrors that have to be told."""

    hmm: ToldHmm = field(default_factory=ToldHmm)
    srcu: WatchedSrcu = field(default_factory=WatchedSrcu)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.srcu.hmm = self.hmm


class WaitedForHmm(ToldHmm):
    """A struct hmm whose kfree() waits for readers.

    Attributes:
        srcu: the readers.
    """

    srcu: SrcuCallbacks | None = None

    @atomic("mm/slub.c", when=lambda hmm: hmm.srcu.readers <= {current().name})
    def kfree(self) -> None:
        """Free the memory when no other thread is in a read section."""
        self.free()


class WaitsForReaders(CalledBack):
    """A machine on which memory that a reader may use cannot be freed."""

    hmm: WaitedForHmm = field(default_factory=WaitedForHmm)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hmm.srcu = self.srcu


async def close_file(k: CalledBack, ops: Any) -> None:
    """The driver's file is closed."""
    await k.hmm.list_del_init()
    await ops.hmm_put(k, k.hmm)
    await k.srcu.fput()


# hmm/release_meets_unregister: one mirror, unregistered while its driver is told of the exit.


class CheckedList(ListHead):
    """A list that changes under a semaphore only.

    Attributes:
        sem: that semaphore.
    """

    sem: RwSemaphore | None = None

    @atomic("include/linux/list.h")
    def list_del_init(self, entry: ListEntry) -> None:
        """Unlink the element if it is linked, and leave it as a list of its own."""
        assert_held_write(self.sem, "list_del_init()")
        super().list_del_init(entry).do()

    @atomic("include/linux/list.h")
    def list_del(self) -> None:
        """Unlink the element and poison its links."""
        assert_held_write(self.sem, "list_del()")
        super().list_del().do()

    @atomic("include/linux/rculist.h")
    def list_del_rcu(self) -> None:
        """Unlink the element; its forward link stays, for readers that have reached it."""
        assert_held_write(self.sem, "list_del_rcu()")
        super().list_del_rcu().do()


class ToldMirror(release_meets_unregister.DriversMirror):
    """A driver's mirror that counts how often the driver was told of the exit.

    Attributes:
        told: that number, 2 for more.
    """

    told: int = 0

    @atomic("driver")
    def release(self) -> None:
        """Tell the driver that the process has exited; it does not use the mirror any more."""
        self.told = min(self.told + 1, 2)
        super().release().do()


class Released(release_meets_unregister.Registered):
    """The machine, with its rules checked."""

    mirror: ToldMirror = field(default_factory=ToldMirror)
    mirrors: CheckedList = field(default_factory=lambda: CheckedList(name="hmm->mirrors"))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mirrors.sem = self.mirrors_sem
