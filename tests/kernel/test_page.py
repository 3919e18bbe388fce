"""A page is free after its last put, and then any use of its count is reported."""

import pytest

from mmviz.engine import ModelError, World, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SpinLock

from .acting import act, steps


class OnePage(World):
    page: Page = field(default_factory=lambda: Page(pfn=7))
    spin: SpinLock = field(default_factory=SpinLock)


def test_a_page_is_named_by_its_number():
    assert OnePage().page.name == "page 7"
    assert Page(pfn=7, name="the zero page").name == "the zero page"


def test_a_put_page_on_the_last_reference_frees_the_page():
    run = act(OnePage, "A*3", A=steps("page.get_page", "page.put_page", "page.put_page"))

    assert [frame.world.page.is_free for frame in run.frames] == [False, False, False, True]
    assert run.violated == ()


def test_a_get_page_on_a_free_page_is_reported():
    run = act(OnePage, "A*2", A=steps("page.put_page", "page.get_page"))

    assert run.tip.violated == ("refcount_resurrected",)


def test_a_put_page_on_a_free_page_is_reported_and_the_count_stays():
    run = act(OnePage, "A*2", A=steps("page.put_page", "page.put_page"))

    assert run.tip.violated == ("refcount_underflow",)
    assert run.tip.world.page.refs == 0


def test_only_a_free_page_is_handed_out():
    free, used = Page(pfn=8, refs=0), Page(pfn=9)

    free.alloc()

    assert free.refs == 1
    with pytest.raises(ModelError, match="page 9 is handed out, but it has 1 references"):
        used.alloc()


def test_the_page_lock_has_one_holder_and_the_blame_names_it():
    actor = steps("page.lock_page", "page.unlock_page")

    run = act(OnePage, "A", A=actor, B=actor)

    assert run.blocked()["B"].by == (("A", 1),)
    run.step("A")
    assert run.enabled() == ("B",)


def test_trylock_page_fails_while_the_lock_is_held():
    run = act(OnePage, "A B", A=steps("page.lock_page"), B=steps("page.trylock_page"))

    assert run.tip.answer is False


def test_lock_page_may_sleep_so_it_complains_under_a_spinlock():
    run = act(OnePage, "A*2", A=steps("spin.spin_lock", "page.lock_page"))

    assert "sleeps_in_atomic" in run.tip.violated


def test_unlocking_a_page_that_another_actor_locked_is_reported():
    run = act(OnePage, "A B", A=steps("page.lock_page"), B=steps("page.unlock_page"))

    assert run.tip.violated == ("unlock_not_owner",)
