"""A part is drawn once for each combination of what it reads, and never wrongly shared."""

from mmviz.scene.look import Look, Part
from mmviz.scene.marks import Text
from tests.scene.played import searched_case


def looks(searched, schedule):
    run = searched.run(schedule)
    return [Look(searched.model, frame.state) for frame in run.frames]


def test_a_part_is_drawn_once_for_each_value_that_it_reads():
    searched = searched_case("iommu_group/release_order", "DelistThenRelease")
    asked = []

    def draw(look):
        asked.append(look["group.mutex.owner"])
        yield Text(0, 0, str(look["group.mutex.owner"]), "value")

    part = Part("lock", draw)
    numbers = [part.number(look) for look in looks(searched, ["CPU0"] * 3 + ["CPU1"] * 4)]

    assert numbers == [0, 1, 1, 0, 2, 2, 0, 0]
    assert [drawing[0].text for drawing in part.drawn] == ["None", "CPU0", "CPU1"]
    assert asked == [None, "CPU0", "CPU1"]


def test_what_is_read_next_may_depend_on_what_was_read():
    searched = searched_case("iommu_group/release_order", "DelistThenRelease")

    def draw(look):
        domain = look["IOMMU[02:00.0]"]
        yield Text(0, 0, f"{domain} {look[domain.path('devices')]}", "value")

    part = Part("entry", draw)
    for look in looks(searched, ["CPU0"] * 3 + ["CPU1"] * 4):
        drawn = part.drawn[part.number(look)]
        domain = look["IOMMU[02:00.0]"]
        assert drawn[0].text == f"{domain} {look[domain.path('devices')]}"
    assert len(part.drawn) == 2


def test_where_an_actor_is_can_be_read_and_is_empty_once_it_has_finished():
    searched = searched_case("iommu_group/release_order", "DelistThenRelease")
    run = searched.run()
    while run.enabled():
        run.step(run.enabled()[0])
    start, end = (Look(searched.model, run.frames[k].state) for k in (0, -1))

    assert start.inside("CPU0")
    assert end.inside("CPU0") == () == end.inside("CPU1")
    assert start.get("no such field", "nothing") == "nothing"


def test_values_that_are_equal_and_of_different_types_are_told_apart():
    class Scripted:
        def __init__(self, value):
            self.value, self.noted = value, []

        def __getitem__(self, path):
            self.noted.append((path, self.value))
            return self.value

        def answer(self, _question):
            return self.value

    part = Part("flag", lambda look: [Text(0, 0, repr(look["flag"]), "value")])
    numbers = [part.number(Scripted(value)) for value in (False, 0, True, 1, False)]

    assert numbers == [0, 1, 2, 3, 0]
