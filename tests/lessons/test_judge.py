"""The card: what each row says, what a slip is answered with, and what does not pass."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

import mmviz
from mmviz.engine import MmvizError, World, at_end, atomic, field, replay
from mmviz.kernel.sync.locks import Mutex
from mmviz.lessons.answers import class_of
from mmviz.lessons.card import Card
from mmviz.lessons.exercise import Exercise, exercise
from mmviz.lessons.judge import judge
from tests.commands import fits, run

ONE = "iommu_group/one_critical_section"
MERGED = """
    async def iommu_release_device(self, k, dev):
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()
"""


def answer(methods, name=ONE, head=""):
    return f"import mmviz\n{head}\nclass Mine(mmviz.exercise({name!r}).given):\n{methods}"


def card(methods, name=ONE, head=""):
    return judge(class_of(answer(methods, name, head), exercise(name)))


def changed(old, new):
    assert old in MERGED
    return MERGED.replace(old, new)


# -- the rows ------------------------------------------------------------------------------


def test_a_right_answer_is_right_in_every_row():
    found = card(MERGED)
    assert found
    assert found.right
    assert found.headline == f"{ONE}: right"
    assert found.safe
    assert found.finishes
    assert found.does_its_job
    assert found.cost.verdict == "told"
    assert "The given code: 16 steps, 2 lines under group.mutex" in found.cost.sentence
    assert "each of 6 lines is needed" in found.lines.sentence
    assert found.run is None
    assert found.failing is None


def test_a_run_that_violates_names_step_and_line_and_replays():
    found = card(
        changed("        await k.group.mutex.mutex_unlock()\n", "").replace(
            "list_del(dev)\n", "list_del(dev)\n        await k.group.mutex.mutex_unlock()\n"
        )
    )
    assert found.safe.verdict == "no"
    assert "device_attached_to_freed_domain in some runs" in found.safe.sentence
    assert "step 7, CPU1 iommu_domain_free(domain V)" in found.safe.place
    assert "while CPU0 is at" in found.safe.place
    assert found.run.violated
    assert found.run.schedule == found.safe.schedule
    assert "list_del(device a)" in found.story
    assert not found


def test_a_deadlock_says_where_each_actor_waits():
    found = card(changed("list_del(dev)", "mutex.mutex_lock()"))
    assert found.finishes.verdict == "no"
    assert "CPU0 waits at mutex_lock(group.mutex)" in found.finishes.place
    assert "line 7" in found.finishes.place
    assert found.run.deadlock


def test_a_lock_that_is_held_at_the_end_does_not_finish():
    name = "iommu_group/look_and_take"
    found = card(
        """
    async def use(self, k):
        return False

    async def claim(self, k):
        await k.group.mutex.mutex_trylock()
        return False
""",
        name,
    )
    assert "returns_holding_lock" in found.finishes.sentence
    assert found.safe


def test_a_loop_of_one_actor_is_told_unless_the_exercise_polls():
    spins = changed(
        "await k.group.mutex.mutex_lock()",
        "while not await k.group.mutex.mutex_trylock():\n            pass",
    )
    found = card(spins)
    assert "goes round a loop while the others rest" in found.finishes.sentence
    replay(found.failing.case, found.failing.schedule)


def test_what_piles_up_is_told_with_the_field():
    found = card(
        """
    async def iommu_release_device(self, k, dev):
        while True:
            await k.group.iommu_group_get()
"""
    )
    assert found.finishes.verdict == "no"
    assert "group.refs takes more than" in found.finishes.sentence
    assert len(found.run.schedule) > 30


def test_a_job_that_is_not_done_has_a_run_to_its_end():
    found = card("\n    async def iommu_release_device(self, k, dev):\n        pass\n")
    assert found.safe
    assert found.finishes
    assert "Both devices are off the group's list" in found.does_its_job.sentence
    assert found.run.finished


def test_an_outcome_that_is_lost_and_an_actor_kept_out_are_told():
    name = "iommu_group/look_and_take"
    found = card(
        """
    async def use(self, k):
        return False
""",
        name,
    )
    assert "no longer possible in any run: A kernel driver" in found.does_its_job.sentence
    found = card(
        """
    async def use(self, k):
        if await k.group.is_usable():
            return False
        await k.group.mutex.mutex_lock()
        usable = await k.group.is_usable()
        if usable:
            await k.group.use()
        await k.group.mutex.mutex_unlock()
        return usable

    async def claim(self, k):
        await k.group.mutex.mutex_lock()
        claimable = await k.group.is_claimable()
        if claimable:
            await k.group.claim("vfio")
            await k.group.set_blocking_domain(k.iommu)
        await k.group.mutex.mutex_unlock()
        return claimable
