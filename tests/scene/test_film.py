"""The film against frames: what it says of every state and move is what a run says."""

import json
import random

import pytest

from mmviz.engine import Case, Frame, Run, ScheduleError, World, atomic, field, spoken
from mmviz.engine.case import name_of
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios import find
from mmviz.scene.cards import wordings
from mmviz.scene.film import Film, as_json, film_json
from mmviz.scene.keyed import plain
from mmviz.scene.memory import Memory
from mmviz.scene.searched import SearchedCase

CASES = {
    "iommu_group/release_order": ["DelistThenRelease", "AsMailed", "ReleaseUnderMutex"],
    "iommu_group/removed_from_outside": ["OutsideWarned"],
    "iommu_group/file_outlives_device": ["NoWait"],
    "exclusive/fork_in_window": ["CheckOutsideMmapLock"],
    "exclusive/store_buffer_hides_clear": ["BarrierInGup"],
    "exclusive/protected_and_back": ["AndBackPinned"],
    "exclusive/reuse_rules": ["FlagCleared"],
    "hmm/mm_without_grab": ["NoGrab", "GrabAndNeverDrop"],
    "hmm/free_under_callback": ["LookedUpByMm"],
    "hmm/mmap_sem_in_callback": ["MmapSemInCallback"],
    "hmm/comment_or_assertion": ["Assertion"],
    "invalidate_page/sequence_and_counter": ["CounterOnly"],
    "invalidate_page/told_under_ptl": ["CallbackSleeps"],
    "invalidate_page/sleep_under_spinlock": ["MutexUnderRcu"],
    "mremap/flush_before_unlock": ["FlushAtTheEnd"],
    "sva/put_before_clear": ["PutClear"],
    "sva/two_drivers_bind": ["ReleaseClearsUnlocked"],
    "sva/exit_during_dma": ["ClearEntry"],
    "sva/late_initialisation": ["LateWithoutLock"],
    "swap/skip_swapcache": ["CountAgain"],
    "teardown/rearm_each_other": ["DeleteTwice"],
    "vmstat/update_is_preempted": ["ReadAddWrite"],
}
EACH = [(scenario, name) for scenario, names in CASES.items() for name in names]
KEPT = {"", "held", "asked", "decides"}  # of the world and the machine, and of an actor
LARGE = ("invalidate_page/one_number_alone", "OddWhileBusyTwoInvalidators")


def filmed(scenario, name):
    film = Film(SearchedCase(find(scenario, name)))
    assert film.whole()
    return film


def frames(film):
    """Return a frame of each state of a film, by the moves that led there first."""
    found = {0: Frame(film.model, film.model.start)}
    for before, p, to, *_ in film.tables["moves"]:
        if to not in found:
            actor = film.model.actors[p]
            found[to] = Frame(film.model, film.packed[to], actor, found[before])
    return found


def unblamed(frame):
    """Return what a step complained of; who had freed the object depends on the run."""
    return [text for _, text in frame.complaints]


def check_state(film, number, frame):
    values, steps, blocks, bads, shown, witnesses, end = film.tables["states"][number]
    head, tables, model = film.head(), film.tables, film.model
    said = {head["fields"][field]: tables["values"][value][1] for field, value in enumerate(values)}
    assert all(tables["values"][value][0] == field for field, value in enumerate(values))
    told = {model.ledger.paths[slot] for slot in model.told()}
    worded = wordings(frame.model)
    assert said == {
        path: worded.get(path, spoken)(value)
        for path, value in frame.values.items()
        if path in told
    }
    assert {path.partition(".")[2] for path in set(frame.values) - told} <= KEPT
    enabled = [
        name
        for name, step, block in zip(model.actors, steps, blocks, strict=True)
        if step >= 0 and block < 0
    ]
    assert tuple(enabled) == frame.enabled
    assert [step < 0 for step in steps] == [name in frame.done for name in model.actors]
    for name, step in zip(model.actors, steps, strict=True):
        if step >= 0:
            row, label, doc, cite, _ = tables["steps"][step]
            now = frame.next[name]
            assert (label, doc, cite) == (now.label, now.doc, now.cite)
            shown_row = head["columns"][model.index[name]]["rows"][row]
            assert "text" in shown_row
    for name, blocked in frame.blocked.items():
        _, holders, reason = tables["blocks"][blocks[model.index[name]]]
        if "held by" in blocked.reason:
            assert {model.actors[p] for p in holders} == {actor for actor, _ in blocked.by}
            assert "held by" in reason
        elif holders:  # who must act next
            assert reason == blocked.reason
            assert {model.actors[p] for p in holders} == {actor for actor, _ in blocked.by}
    names = {head["bads"][bad]["name"] for bad in bads}
    assert names == model.violated(frame.state)
    judged = {name_of(each) for each in film.searched.case.bad if callable(each)}
    assert bool(witnesses) == bool(names & judged)
    assert shown == []
    assert (end == "stopped") == model.is_dead(frame.state)
    assert (end == "done") == (not model.is_dead(frame.state) and model.is_complete(frame.state))


