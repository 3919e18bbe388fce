"""Predict: nothing of an answer is anywhere before it is given."""

import json
from itertools import pairwise

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

import mmviz
from mmviz.engine import MmvizError, UnknownName, World, atomic, warn
from mmviz.lessons.question import KINDS
from mmviz.widgets import predict
from mmviz.widgets.player import Player
from mmviz.widgets.predict import ANSWERED, ASKED, SEALED, SKIPPED, Predict, SealedStage
from tests.widgets.questions import CASE, RACE, SECRETS, UPTO, question

PROGRAM = ("_esm", "_css", "code", "look")  # the same for every question


@pytest.fixture(autouse=True)
def notes(monkeypatch):
    """Keep what would be noted in the learner's file."""
    noted = []
    monkeypatch.setattr(
        "mmviz.lessons.progress.predicted", lambda *note: noted.append(note), raising=True
    )
    return noted


@pytest.fixture
def asked():
    made = Predict(question=question())
    yield made
    made.close()


def send(widget, **message):
    """Send a message as the browser does; return the answer."""
    told = []
    card = getattr(widget, "card", widget)
    card.send, before = lambda message, *_: told.append(message), card.send
    card._handle_custom_msg({"id": 1} | message, [])
    card.send = before
    return told[0]


def everywhere(widget):
    """Return all that a page, a saved notebook or a reader of the output can have of a widget."""
    states = [each.get_state() for each in (widget, *widget.children, widget.layout)]
    states = [{k: v for k, v in each.items() if k not in PROGRAM} for each in states]
    return json.dumps([states, widget._repr_mimebundle_(), str(widget), repr(widget)], default=str)


def test_before_the_answer_nothing_of_it_is_anywhere(asked):
    assert asked.card.state == ASKED
    assert not any(secret in everywhere(asked) for secret in SECRETS)
    assert not any((asked.answered, asked.skipped, asked.right, asked.is_open, asked.first))
    assert asked.card.get_state()["result"] == {}
    assert "sealed" in str(asked)

    asked.answer("B")
    assert all(secret in everywhere(asked) for secret in SECRETS)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_question_the_graph_has_made_no_reason_is_anywhere(kind):
    made = Predict(RACE, kind=kind, seed=3)
    seen = everywhere(made)
    assert made.question.kind == kind
    assert not any(each.reason in seen for each in made.question.options)
    made.close()


@pytest.mark.parametrize(
    ("race", "case", "schedule"),
    [
        (RACE, CASE, "CPU0*2"),  # CPU0 holds the mutex, and CPU1 waits for it
        ("sva/pasid_reused", "", ""),
        ("exclusive/restore_at_fork", "", "CPU0*4"),
    ],
)
def test_the_stage_has_the_run_up_to_the_question_and_no_more(race, case, schedule):
    made = Predict(race, schedule, case, kind="next") if schedule else Predict(race, kind="next")
    stage, upto = made.children[1], made.question.schedule
    film = json.loads(stage.get_state()["film"])
    head, tables = film["head"], film["tables"]
    states = {each[0] for each in tables["moves"]} | {each[2] for each in tables["moves"]} | {0}

    assert isinstance(stage, SealedStage)
    assert len(tables["states"]) == len(states) <= len(upto) + 1
    assert len(tables["moves"]) <= len(upto)
    assert (tables["fates"], tables["blocks"]) == ([], [])
    assert all(row[2] == [-1] * len(head["actors"]) and row[6] == "" for row in tables["states"])
    ran = {tables["states"][move[0]][1][move[1]] for move in tables["moves"]}
    assert all(not any(row[2:]) for i, row in enumerate(tables["steps"]) if i not in ran)
    assert head["sealed"] is True
    assert not head["complete"]
    assert [view["name"] for view in head["views"] if view["there"]] == ["memory"]
    assert (stage.named, stage.schedule) == ([], upto)
    for one, two in pairwise([row[0] for row in tables["moves"]]):
        assert one <= two
    made.close()


@pytest.mark.parametrize("what", ["open", "view", "possible", "runs", "save", "link", "forms"])
def test_a_sealed_stage_tells_a_page_no_more_whatever_it_asks(asked, what):
    more = {"state": 3, "name": "causes", "schedule": [0, 0, 0, 1], "k": 4, "bad": 0}
    more |= {"want": {"predicate": "True"}, "form": "txt", "look": "light", "views": []}
    told = send(asked.children[1], ask=what, **more)
    assert "sealed" in told["error"]
    assert set(told) == {"id", "error"}


