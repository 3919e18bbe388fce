"""Where cards stand in the picture of memory."""

from mmviz.engine import Race, World, atomic
from mmviz.scene.memory import memory
from mmviz.scene.places import HEIGHT, WIDTH, places
from mmviz.scene.searched import SearchedCase


def test_no_card_is_an_empty_picture_of_the_usual_size():
    assert places([], [])[:3] == (WIDTH, HEIGHT, {})


class Empty(World):
    @atomic("mm/memory.c")
    def nothing(self) -> None:
        """Do nothing."""


async def one(k):
    await k.nothing()


def test_a_world_without_fields_has_a_picture():
    race = Race(world=Empty, actors={"CPU0": one, "CPU1": one}, bad=[])
    race.case("do nothing", name="Plain")(Empty)
    view = memory(SearchedCase(race.cases[0]))
    assert view.size[1] >= HEIGHT
