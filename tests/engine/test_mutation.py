"""Leaving lines out: which lines there are, what is heard instead, and what breaks."""

import pytest

from mmviz.engine import World, atomic, field, mark
from mmviz.engine.mutation import ENDLESS, MOST_SKIPPED, goes_wrong, omissions
from mmviz.engine.places import spots, watched
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import Mutex
from tests.engine.toys import case


class Shop(World):
    """One page that a reader uses while it is there."""

    mutex: Mutex = field(default_factory=Mutex)
    page: Page = field(default_factory=lambda: Page(7))
    there: bool = True
    reading: bool = False
    tries: int = 0

    @atomic("toy")
    def find(self) -> Page | None:
        """Return the page while it is there."""
        return self.page if self.there else None

    @atomic("toy")
    def is_there(self) -> bool:
        """Tell whether the page is there."""
        return self.there

    @atomic("toy")
    def begin(self) -> None:
        """Begin to read."""
        self.reading = True

    @atomic("toy")
    def end(self) -> None:
        """End reading."""
        self.reading = False

    @atomic("toy")
    def take_away(self) -> None:
        """Take the page away."""
        self.there = False

    @atomic("toy")
    def count(self) -> None:
        """Count a try."""
        self.tries += 1

    @atomic("toy")
    def look_around(self) -> None:
        """Change nothing."""


def reads_nothing(k: Shop) -> bool:
    """A page that is gone is read."""
    return k.reading and not k.there


async def reader(k: Shop) -> None:
    await k.mutex.mutex_lock()
    if await k.is_there():
        await k.begin()
        await k.end()
    await k.mutex.mutex_unlock()


async def taker(k: Shop) -> None:
    await k.mutex.mutex_lock()
    await k.take_away()
    await k.mutex.mutex_unlock()


def shop(**actors):
    return case(world=Shop, actors=actors, bad=(reads_nothing,))


def told(found):
    return [(each.spot.text, set(each.breaks)) for each in found]


def test_each_line_of_a_fix_is_left_out_in_turn():
    found = omissions(shop(A=reader, B=taker))

    assert told(found) == [
        ("await k.mutex.mutex_lock()", {"reads_nothing"}),
        ("if await k.is_there():", {"reads_nothing"}),
        ("await k.begin()", set()),
        ("await k.end()", {"reads_nothing"}),  # reading goes on when the mutex is free
        ("await k.mutex.mutex_unlock()", {"returns_holding_lock"}),
        ("await k.mutex.mutex_lock()", {"reads_nothing"}),
        ("await k.take_away()", set()),
        ("await k.mutex.mutex_unlock()", {"returns_holding_lock"}),
    ]
    assert [each.actors for each in found] == [("A",)] * 5 + [("B",)] * 3


def test_a_lock_is_left_out_with_its_dropping():
    """Dropped by an actor that does not hold it, it would complain, and show nothing else."""
    for each in omissions(shop(A=reader, B=taker)):
        assert "unlock_not_owner" not in each.breaks


async def sections(k: Shop) -> None:
    await locked(k)
    await k.look_around()
    await locked(k)


async def locked(k: Shop) -> None:
    await k.mutex.mutex_lock()
    if await k.is_there():
        await k.begin()
        await k.end()
    await k.mutex.mutex_unlock()


def test_a_call_is_left_out_whole_where_the_function_is_called_twice():
    lines = [spot.text for spot in spots(watched(shop(A=sections, B=taker)))]

    assert lines.count("await locked(k)") == 2
    assert lines.count("await k.begin()") == 1


def test_the_lines_of_a_function_called_once_stand_for_the_call():
    async def once(k):
        await locked(k)

    async def hand(k):
        await lock_only(k)
        await k.take_away()
        await k.mutex.mutex_unlock()

    async def lock_only(k):
        await k.mutex.mutex_lock()

    lines = [spot.text for spot in spots(watched(shop(A=once, B=hand)))]

    assert "await locked(k)" not in lines
    assert "await lock_only(k)" not in lines
    assert lines.count("await k.mutex.mutex_lock()") == 2


async def finder(k: Shop) -> None:
    await k.mutex.mutex_lock()
    page = await k.find()
    if page is not None and page is k.page:
        await k.begin()
        await k.end()
    await k.mutex.mutex_unlock()


def test_an_object_heard_instead_is_the_one_of_that_world():
    found = dict(told(omissions(shop(A=finder, B=taker))))

    assert found["page = await k.find()"] == {"reads_nothing"}


async def tries_again(k: Shop) -> None:
    while True:
        mark("again")
        if not await k.is_there():
            return


async def tries_for_nothing(k: Shop) -> None:
    while True:
        mark("again")
        await k.look_around()
        if not await k.is_there():
            return


def test_to_wait_for_ever_counts_only_if_no_answer_is_harmless():
    found = dict(told(omissions(shop(A=tries_for_nothing, B=taker))))

    assert found["if not await k.is_there():"] == set()  # it may as well not ask
    assert found["await k.look_around()"] == set()
    assert found["await k.take_away()"] == {"livelock"}


def test_a_loop_in_which_every_step_is_skipped_ends():
    assert MOST_SKIPPED < 10_000
    (line,) = [each for each in omissions(shop(A=tries_again, B=taker)) if "A" in each.actors]
    assert line.breaks == ()  # one of the answers ends the loop


async def counts(k: Shop) -> None:
    while True:
        mark("again")
        await k.count()
        if not await k.is_there():
            return


@pytest.mark.parametrize("limit", [50, 500])
def test_what_piles_up_is_endless_and_never_called_harmless(limit):
    assert goes_wrong(shop(A=counts, B=taker), limit) == {ENDLESS}


def test_goes_wrong_says_what_the_search_says():
    assert goes_wrong(shop(A=reader, B=taker)) == set()
    assert goes_wrong(case()) == {"lost_update"}
