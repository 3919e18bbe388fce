"""What the browser asks of the kernel, and the answers."""

from collections.abc import Mapping
from typing import Any

from mmviz.engine import MmvizError, spoken
from mmviz.engine.condition import LONGEST
from mmviz.engine.possible import possible
from mmviz.engine.text import quoted
from mmviz.engine.ways import different_runs
from mmviz.scene.cards import wordings
from mmviz.scene.frames import frames as drawn
from mmviz.widgets import received
from mmviz.widgets.prepared import Prepared
from mmviz.widgets.saving import choices, linked, pictured, saved_as
from mmviz.writing.forms import FORMS

AROUND = 20  # frames of a view before and after the one asked for, if no other number is
Answer = dict[str, Any]


def answer(message: Any, show: Prepared) -> Answer:
    """Return the answer to a message, without its number.

    Raises:
        MmvizError: it is not a question of a stage, or something in it is wrong.
    """
    if not isinstance(message, Mapping):
        raise MmvizError(f"{quoted(message)} is not a message of a stage")
    asked = message.get("ask")
    known = QUESTIONS.get(asked) if isinstance(asked, str) else None
    if known is None:
        raise MmvizError(f"a stage is asked for {', '.join(QUESTIONS)}, not {quoted(asked)}")
    if show.is_sealed and known is not whole:
        raise MmvizError("what comes next is sealed: answer or skip the question above the stage")
    return known(message, show)


def opened(message: Mapping[str, Any], show: Prepared) -> Answer:
    """Open a state of a large case: its moves, and the states that they lead to."""
    last = len(show.film.packed) - 1
    show.film.open(received.number(message.get("state"), "a state of this film", last))
    return {"piece": show.piece()}


def frames(message: Mapping[str, Any], show: Prepared) -> Answer:
    """Draw a view of a run, some frames before and after the cursor."""
    name = received.view(message.get("name"), show)
    numbers, k = _moment(message, show)
    around = received.number(message.get("around", AROUND), "the frames about it", AROUND)
    run, view = show.run(numbers), show.views[name]
    first, last = max(k - around, 0), min(k + around, len(numbers))
    return {"frames": drawn(view, run, first, last)}


def asked_for(message: Mapping[str, Any], show: Prepared) -> Answer:
    """Tell whether a state with some values, or a condition, is possible."""
    want = message.get("want")
    if not isinstance(want, Mapping):
        raise MmvizError(f"what is looked for is a mapping, not {quoted(want)}")
    fields = _values(want.get("fields") or {}, show)
    predicate = received.words(want.get("predicate") or "", "a condition", LONGEST).strip()
    wanted: str | dict[str, Any] = fields
    if predicate:
        both = [f"({predicate})" if fields else predicate]
        words = {path: spoken(value) for path, value in fields.items()}
        wanted = " and ".join([*both, *(f'{path} == "{word}"' for path, word in words.items())])
    try:
        found = possible(show.searched.model, wanted)
    except MmvizError as wrong:
        return {"found": {"verdict": "error", "schedule": [], "text": str(wrong)}}
    schedule = [] if found.schedule is None else show.numbers(found.schedule)
    if not show.film.complete and found.schedule is not None:
        show.film.along(found.schedule)
    told = {"verdict": str(found.verdict).lower(), "schedule": schedule, "text": found.text}
    return {"found": told, "piece": show.piece()}


def _values(fields: Any, show: Prepared) -> dict[str, Any]:
    """Return the values that are asked for, each by the path of its field."""
    if not isinstance(fields, Mapping) or len(fields) > len(show.paths):
        raise MmvizError(f"the fields that are looked for are a mapping, not {quoted(fields)}")
    paths, values = show.paths, show.film.tables["values"]
    found = {}
    for key, value in fields.items():
        if not (isinstance(key, str) and key.isdigit() and len(key) < 10):
            raise MmvizError(f"a field is asked for by its number, not {quoted(key)}")
        field = received.number(int(key), "the number of a field", len(paths) - 1)
        row = values[received.number(value, "the number of a value", len(values) - 1)]
        if row[0] != field:
            raise MmvizError(f"{quoted(row[1])} is no value of {paths[field]}")
        found[paths[field]] = _value(show, field, row[1])
    return found


def _value(show: Prepared, field: int, words: str) -> Any:
    """Return the value of a field that a picture shows with these words."""
    model, slot = show.searched.model, show.film.rows.slots[field]
    wording = wordings(model).get(show.paths[field], spoken)
    return next(each for each in model.bits[slot].values.values() if wording(each) == words)


def different(message: Mapping[str, Any], show: Prepared) -> Answer:
    """Return a few different runs with a bad state, and a few without."""
    film, bads = show.film, show.film.rows.bads
    bad = bads[received.number(message.get("bad"), "a bad state", len(bads) - 1)]
    found = different_runs(show.searched.model, bad)
    if not film.complete:
        for each in found:
            film.along(each.schedule)
    runs = [{"schedule": show.numbers(each.schedule), "text": each.text} for each in found]
    return {"found": {"runs": runs}, "piece": show.piece()}


def whole(_message: Mapping[str, Any], show: Prepared) -> Answer:
    """Return the whole film: a page forgets that of a stage which it shows no more."""
    return {"film": show.first_piece()}


def forms(_message: Mapping[str, Any], _show: Prepared) -> Answer:
    """Return the forms in which a run can be saved."""
    return {"forms": choices()}


def saves(message: Mapping[str, Any], show: Prepared) -> Answer:
    """Return the run and the moment shown as a file, in "bytes"."""
    form = received.words(message.get("form"), "the form of a file", LONGEST)
    if form not in FORMS:
        raise MmvizError(f"a stage is saved as {', '.join(FORMS)}, not {quoted(form)}")
    numbers, k = _moment(message, show)
    views = pictured(received.pinned(message.get("views"), show), show.views)
    look = received.words(message.get("look"), "the theme", LONGEST)
    data = saved_as(
        show,
        show.names(numbers),
        form,
        at=k,
        look=look,
        views=views,
    )
    return {"saved": {"form": form, "media": FORMS[form].media}, "bytes": data}


def link_here(message: Mapping[str, Any], show: Prepared) -> Answer:
    """Return the link of the moment shown, and its QR code."""
    numbers, k = _moment(message, show)
    return linked(show.searched, show.names(numbers), k)


def _moment(message: Mapping[str, Any], show: Prepared) -> tuple[list[int], int]:
    """Return the run shown, and the step."""
    numbers = received.schedule(message.get("schedule"), show)
    return numbers, received.number(message.get("k"), "the step shown", len(numbers))


QUESTIONS = {
    "film": whole,
    "open": opened,
    "view": frames,
    "possible": asked_for,
    "runs": different,
    "forms": forms,
    "save": saves,
    "link": link_here,
}
