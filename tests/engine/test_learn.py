"""The worked example of mmviz/engine/learn.py, number by number."""

from mmviz.engine import Case, Model, World, atomic


class W(World):
    owner: str | None = None
    flag: bool = False

    @atomic("driver")
    def lock(self):
        """Take the lock."""
        assert self.owner is None
        self.owner = "CPU0"

    @atomic("driver")
    def set(self):
        """Set the flag."""
        self.flag = True


async def cpu0(k):
    await k.lock()
    await k.set()


def test_the_worked_example_of_the_docstring_is_what_the_model_does():
    model = Model(Case(name="Example", world=W, actors={"CPU0": cpu0}, bad=()))
    owner, flag = model.bits[:2]
    (location,) = model.location_bits

    assert (model.start, owner.mask, flag.mask, location.mask) == (0, 0, 0, 0)

    after_lock = model.successor(0, 0)
    assert (after_lock, owner.mask, location.mask) == (0b0011, 0b0001, 0b0010)
    assert model.location(0, 0).row == [0b0001, {0: 3}]

    after_set = model.successor(after_lock, 0)
    assert (after_set, flag.mask, location.mask) == (0b1101, 0b0100, 0b1010)
    assert after_set - after_lock == 0b1010
    assert model.is_done(after_set, 0)
    assert model.learned == 2

    assert model.successor(0, 0) == 3
    assert model.learned == 2