def check_move(film, row, before):
    _, p, to, writes, reads, answer, log, bads, witnesses = row
    head, says, model = film.head(), film.tables["says"], film.model
    frame = Frame(film.model, film.packed[to], film.model.actors[p], before)
    assert {head["fields"][field] for field in writes} == {each.field for each in frame.writes}
    told = {model.ledger.paths[slot] for slot in model.told()}
    assert {head["fields"][field] for field in reads} == set(frame.reads) & told
    assert answer == -1 if frame.answer is None else says[answer] == spoken(frame.answer)
    assert [says[text] for text in log] == unblamed(frame)
    assert {head["bads"][bad]["name"] for bad in bads} == {name for name, _ in frame.complaints}
    assert not witnesses or bads


@pytest.mark.parametrize(("scenario", "name"), EACH, ids=lambda word: word)
def test_a_film_says_what_the_frames_say(scenario, name):
    film = filmed(scenario, name)
    there = frames(film)
    assert len(there) == len(film.packed) == film.searched.report.states
    assert len(film.tables["moves"]) == film.searched.report.transitions
    for number, frame in there.items():
        check_state(film, number, frame)
    for row in film.tables["moves"]:
        check_move(film, row, there[row[0]])


@pytest.mark.parametrize(("scenario", "name"), EACH[::4], ids=lambda word: word)
def test_a_run_goes_through_the_moves_of_a_film(scenario, name):
    film = filmed(scenario, name)
    way = {(before, p): to for before, p, to, *_ in film.tables["moves"]}
    for schedule in film.searched.runs().values():
        run, state = film.searched.run(schedule), 0
        for frame in run.frames[1:]:
            state = way[state, film.model.index[frame.actor]]
            assert film.packed[state] == frame.state


def test_a_film_of_a_large_case_is_opened_where_it_is_walked():
    searched = SearchedCase(find(*LARGE))
    film = Film(searched)
    assert not film.whole()
    assert not film.complete
    chance = random.Random(7)
    film.open(0)
    for _ in range(40):
        state, run = 0, Run(searched.case, searched.model)
        for _ in range(60):
            out = [row for row in film.tables["moves"] if row[0] == state]
            assert {film.model.actors[row[1]] for row in out} == set(run.enabled())
            if not out:
                break
            row = chance.choice(out)
            run.step(film.model.actors[row[1]])
            state = row[2]
            film.open(state)
            assert film.packed[state] == run.tip.state
    assert len(film.packed) < searched.report.states
    assert sorted(film.tables["opened"]) == sorted(set(film.tables["opened"]))


def test_pieces_put_together_are_the_film():
    film = Film(SearchedCase(find(*LARGE)))
    schedule = next(iter(film.searched.runs().values()))
    film.along(schedule[:2])
    first = json.loads(as_json(film.piece()))
    heads, tables = [first["head"]], {name: [] for name in film.tables}
    pieces = [first]
    for at in range(3, len(schedule) + 1):
        film.along(schedule[:at])
        pieces.append(json.loads(as_json(film.piece())))
    for piece in pieces:
        for name, rows in piece["tables"].items():
            assert piece["from"][name] == len(tables[name])
            tables[name] += rows
        heads += [piece["head"]] if "head" in piece else []
    assert json.loads(film_json(film))["tables"] == tables
    assert heads[-1] == json.loads(as_json(film.head()))
    assert film.piece() == {"tables": {}, "from": {}}


def test_along_a_run_every_state_is_opened():
    film = Film(SearchedCase(find(*LARGE)))
    schedule = next(iter(film.searched.runs().values()))
    numbers = film.along(schedule)
    assert len(numbers) == len(schedule) + 1
    assert set(numbers) <= set(film.tables["opened"])
    assert numbers == film.along(schedule)


def test_a_schedule_that_cannot_happen_is_refused_as_a_run_refuses_it():
    film = Film(SearchedCase(find(*EACH[0])))
    with pytest.raises(ScheduleError, match="step 2: CPU1 is blocked"):
        film.along(["CPU0", "CPU1"])
    with pytest.raises(ScheduleError, match="no actor 'CPU7'"):
        film.along(["CPU7"])
    with pytest.raises(IndexError, match="no state 99"):
        film.open(99)


