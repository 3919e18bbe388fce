"""A step that is opened: its load and its store, in place of the one step that was described."""

from threading import get_ident
from typing import Any, NamedTuple

from mmviz.engine.location import ENGINE_CODE
from mmviz.engine.piece import NOW
from mmviz.engine.step import Step
from mmviz.engine.struct import Struct
from mmviz.engine.text import spoken

SHOWN = 2  # fields that the label of a store names


class Pending(NamedTuple):
    """What a step has computed and not yet written: its answer, and its stores by their slots."""

    answer: Any
    stores: tuple[tuple[int, Any], ...]


async def _in_two(on: Struct, name: str, cite: str, step: Step[Any]) -> Any:
    pending = await _load(on, name, cite, step)
    del step
    if pending.stores:
        await _store(on, name, cite, pending)
    return pending.answer


ENGINE_CODE.add(_in_two.__code__)


def in_two(step: Step[Any]) -> Any:
    """Return what an actor awaits in place of a step: if it is opened, its load and its store."""
    ledger: Any = step.on._ledger
    if step.body.__name__ not in ledger.opens:
        return step
    step.used = True
    return _in_two(step.on, step.body.__name__, step.cite, step)


def _load(on: Struct, name: str, cite: str, step: Step[Any]) -> Step[Pending]:
    def load(self: Struct, *_: Any, **__: Any) -> Pending:
        ledger: Any = self._ledger
        answer = step.do()
        stores, ledger.writes = ledger.writes, {}
        return Pending(answer, tuple(sorted(stores.items(), key=lambda store: store[0])))

    load.__doc__ = step.doc
    return _part(load, name, f"{step.label}: load", on, step.args, step.kwargs, cite)


def _store(on: Struct, name: str, cite: str, pending: Pending) -> Step[None]:
    ledger: Any = on._ledger
    paths = [(ledger.paths[slot], value) for slot, value in pending.stores]
    words = ", ".join(f"{path} = {spoken(value)}" for path, value in paths[:SHOWN])
    more = f", and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""

    def store(self: Struct, pending: Pending) -> None:
        """Write what was computed from the values loaded before."""
        assert self._ledger is not None
        for slot, value in pending.stores:
            self._ledger.write(slot, value)

    return _part(store, name, f"{name}: store {words}{more}", on, (pending,), {}, cite)


def _part(
    body: Any, name: str, label: str, on: Struct, args: Any, kwargs: Any, cite: str
) -> Step[Any]:
    """Return one of the two steps, described by the piece that is running."""
    body.__qualname__ = f"{name}: {body.__name__}"
    body.__name__ = name
    body.__dict__["label"] = label
    made: Step[Any] = Step(on, body, args, kwargs, cite, None)
    made._piece = NOW.get(get_ident())
    return made
