from mmviz.scene.source import codes, lit


def test_an_actors_code_is_every_function_it_may_wait_in_docstrings_and_types_left_out(rehearsal):
    cpu, gpu = codes(rehearsal.reach)

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


def test_the_next_line_is_lit_and_so_is_the_call_that_led_there(rehearsal, story):
    _, gpu = codes(rehearsal.reach)
    now = lit(gpu, story[1])

    assert gpu.lines[now.line] == "    await k.group.mutex.mutex_lock()"
    assert [gpu.lines[at] for at in now.outer] == ["    await locked_map(k, page)"]
    assert (now.role, now.note) == ("ready", "next")


def test_a_blocked_actor_says_by_whom(rehearsal, story):
    _, gpu = codes(rehearsal.reach)
    now = lit(gpu, story[2])

    assert (now.role, now.note) == ("blocked", "waits for CPU0 since step 2")


def test_an_actor_that_has_finished_has_no_line_lit(rehearsal):
    cpu, _ = codes(rehearsal.reach)
    frames = rehearsal.run(("CPU0",) * 5).frames

    assert lit(cpu, frames[-1])[:3] == (-1, (), "done")
