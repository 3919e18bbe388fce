from dataclasses import replace

from mmviz.engine import Verdict, explore, replay
from mmviz.scenarios import find
from mmviz.scene.words import blocked_by, caption, ending, goal, promises, victory
from tests.scene.toys import TOY


def test_a_caption_names_the_actor_the_step_and_its_effect(story):
    assert caption(story[0], 7) == "step 0 of 7: no actor has taken a step"
    assert caption(story[4]) == "step 4: CPU0 put_page(page 7): page 7.refs 1 → 0"
    assert caption(story[4], 7) == "step 4 of 7: CPU0 put_page(page 7): page 7.refs 1 → 0"
    assert caption(story[7], 7) == (
        "step 7 of 7: GPU map(0x1000, page 7): gpu.pte[0x1000] none → page 7. "
        "✗ Bad state: gpu maps a free page"
    )


def test_a_caption_names_the_return_value_and_the_freed_object(searched, story):
    assert caption(story[1], 7).endswith("read(0x1000): returns page 7")
    freed = searched.run(("CPU0",) * 5).frames[-1]
    assert caption(freed, 5).endswith("iommu_domain_free(domain V): domain V freed")


def test_a_promise_is_kept_until_the_step_that_breaks_it(story):
    (promise,) = promises(TOY, story)

    assert promise.words == "The GPU never maps a free page."
    assert promise.broken == 7
    assert promise.failure.startswith("Broken in step 7: gpu maps a free page.")
    assert promises(TOY, story[:7])[0].broken == -1


def test_a_case_without_a_promise_promises_that_no_bad_state_occurs(story):
    (promise,) = promises(replace(TOY, promise=""), story[:1])

    assert promise.words == "No bad state occurs: gpu maps a free page"


def test_there_is_a_goal_and_a_sentence_once_it_is_reached(story):
    sentence = "The GPU maps a page that is back with the allocator"

    assert goal(TOY) == f"Make this happen: {sentence}"
    safe = replace(TOY, expect={"gpu_maps_a_free_page": Verdict.NEVER})
    assert goal(safe) == f"Try to make this happen: {sentence}"
    assert victory(TOY, story[:7]) == (-1, "")
    assert victory(TOY, story) == (7, "✓ Goal reached in 7 steps: gpu maps a free page")


def test_only_a_run_that_has_ended_has_an_ending(searched, story):
    assert ending(TOY, story[0]) == ""
    finished = searched.run(("CPU0",) * 5 + ("GPU",))
    assert ending(TOY, finished.frames[-1]) == "Every actor has finished"


def test_a_deadlock_and_a_stopped_machine_have_different_endings():
    taken_twice = find("iommu_group/release_order", "ReleaseTakesMutex")
    end = replay(taken_twice, "CPU0*2").frames[-1]
    assert ending(taken_twice, end) == "No actor can step, but CPU0 and CPU1 have not finished"
    assert blocked_by("CPU0", end.blocked["CPU0"]) == "blocked by itself since step 1"

    series = find("iommu_group/release_order", "DelistThenRelease")
    example = explore(series).counterexamples["use_after_free"].shortest
    assert ending(series, replay(series, example).frames[-1]) == "The machine has stopped"


def test_a_deadlock_breaks_the_promise_and_a_case_without_bad_states_promises_that_all_finish():
    taken_twice = find("iommu_group/release_order", "ReleaseTakesMutex")
    (promise,) = promises(taken_twice, replay(taken_twice, "CPU0*2").frames)
    bare = replace(taken_twice, bad=(), expect={}, promise="")

    assert promise.broken == 2
    assert promise.failure.startswith("Deadlock after step 2. No actor can step, but CPU0 and")
    assert promises(taken_twice, replay(taken_twice, "CPU0").frames)[0].broken == -1
    assert promises(bare, replay(bare, "").frames)[0].words == "Every actor finishes."
    assert goal(replace(bare, deadlock=False)) == ""