""",
        name,
    )
    assert "CPU0 alone does not get there" in found.does_its_job.sentence
    assert set(found.run.schedule) == {"CPU0"}


def test_what_costs_too_much_is_told_in_numbers():
    found = judge(exercise("iommu_group/outside_the_mutex").given)
    assert found.safe
    assert found.finishes
    assert found.does_its_job
    assert found.cost.verdict == "no"
    assert "4 lines run under group.mutex, and 3 are enough" in found.cost.sentence
    assert found.price.under == {"group.mutex": 4}
    assert found.price.waits == {"CPU0": 4, "CPU1": 4}
    assert (found.price.blocked, found.price.states) == (14, 53)
    assert not found.right


def test_a_redundant_line_is_named():
    found = card(
        changed("list_del(dev)\n", "list_del(dev)\n        await k.group.is_on_foreign_domain()\n")
    )
    assert found.right
    assert "without line 8 (await k.group.is_on_foreign_domain())" in found.lines.sentence


# -- a case, and a race of the reader's ------------------------------------------------------


class Counter(World):
    value: int = 0

    @atomic("toy")
    def load(self):
        return self.value

    @atomic("toy")
    def store(self, value):
        self.value = value


@at_end
def update_is_lost(k):
    """An update is lost."""
    return k.value != 2


def both_are_counted(k):
    """Both actors have counted."""
    return k.value == 2


async def counts(k):
    await k.store(await k.load() + 1)


def test_a_race_of_the_reader_s_own_is_judged_by_the_jobs_given():
    race = mmviz.Race(world=Counter, actors={"A": counts, "B": counts}, bad=["use_after_free"])
    race.case("two", name="Two", of=object())
    found = judge(race, jobs=[both_are_counted])
    assert found.safe
    assert "not done at the end: Both actors have counted" in found.does_its_job.sentence
    assert found.run.tip.world.value == 1
    assert "no job is stated" in judge(race).does_its_job.sentence
    assert not judge(race).right


def test_a_case_of_the_catalogue_is_judged():
    found = judge("iommu_group/release_order:ReleaseUnderMutex")
    assert found.safe
    assert found.finishes
    assert found.does_its_job.verdict == "not judged"
    assert "4 lines under group.mutex" in found.cost.sentence
    assert not judge("iommu_group/release_order:DelistThenRelease").safe


def test_what_is_no_answer_is_refused():
    with pytest.raises(MmvizError, match="derives from no exercise"):
        judge(int)
    with pytest.raises(MmvizError, match="answers iommu_group/one_critical_section, not sva"):
        judge(exercise(ONE).given, "sva/who_puts")
    with pytest.raises(MmvizError, match="a number from 0 to 15"):
        judge("x", "iommu_group/no_return")
    with pytest.raises(MmvizError, match="asks for no class: write mmviz"):
        judge(exercise("iommu_group/break_it").given)
    assert judge("CPU0 CPU7", "iommu_group/break_it").error


# -- slips: a message, and never a verdict ---------------------------------------------------

SLIPS = {
    "no await": (changed("await k.group.list_del", "k.group.list_del"), "Write: await list_del"),
    "no async": (MERGED.replace("async ", "").replace("await ", ""), "Write: async def"),
    "signature": (changed("(self, k, dev)", "(self, k)"), "(self, k, dev)"),
    "misspelt": (changed("iommu_release_device", "iommu_release_devise"), "did you mean"),
    "field": (changed("k.group.list_del", "k.grup.list_del"), "did you mean group?"),
    "not its own": (MERGED + "\n    async def __call__(self, k): pass\n", "not yours to write"),
    "never called": (MERGED + "\n    async def more(self, k): pass\n", "called by none"),
    "attribute": (MERGED + "\n    busy = False\n", "which is no method"),
    "own flag": (
        changed("await k.group.mutex.mutex_lock()", "self.busy = True"),
        "a local variable",
    ),
    "try": (
        changed(
            "await k.group.list_del(dev)",
            "try:\n            pass\n        except KeyError:\n            pass",
        ),
        "a try holds up",
    ),
    "with": (changed("await k.group.list_del(dev)", "with open('x'):\n            pass"), "open"),
    "endless": (
        changed("await k.group.list_del(dev)", "while True: pass"),
        "Write await in each way",
    ),
    "import": (changed("await k.group.list_del(dev)", "import os"), "at the top of the cell"),
    "insides": (
        changed("list_del(dev)", "__class__.list_del(k.group, dev)"),
        "no field of the world",
    ),
    "setattr": (
        changed("await k.group.list_del(dev)", "setattr(dev, 'priv', False)"),
        "setattr reaches",
    ),
    "do": (changed("await k.group.list_del(dev)", "k.group.list_del(dev).do()"), "Write: await"),
    "init": (MERGED + "\n    def __init__(self): pass\n", "not yours to write"),
    "raises": (changed("await k.group.list_del(dev)", "raise KeyError(dev)"), "KeyError"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_answered_with_line_and_rule(slip):
    methods, said = SLIPS[slip]
    found = card(methods)
    assert said in found.error
    assert " line " in found.error
    assert not found.right
    assert "not judged yet: " in str(found)
    assert "not judged yet: " in found._repr_html_()


def test_code_that_cannot_be_run_names_its_line():
    for text, said in (
        ("class Mine(\n", "line 1"),
        ("x = 1\n1 / 0\n", "line 2"),
        ("exit()", "line 1"),
    ):
        with pytest.raises(MmvizError, match=said):
            class_of(text, exercise(ONE))
    with pytest.raises(MmvizError, match="no class answers"):
        class_of("class Mine: pass", exercise(ONE))


# -- what would be cheating ------------------------------------------------------------------

OWN_STEP = """
from mmviz.engine import atomic