def test_a_sealed_stage_that_was_put_away_comes_back_sealed(asked):
    before = asked.children[1].get_state()["film"]
    asked.children[1].put_away()
    asked.children[1].bring_back()
    assert asked.children[1].get_state()["film"] == before


def test_an_answer_is_judged_and_the_first_stays(asked, notes):
    assert send(asked, ask="answer", picked=[1]) == {"id": 1}
    assert (asked.answered, asked.right, asked.first, asked.card.state) == (
        *(True, False, "B"),
        ANSWERED,
    )
    found = asked.card.result
    assert [each["right"] for each in found["options"]] == [False, False, True]
    assert [each["reason"] for each in found["options"]] == list(SECRETS)
    assert [each["run"] for each in found["options"]] == ["CPU0*4", "CPU0*3 CPU1", ""]
    assert asked.card.status == "Wrong. becausetwo Right is C."
    stage = asked.children[1]
    assert isinstance(stage, Player)
    assert (stage.schedule, stage.cursor) == (UPTO, 3)
    assert stage.named  # of which the page offers none before it is broken or asked for
    assert all(each["sealed"] for each in stage.named)

    send(asked, ask="again")
    assert (asked.card.state, asked.card.result, asked.card.picked) == (ASKED, {}, [])
    send(asked, ask="answer", picked=[2])
    assert (asked.right, asked.first, asked.card.result["first"]) == (True, "B", [1])
    assert asked.card.status == "Right. becausethree"
    assert asked.children[1] is stage
    assert len(notes) == 1
    name, chosen, right = notes[0]
    assert name.startswith(f"{RACE}:{CASE} next")
    assert (chosen, right) == ("only CPU1", False)


def test_skipping_reveals_and_stays_marked(asked, notes):
    send(asked, ask="skip")
    assert (asked.skipped, asked.answered, asked.card.state) == (True, False, SKIPPED)
    assert asked.card.status == "Skipped. Right is C. becausethree"
    assert "Skipped" in str(asked)
    assert isinstance(asked.children[1], Player)
    assert notes == []
    assert "error" in send(asked, ask="answer", picked=[2])
    assert not asked.answered


def test_an_option_s_run_comes_on_the_stage(asked):
    assert "sealed" in send(asked, ask="show", option=0)["error"]
    asked.answer(0)
    send(asked, ask="show", option=1)
    assert asked.children[1].schedule == (*UPTO, "CPU1")
    assert asked.card.shows == 1
    assert "no run" in send(asked, ask="show", option=2)["error"]


def test_a_run_of_another_case_has_a_stage_of_that_case():
    other = mmviz.find(RACE, "ReleaseUnderMutex")
    options = question().options
    first = predict.Option(options[0].text, False, "x", ("CPU0",), other)
    made = Predict(question=question(options=(first, *options[1:])))
    made.answer("C")
    made.show("A")
    assert made.children[1].case == other
    assert made.show("B").case == made.question.case
    made.close()


def test_more_than_one_option_can_be_right():
    made = Predict(question=question(right=(0, 2)))
    assert made.card.several
    assert made.answer("A", "C") is True
    made.close()
    half = Predict(question=question(right=(0, 2)))
    assert half.answer("A") is False
    half.close()


@pytest.mark.parametrize(
    ("then", "shown"),
    [
        ("report", "shortest run"),
        ("text", "mmviz.replay"),
        (lambda: "made afterwards", "made afterwards"),
        (lambda: ipywidgets.HTML("only now"), "only now"),
        ({"displayed": "later"}, "later"),
    ],
)
def test_what_then_names_is_made_only_afterwards(then, shown):
    before = set(_instances)
    made = Predict(question=question(), then=then)
    assert len(made.children) == 2
    assert shown not in everywhere(made)
    made.skip()
    _, _, below = made.children
    assert shown in json.dumps(below.get_state(), default=str)
    made.close()
    assert set(_instances) == before


def test_then_that_fails_says_so_on_the_card():
    made = Predict(question=question(), then=lambda: 1 / 0)
    made.skip()
    assert "ZeroDivisionError" in made.card.error
    assert len(made.children) == 2
    made.close()


