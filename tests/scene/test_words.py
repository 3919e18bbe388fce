from dataclasses import replace

from mmviz.engine import Verdict, explore, replay
from mmviz.scenarios import find
from mmviz.scene.words import caption, ending, goal, promises, victory, waits_for
from tests.scene.toys import TOY


def test_a_caption_says_who_did_what_and_what_came_of_it(story):
    assert caption(story[0], 7) == "step 0 of 7: nothing has happened yet"
    assert caption(story[4]) == "step 4: CPU0 put_page(page 7): page 7.refs 1 → 0"
    assert caption(story[4], 7) == "step 4 of 7: CPU0 put_page(page 7): page 7.refs 1 → 0"
    assert caption(story[7], 7) == (
        "step 7 of 7: GPU map(0x1000, page 7): gpu.pte[0x1000] none → page 7. "
        "✗ Broken: gpu maps a free page"
    )


def test_a_caption_says_what_a_step_heard_and_what_it_freed(rehearsal, story):
    assert caption(story[1], 7).endswith("read(0x1000): answers page 7")
    freed = rehearsal.run(("CPU0",) * 5).frames[-1]
    assert caption(freed, 5).endswith("iommu_domain_free(domain V): domain V freed")


def test_a_promise_is_kept_until_the_step_that_breaks_it(story):
    (promise,) = promises(TOY, story)

    assert promise.words == "The GPU never maps a free page."
    assert promise.broken == 7
    assert promise.failure.startswith("Broken in step 7: gpu maps a free page.")
    assert promises(TOY, story[:7])[0].broken == -1


def test_a_case_without_a_promise_promises_that_nothing_bad_happens(story):
    (promise,) = promises(replace(TOY, promise=""), story[:1])

    assert promise.words == "None of these happens: gpu maps a free page"


def test_the_goal_is_said_and_so_is_that_it_is_reached(story):
    sentence = "The GPU maps a page that the allocator has back"

    assert goal(TOY) == f"Make this happen: {sentence}"
    safe = replace(TOY, expect={"gpu_maps_a_free_page": Verdict.NEVER})
    assert goal(safe) == f"Try to make one of these happen: {sentence}"
    assert victory(TOY, story[:7]) == (-1, "")
    assert victory(TOY, story) == (7, "✓ You did it in 7 steps: gpu maps a free page")


def test_an_ending_is_told_from_a_pause(rehearsal, story):
    assert ending(TOY, story[0]) == ""
    finished = rehearsal.run(("CPU0",) * 5 + ("GPU",))
    assert ending(TOY, finished.frames[-1]) == "Everybody has finished"


def test_a_deadlock_and_a_stopped_machine_are_told_apart():
    taken_twice = find("iommu_group/release_order", "ReleaseTakesMutex")
    stuck = replay(taken_twice, "CPU0*2").frames[-1]
    assert ending(taken_twice, stuck) == "Nobody can move, and CPU0 and CPU1 wait for ever"
    assert waits_for("CPU0", stuck.blocked["CPU0"]) == "waits for itself since step 1"

    series = find("iommu_group/release_order", "DelistThenRelease")
    example = explore(series).counterexamples["use_after_free"].shortest
    assert ending(series, replay(series, example).frames[-1]) == "The machine has stopped"


def test_a_deadlock_breaks_the_promise_and_a_case_without_properties_promises_that_all_finish():
    taken_twice = find("iommu_group/release_order", "ReleaseTakesMutex")
    (promise,) = promises(taken_twice, replay(taken_twice, "CPU0*2").frames)
    bare = replace(taken_twice, bad=(), expect={}, promise="")

    assert promise.broken == 2
    assert promise.failure.startswith("Stuck after step 2. Nobody can move, and CPU0 and CPU1 wait")
    assert promises(taken_twice, replay(taken_twice, "CPU0").frames)[0].broken == -1
    assert promises(bare, replay(bare, "").frames)[0].words == "Everybody finishes."
    assert goal(replace(bare, stuck=False)) == ""