def test_the_fate_of_a_state_is_that_of_the_graph():
    film = filmed(*EACH[0])
    film.find_fates()
    fates = dict(film.tables["fates"])
    names = [each["name"] for each in film.head()["bads"]]
    for number, (_, _, _, bads, *_) in enumerate(film.tables["states"]):
        for bad in bads:
            assert fates[number][bad] == "2"
    assert fates[0] == "11" + "0" * (len(names) - 2)


def test_no_row_stands_twice_in_a_table_of_what_is_shared():
    film = filmed("sva/exit_during_dma", "ClearEntry")
    for name in ("values", "steps", "blocks", "says"):
        rows = [as_json(row) for row in film.tables[name]]
        assert len(rows) == len(set(rows))


class Rings(World):
    """A mutex that is taken twice, and a device that goes on and on."""

    mutex: Mutex = field(default_factory=Mutex)
    rung: bool = False

    @atomic("hardware")
    def ring(self):
        """Ring, or be silent."""
        self.rung = not self.rung

    @atomic("toy", when=lambda k: k.rung)
    def wait(self):
        """Wait for the device."""


async def takes_twice(k):
    await k.wait()
    await k.mutex.mutex_lock()
    await k.mutex.mutex_lock()


async def device(k):
    while True:
        await k.ring()


def test_a_deadlock_counts_although_a_device_goes_on():
    case = Case(
        name="Rings",
        world=Rings,
        actors={"CPU0": takes_twice, "NIC": device},
        bad=(),
        daemons=("NIC",),
        deadlock=True,
    )
    film = Film(SearchedCase(case))
    assert film.whole()
    stuck = {film.tables["states"][number][6] for number in film.along(["NIC", "CPU0", "CPU0"])}
    assert stuck == {"", "deadlock"}
    for _, blocks, _, end in ((row[1], row[2], row[3], row[6]) for row in film.tables["states"]):
        assert (end == "deadlock") == (blocks[0] >= 0 and "itself" in reason(film, blocks[0]))
    assert film.head()["devices"] == [False, True]


def reason(film, block):
    return film.tables["blocks"][block][2]


def test_what_the_environment_may_decide():
    film = filmed("teardown/reset_times_out", "WaiterFrees")
    head = film.head()
    at = head["environment"].index(True)
    rows = head["columns"][at]["rows"]
    labels = {
        tuple(film.tables["steps"][row[1][at]][:2])
        for row in film.tables["states"]
        if row[1][at] >= 0 and row[2][at] < 0
    }
    assert labels
    assert all(rows[number]["text"] == label for number, label in labels)
    waits = {
        reason(film, row[2][at])
        for row in film.tables["states"]
        if row[2][at] >= 0 and row[6] != "stopped"
    }
    assert waits == {"no actor leaves anything open now"}


def test_the_head_says_what_is_true_of_the_case():
    film = filmed(*EACH[0])
    head = film.head()
    assert (head["race"], head["case"]) == EACH[0]
    assert head["promise"].startswith("Whatever a device is attached to is alive")
    assert head["kept"] == head["promise"]
    assert head["actors"] == ["CPU0", "CPU1"]
    assert head["complete"]
    assert head["bads"][0] == {
        "name": "device_attached_to_freed_domain",
        "words": "device attached to freed domain",
        "sentence": film.searched.case.sentence("device_attached_to_freed_domain"),
    }
    assert len(head["fields"]) == len(set(head["fields"])) == len(film.tables["states"][0][0])
    assert not any(path.endswith((".held", ".asked", ".decides")) for path in head["fields"])


def test_the_witnesses_of_a_violation_stand_in_its_state_and_its_step():
    film = filmed(*EACH[0])
    fields, bads = film.head()["fields"], [each["name"] for each in film.head()["bads"]]
    broken = film.along(["CPU0"] * 3 + ["CPU1"] * 4)[-1]
    _, _, _, found, _, witnesses, _ = film.tables["states"][broken]
    assert [bads[bad] for bad in found] == ["device_attached_to_freed_domain"]
    assert {fields[field] for field in witnesses} == {"IOMMU[01:00.0]", "domain V.freed"}
    told = [row for row in film.tables["moves"] if row[7]]
    assert {bads[bad] for row in told for bad in row[7]} == {"use_after_free"}
    assert {fields[field] for row in told for field in row[8]} == {"domain V.freed"}


@pytest.mark.parametrize(("scenario", "name"), EACH[::5], ids=lambda word: word)
def test_the_picture_of_a_state_is_put_together_from_its_variants(scenario, name):
    searched = SearchedCase(find(scenario, name))
    memory = Memory(searched)
    film = Film(searched, memory)
    assert film.whole()
    for number, state in enumerate(film.packed):
        marks = [
            mark
            for variant in film.tables["states"][number][4]
            for mark in film.tables["variants"][variant][1]
        ]
        assert marks == plain(memory.marks(state))
        assert len({mark["k"] for mark in marks}) == len(marks)