def test_a_question_after_another_opens_when_that_one_does(asked):
    later = Predict(question=question(text="And then?"), after=asked)
    assert later.card.state == SEALED
    assert "And then?" not in json.dumps([each.get_state() for each in later.children], default=str)
    assert "And then?" not in str(later)
    assert "error" in send(later, ask="answer", picked=[2])
    asked.answer("A")
    assert later.card.state == ASKED
    assert later.card.text == "And then?"
    at_once = Predict(question=question(), after=asked)
    assert at_once.card.state == ASKED
    for each in (later, at_once):
        each.close()


def test_a_seed_asks_the_same_again():
    texts = {}
    for seed in (1, 1, 2, 3, 4, 5):
        made = Predict(RACE, case=CASE, seed=seed)
        texts.setdefault(seed, []).append(str(made))
        made.close()
    assert texts[1][0] == texts[1][1]
    assert len({each[0] for each in texts.values()}) > 2


@pytest.mark.parametrize(
    "message",
    [
        {"ask": "answer"},
        {"ask": "answer", "picked": []},
        {"ask": "answer", "picked": [0, 1]},
        {"ask": "answer", "picked": [7]},
        {"ask": "answer", "picked": "C"},
        {"ask": "show", "option": None},
        {"ask": "again"},
        {"ask": "reveal"},
        {"ask": ["answer"]},
        {},
    ],
)
def test_a_message_that_means_nothing_reveals_nothing(asked, message):
    assert "error" in send(asked, **message)
    assert asked.card.state == ASKED
    assert not any(secret in everywhere(asked) for secret in SECRETS)


def test_a_page_cannot_write_the_state(asked):
    asked.card.set_state({"state": SKIPPED, "result": {"right": True}, "text": "other"})
    assert (asked.card.state, asked.card.result) == (ASKED, {})


def test_hostile_text_is_escaped():
    made = Predict(question=question(extra="<img src=x onerror=alert(1)>\u202e"))
    assert "<img" not in made.still().replace('<img class="mm-image', "")
    assert "\u202e" not in made.still() + str(made) + made.card.text + made.card.options[0]
    made.skip()
    assert "\u202e" not in json.dumps(made.card.result)
    made.close()


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(MmvizError, match="asks about a race"):
        Predict()
    with pytest.raises(UnknownName, match="next"):
        Predict(RACE, kind="nxt")
    with pytest.raises(MmvizError, match="then=lambda"):
        Predict(question=question(), then=ipywidgets.HTML("early"))
    with pytest.raises(UnknownName, match="report"):
        Predict(question=question(), then="repord")
    with pytest.raises(MmvizError, match="no option"):
        Predict(question=question(right=()))
    with pytest.raises(MmvizError, match="options"):
        Predict(question=question(options=()))
    with pytest.raises(MmvizError, match="after=p"):
        Predict(question=question(), after="p")
    with pytest.raises(MmvizError, match="case"):
        Predict(RACE, question=question())
    with pytest.raises(mmviz.ScheduleError):
        Predict(question=question(schedule=("CPU1", "CPU0")))


class Twice(World):
    count: int = 0

    @atomic("toy")
    def add(self):
        self.count += 1
        if self.count == 2:
            warn("counted_twice", "it was counted a second time")

    @atomic("toy", when=lambda k: k.count == 7)
    def wait(self):
        """Wait for a number that never comes."""


async def adds(k):
    await k.add()
    await k.wait()


def test_neither_a_complaint_to_come_nor_the_end_of_the_run_is_told():
    case = mmviz.Race(world=Twice, actors={"A": adds, "B": adds}, bad=[]).build(
        "twice", of=1, name="Twice"
    )
    assert mmviz.explore(case).deadlock
    for upto, ends in (((), ""), (("A", "B"), "deadlock")):
        made = Predict(question=question(case=case, schedule=upto))
        film = json.loads(made.children[1].get_state()["film"])
        assert [row[6] for row in film["tables"]["states"]] == [""] * (len(upto) + 1)
        told = [bad["name"] for bad in film["head"]["bads"]]
        assert told == (["counted_twice"] if upto else [])  # once it has been said
        made.skip()
        film = json.loads(made.children[1].get_state()["film"])
        assert ends in {row[6] for row in film["tables"]["states"]}
        made.close()
