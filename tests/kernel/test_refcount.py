"""Reference counts report one put too many and a get at zero; freed memory stays freed."""

import pytest

from mmviz.engine import World, field
from mmviz.kernel.sync.refcount import Kref, RefCount, Slab

from .acting import act, steps


class Thing(Slab):
    value: int = 0


class Counts(World):
    count: RefCount = field(default_factory=RefCount)
    kref: Kref = field(default_factory=Kref)
    thing: Thing = field(default_factory=Thing)


GET_AND_PUT = pytest.mark.parametrize(
    ("get", "get_unless_zero", "put"),
    [
        (
            "count.refcount_inc",
            "count.refcount_inc_not_zero",
            "count.refcount_dec_and_test",
        ),
        ("kref.kref_get", "kref.kref_get_unless_zero", "kref.kref_put"),
    ],
)


def answers(run):
    return [frame.answer for frame in run.frames[1:]]


@GET_AND_PUT
def test_only_the_last_put_returns_true(get, get_unless_zero, put):
    run = act(Counts, "A*3", A=steps(get, put, put))

    assert answers(run) == [None, False, True]
    assert run.violated == ()


@GET_AND_PUT
def test_taking_a_reference_on_zero_is_reported(get, get_unless_zero, put):
    run = act(Counts, "A*2", A=steps(put, get))

    assert run.tip.violated == ("refcount_resurrected",)


@GET_AND_PUT
def test_get_unless_zero_on_zero_takes_no_reference_and_reports_nothing(get, get_unless_zero, put):
    run = act(Counts, "A*2", A=steps(put, get_unless_zero))

    assert answers(run) == [True, False]
    assert run.violated == ()


@GET_AND_PUT
def test_get_unless_zero_takes_a_reference_while_there_is_one(get, get_unless_zero, put):
    run = act(Counts, "A*3", A=steps(get_unless_zero, put, put))

    assert answers(run) == [True, False, True]


@GET_AND_PUT
def test_one_put_too_many_is_reported_and_is_not_the_last(get, get_unless_zero, put):
    run = act(Counts, "A*2", A=steps(put, put))

    assert run.tip.violated == ("refcount_underflow",)
    assert run.tip.answer is False


def test_a_second_kfree_stops_the_machine_and_names_the_first():
    run = act(Counts, "A B", A=steps("thing.kfree"), B=steps("thing.kfree"))

    assert run.tip.violated == ("use_after_free",)
    assert "frees thing again" in run.tip.log[0]
    assert "by A in step 1" in run.tip.log[0]
    assert run.enabled() == ()