@atomic("drivers/iommu/iommu.c")
def everything(group, k, dev):
    group.devices = tuple(each for each in group.devices if each is not dev)
    k.iommu.unlink(dev, dev.domain)
    k.iommu.block(dev)
    dev.priv = False
"""


def test_a_step_of_one_s_own_is_refused():
    found = card(
        "\n    async def iommu_release_device(self, k, dev):\n"
        "        await everything(k.group, k, dev)\n"
        "        await k.group.iommu_group_put()\n",
        head=OWN_STEP,
    )
    assert "this step is your own" in found.error


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("import gc", "gc.collect()"),
        ("import sys", "sys._getframe(1)"),
        ("PUT = object.__setattr__", "PUT(dev, 'priv', False)"),
        ("import operator", "operator.setitem(k.iommu.table, dev.rid, 'blocked')"),
    ],
)
def test_what_reaches_around_the_world_is_refused(head, line):
    found = card(changed("await k.group.list_del(dev)", line), head=head)
    assert "reaches what an actor does not touch" in found.error


def test_a_decorator_is_refused():
    head = "def quiet(method):\n    async def f(self, k, dev): pass\n    return f\n"
    found = card("\n    @quiet" + MERGED, head=head)
    assert "has a decorator" in found.error


PATCHES = {
    "a step of the kernel": "from mmviz.kernel.iommu.iommu import Iommu\n"
    "Iommu.block.__code__ = (lambda self, dev: None).__code__",
    "a bad state": "from mmviz.scenarios.iommu_group import worlds\n"
    "worlds.device_attached_to_freed_domain.__code__ = (lambda k: False).__code__",
    "a job": "from mmviz.lessons.exercises import iommu_group\n"
    "iommu_group.both_are_released.__code__ = (lambda k: True).__code__",
}


@pytest.mark.parametrize("patch", PATCHES)
def test_a_cell_that_replaces_what_is_modelled_is_told(patch):
    code = (
        f"import mmviz\nmmviz.exercise({ONE!r}).given\n{PATCHES[patch]}\n"
        "from mmviz.lessons.answers import class_of\n"
        f"print(mmviz.judge(class_of({answer(MERGED)!r}, mmviz.exercise({ONE!r}))).error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "is not as mmviz has it" in done.stdout


def test_what_a_class_says_of_itself_changes_nothing():
    given = exercise(ONE)
    assert exercise(ONE).given is given.given
    other = replace(given, jobs=(), _hinted=[])
    assert judge(class_of(answer(MERGED), given)).right
    assert "no job is stated" in judge(other.given).does_its_job.sentence


# -- how it is shown -------------------------------------------------------------------------


def test_a_card_is_text_and_html_and_at_most_78_columns_wide():
    found = card("\n    async def iommu_release_device(self, k, dev):\n        pass\n")
    assert max(map(len, str(found).splitlines())) <= 78
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"] == str(found)
    assert "does its job?" in bundle["text/html"]


def test_the_stage_of_a_card_shows_the_run_beside_the_nearest_safe_one():
    from mmviz.widgets.card import player

    shown = player(judge(exercise(ONE).given))
    assert shown.run
    assert shown.cursor == len(shown.schedule) == 7
    assert player(card(MERGED)) is None
    assert Card.display is not None


def test_the_stage_of_a_run_that_was_asked_for_does_not_list_the_runs_that_answer_it():
    from mmviz.widgets.card import player

    shown = player(judge("CPU0*6", exercise("iommu_group/break_it")))
    assert shown.named
    assert all(each["sealed"] for each in shown.named)
    own = player(judge(exercise(ONE).given))
    assert not any(each["sealed"] for each in own.named)


# -- on the command line ---------------------------------------------------------------------


def test_the_code_that_is_printed_is_judged(capsys, tmp_path):
    status, out, _ = run(capsys, "exercise", ONE)
    assert status == 0
    file = tmp_path / "mine.py"
    file.write_text(out, "utf-8")
    status, out, _ = run(capsys, "judge", str(file))
    assert status == 1
    assert "not right yet (safe? no)" in out
    assert "list_del(device a)" in out
    file.write_text(answer(MERGED), "utf-8")
    assert run(capsys, "judge", str(file), "--json")[0] == 0
    file.write_text(answer(MERGED).replace("await k.group.list_del", "k.group.list_del"), "utf-8")
    status, out, _ = run(capsys, "judge", str(file), "--json")
    assert status == 1
    assert "mine.py line 7" in json.loads(out)[0]["error"]


def test_a_schedule_and_a_step_are_judged_from_a_file(capsys, tmp_path):
    file = tmp_path / "run.txt"
    file.write_text("CPU0*3 CPU1*4\n", "utf-8")
    status, out, _ = run(capsys, "judge", str(file), "--exercise", "iommu_group/break_it", "--json")
    assert (status, fits("judge", out)[0]["points"]["shortest"]) == (0, True)
    file.write_text("6", "utf-8")
    assert run(capsys, "judge", str(file), "--exercise", "iommu_group/no_return")[0] == 1
    file.write_text("7", "utf-8")
    assert run(capsys, "judge", str(file), "--exercise", "iommu_group/no_return")[0] == 0


def test_exercises_are_listed(capsys):
    status, out, _ = run(capsys, "exercise", "sva")
    assert status == 0
    assert all(line.startswith("sva/") for line in out.splitlines())
    assert run(capsys, "exercise", "sva", "--json")[0] == 0
    assert run(capsys, "exercise", "sva/nothing")[0] == 2


# -- an exercise on a race that is in no catalogue ---------------------------------------------


class Locked(World):
    value: int = 0
    lock: Mutex = field(default_factory=Mutex)

    @atomic("toy")
    def load(self):
        return self.value

    @atomic("toy")
    def store(self, value):
        self.value = value


async def adds(k, how):
    await how.add(k)


own = mmviz.Race(world=Locked, actors={"A": adds, "B": adds}, bad=["use_after_free"])


@own.case("no lock")
class Unlocked:
    async def add(self, k):
        await k.store(await k.load() + 1)


@own.case("under the lock")
class UnderLock:
    async def add(self, k):
        await k.lock.mutex_lock()
        await k.store(await k.load() + 1)
        await k.lock.mutex_unlock()


OWN = Exercise(
    name="own/count",
    title="Count twice",
    task="Write `add(k)`.",
    race=own,
    case="Unlocked",
    writes=("add",),
    jobs=(both_are_counted,),
    hints=("A lock.", "k.lock"),
    solved="UnderLock",
)


def test_an_exercise_on_a_race_of_one_s_own_is_judged():
    assert not judge(OWN.given)

    class Mine(OWN.given):
        async def add(self, k):
            await k.lock.mutex_lock()
            value = await k.load()
            await k.store(value + 1)
            await k.lock.mutex_unlock()

    found = judge(Mine)
    assert found.right
    assert "The cheapest right answer known: " in found.cost.sentence
    assert "UnderLock" not in found.cost.sentence
    assert "await k.lock.mutex_lock()" in OWN.solution()

    @atomic("toy")
    def at_once(self):
        self.value += 1

    class Cheat(OWN.given):
        async def add(self, k):
            await at_once(k)

    assert "this step is your own" in judge(Cheat).error


def test_a_loop_whose_variable_grows_and_a_step_without_its_argument_are_told():
    found = card(
        """
    async def iommu_release_device(self, k, dev):
        for _ in range(10**9):
            await k.group.is_on_foreign_domain()
"""
    )
    assert (
        "again and again, each time with other values of its variables" in found.finishes.sentence
    )
    assert found.run is not None
    found = card(changed("list_del(dev)", "list_del()"))
    assert "missing 1 required positional argument: 'dev'" in found.error
    assert "line 7" in found.error
