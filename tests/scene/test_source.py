from mmviz.scene.source import codes, lit
from tests.scene.played import shown


def test_an_actors_code_is_every_function_with_its_steps_without_docstrings_and_types(searched):
    cpu, gpu = codes(searched.reach)

    assert cpu.lines == (
        "async def munmap(k):",
        "    await k.group.mutex.mutex_lock()",
        '    await k.cpu.clear("0x1000")',
        "    await k.page.put_page()",
        "    await k.group.mutex.mutex_unlock()",
        "    await k.group.domain.iommu_domain_free()",
    )
    assert gpu.lines[5:8] == (
        "",
        "async def locked_map(k, page):",
        "    await k.group.mutex.mutex_lock()",
    )


def test_the_next_line_is_highlighted_and_so_is_the_call_that_led_to_it(searched, story):
    _, gpu = codes(searched.reach)
    now = lit(gpu, story[1])

    assert gpu.lines[now.line] == "    await k.group.mutex.mutex_lock()"
    assert [gpu.lines[at] for at in now.outer] == ["    await locked_map(k, page)"]
    assert (now.role, now.note) == ("ready", "next")


def test_a_blocked_actor_names_what_blocks_it(searched, story):
    _, gpu = codes(searched.reach)
    now = lit(gpu, story[2])

    assert (now.role, now.note) == ("blocked", "blocked by CPU0 since step 2")


def test_a_finished_actor_has_no_highlighted_line(searched):
    cpu, _ = codes(searched.reach)
    frames = searched.run(("CPU0",) * 5).frames

    assert lit(cpu, frames[-1])[:3] == (-1, (), "done")


def test_why_a_line_is_redundant_is_no_part_of_the_story():
    """The comment is for a reader who doubts the line; `mmviz mutate` shows it."""
    codes = shown("code", "iommu_group/release_order", "RebindToDefault")[0].codes
    text = "\n".join(line for code in codes for line in code.lines)

    assert "await k.group.mutex.mutex_lock()" in text
    assert "redundant" not in text
