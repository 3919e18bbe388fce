"""The code columns: a row for each place at which an actor may wait."""

import linecache
import re

import pytest

from mmviz.engine import choose, environment
from mmviz.engine.location import Line
from mmviz.engine.struct import World
from mmviz.scenarios import find, load, names
from mmviz.scene.columns import columns, remark, statement
from mmviz.scene.searched import SearchedCase
from tests.scene.toys import Toy, case_of


def of_each_model(check):
    """Return a test that runs a check on the model of every case; a failure names the case."""

    @pytest.mark.parametrize("scenario", names())
    def test(scenario):
        for case in load(scenario).cases:
            try:
                check(SearchedCase(case).model)
            except AssertionError as failure:
                failure.add_note(f"in {scenario}:{case.name}")
                raise

    return test


def of_case(case):
    return {column.name: column for column in columns(SearchedCase(case).model)}


def texts(column):
    return [f"# {row.head}" if row.head else row.text for row in column.rows]


def test_the_columns_of_release_order():
    found = of_case(find("iommu_group/release_order", "DelistThenRelease"))
    assert texts(found["CPU1"]) == [
        "# iommu_detach_group",
        "mutex_lock(group.mutex)",
        "iommu_group_set_core_domain(domain D, iommu)",
        "mutex_unlock(group.mutex)",
        "# iommu_domain_free",
        "iommu_domain_free(domain V)",
        "# __iommu_group_remove_device",
        "mutex_lock(group.mutex)",
        "list_del(device b)",
        "mutex_unlock(group.mutex)",
        "# iommu_release_device",
        "release_device(device b)",
        "detach_and_free(device b, domain D)",
        "iommu_group_put(group)",
    ]
    rows = {row.text: row for row in found["CPU0"].rows}
    line = rows["detach_and_free(…)"]  # its domain differs from run to run
    assert line.short == "detach_and_free"
    assert line.full == "await k.iommu.detach_and_free(dev, domain)"
    assert re.fullmatch(r"release_order\.py:\d+", line.line)
    assert line.plain == {
        "text": line.text,
        "short": line.short,
        "full": line.full,
        "line": line.line,
    }
    assert found["CPU0"].rows[0].plain == {"head": "__iommu_group_remove_device"}


@of_each_model
def test_every_location_has_its_row(model):
    for p, column in enumerate(columns(model)):
        steps = [location.step for location in model.locations[p].values()]
        assert column.rows or steps == [None]
        seen = set()
        for location in model.locations[p].values():
            row = column.number(location, "" if location.step is None else location.step.label)
            if location.step is None:
                assert row == -1
                continue
            assert not column.rows[row].head
            assert column.rows[row].text
            seen.add(row)
            if model.actors[p] not in model.case.environment:
                assert location.step.body.__name__.replace("chosen", "choose") in (
                    column.rows[row].short.split(" / ")
                )
                assert "await" in column.rows[row].full
        if model.actors[p] not in model.case.environment:
            assert seen == {n for n, row in enumerate(column.rows) if not row.head}
        assert not column.rows or column.rows[0].head  # code stands under the name of its function
        assert all(a.text or b.text for a, b in zip(column.rows, column.rows[1:], strict=False))


@of_each_model
def test_lines_of_one_function_stand_in_the_order_of_the_source(model):
    for p, column in enumerate(columns(model)):
        if model.actors[p] in model.case.environment:
            continue
        at = {
            column.number(location): location.lines
            for location in model.locations[p].values()
            if location.step is not None
        }
        for one, other in zip(sorted(at), sorted(at)[1:], strict=False):
            before, after = at[one], at[other]
            if before[:-1] == after[:-1] and before[-1][:2] == after[-1][:2]:
                assert before[-1].number < after[-1].number


def in_cell(code, name="ipykernel_7/1.py"):
    """Run code as a cell of a notebook does: its source is known by a name that is no file."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    space = {"Toy": Toy}
    exec(compile(code, name, "exec"), space)
    return space


CELL = """
async def inner(k):
    await k.cpu.clear("0x1000")  # the CPU is first


async def looks(k):
    while await k.cpu.read("0x1000") is not None:
        if (
            await k.cpu.read("0x1000")
        ):
            await inner(k)
    await k.gpu.map(
        "0x1000",
        None,
    )
"""


def test_code_of_a_cell():
    space = in_cell(CELL)
    found = of_case(case_of(Toy, A=space["looks"]))["A"]
    assert texts(found) == [
        "# looks",
        "while read(0x1000)",
        "if read(0x1000)",
        "# inner",
        "clear(0x1000)",
        "# looks",
        "map(0x1000, None)",
    ]
    full = [row.full for row in found.rows if row.text]
    assert (
        full
        == [
            'while await k.cpu.read("0x1000") is not None:',
            'if (await k.cpu.read("0x1000")):',
            'await k.cpu.clear("0x1000")',
            'await k.gpu.map("0x1000", None,)',
        ]
        or full[-1] == 'await k.gpu.map("0x1000", None)'
    )


def test_what_an_author_says_behind_a_line():
    in_cell(CELL)
    assert remark(Line("ipykernel_7/1.py", "inner", 3)) == "the CPU is first"
    assert remark(Line("ipykernel_7/1.py", "looks", 7)) == ""
    assert remark(Line("/nowhere.py", "looks", 7)) == ""
    assert statement(Line("/nowhere.py", "looks", 7)) == ""


async def asks(k):
    if await choose("kmalloc() fails"):
        return
    await k.cpu.clear(await choose("which page", "0x1000", "0x1000 "))


class Two(World):
    pass


async def asks_twice(k):
    if await choose("kmalloc() fails"):
        return
    await choose("which page", "first", "second", "third")


def test_the_environment_has_a_row_for_each_decision():
    found = of_case(case_of(Two, A=asks_twice, environment=environment))
    assert texts(found["environment"]) == [
        "# environment",
        "kmalloc() fails",
        "which page: second",
        "which page: third",
    ]
    assert texts(found["A"]) == [
        "# asks_twice",
        "if choose(kmalloc() fails)",
        "choose(which page, first, second, third)",
    ]


def test_two_steps_of_one_line_share_a_row():
    async def both(k):
        await k.gpu.map("0x1000", await k.cpu.read("0x1000"))

    found = of_case(case_of(Toy, A=both))["A"]
    assert texts(found)[1:] == ["read(…) / map(…)"]


@pytest.mark.parametrize("steps", [2, 3])
def test_a_line_learned_later_goes_to_the_nearest_row(steps):
    model = SearchedCase(find("iommu_group/release_order", "DelistThenRelease")).model
    column = columns(model)[0]
    location = list(model.locations[0].values())[steps]
    here = column.number(location)
    line = location.lines[-1]
    moved = type(location)(
        location.step,
        lines=(*location.lines[:-1], line._replace(number=line.number + 1)),
    )
    assert abs(column.number(moved) - here) <= 1
