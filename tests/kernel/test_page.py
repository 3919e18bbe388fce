"""A page is free when its last reference is put, and complains of any use of its count then."""

import pytest

from mmviz.engine import ModelError, World, field
from mmviz.kernel.locks import SpinLock
from mmviz.kernel.page import Page

from .acting import act, steps


class OnePage(World):
    page: Page = field(default_factory=lambda: Page(pfn=7))
    spin: SpinLock = field(default_factory=SpinLock)


def test_a_page_is_called_by_its_number():
    assert OnePage().page.name == "page 7"
    assert Page(pfn=7, name="the zero page").name == "the zero page"


def test_a_put_page_on_the_last_reference_frees_the_page():
    run = act(OnePage, "A*3", A=steps("page.get_page", "page.put_page", "page.put_page"))

    assert [frame.world.page.is_free for frame in run.frames] == [False, False, False, True]
    assert run.violated == ()


def test_a_get_page_on_a_free_page_is_complained_of():
    run = act(OnePage, "A*2", A=steps("page.put_page", "page.get_page"))

    assert run.tip.violated == ("refcount_resurrected",)


def test_a_put_page_on_a_free_page_is_complained_of_and_the_count_stays():
    run = act(OnePage, "A*2", A=steps("page.put_page", "page.put_page"))

    assert run.tip.violated == ("refcount_underflow",)
    assert run.tip.world.page.refs == 0


def test_only_a_free_page_is_handed_out():
    free, used = Page(pfn=8, refs=0), Page(pfn=9)

    free.alloc()

    assert free.refs == 1
    with pytest.raises(ModelError, match="page 9 is handed out, but it has 1 references"):
        used.alloc()


def test_the_page_lock_is_for_one_and_the_next_is_told_whom_it_waits_for():
    actor = steps("page.lock_page", "page.unlock_page")

    run = act(OnePage, "A", A=actor, B=actor)

    assert run.blocked()["B"].by == (("A", 1),)
    run.step("A")
    assert run.enabled() == ("B",)


def test_trylock_page_says_no_while_somebody_has_it():
    run = act(OnePage, "A B", A=steps("page.lock_page"), B=steps("page.trylock_page"))

    assert run.tip.answer is False


def test_lock_page_may_sleep_so_it_complains_under_a_spinlock():
    run = act(OnePage, "A*2", A=steps("spin.spin_lock", "page.lock_page"))

    assert run.tip.violated == ("sleeps_in_atomic",)


def test_unlocking_a_page_that_somebody_else_locked_is_complained_of():
    run = act(OnePage, "A B", A=steps("page.lock_page"), B=steps("page.unlock_page"))

    assert run.tip.violated == ("unlock_not_owner",)
