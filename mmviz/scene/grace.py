"""Lanes for the read sections of RCU and SRCU, and for the grace periods that wait for them."""

from collections.abc import Iterator

from mmviz.engine import Frame
from mmviz.kernel.sync.rcu import Srcu, SrcuCallbacks
from mmviz.scene.lanes import Cell, Lane
from mmviz.scene.reach import Reach
from mmviz.scene.windows import Accounts
from mmviz.scene.words import since


def grace_lanes(accounts: Accounts, reach: Reach) -> list[Lane]:
    """Return a lane for each possible reader, and for each actor that may wait for readers."""
    return [*_readers(accounts, reach), *_graces(accounts, reach)]


def _readers(accounts: Accounts, reach: Reach) -> Iterator[Lane]:
    """Yield a lane for each actor that may be in a read section."""
    for srcu in (each for each in accounts.structs if isinstance(each, Srcu)):
        ever = {name for value in reach.values[srcu.path("readers")] for name in value}
        plain = srcu.forbids_sleep
        for actor in (each for each in accounts.model.actors if each in ever):
            at = (srcu.name, actor)

            def cell(frame: Frame, at: tuple[str, str] = at) -> Cell:
                account = accounts.account(frame)
                did = account.did.get(("reader", *at), "")
                is_in = at in account.sections
                return Cell(did, "held", bool(did)) if did or is_in else Cell()

            def sentence(
                frame: Frame, at: tuple[str, str] = at, plain: bool = plain
            ) -> tuple[str, str]:
                account = accounts.account(frame)
                sleeps = "must not sleep" if plain else "may sleep"
                inside = account.sections.get(at)
                return ("" if inside is None else f"inside {since(inside)}: {sleeps}"), "plain"

            section = f"Reader of {'RCU' if plain else 'SRCU'}"
            label, field = f"{actor} in {srcu.name}", srcu.path("readers")
            yield Lane(section, label, cell, sentence, f"object:{srcu.name}", field=field)


def _graces(accounts: Accounts, reach: Reach) -> Iterator[Lane]:
    """Yield a lane for each possible grace period."""
    for srcu in (each for each in accounts.structs if isinstance(each, Srcu)):
        values = reach.values[srcu.path("awaited")]
        waiters = dict.fromkeys(sorted({waiter for value in values for waiter, _ in value}))
        for actor, locations in zip(accounts.model.actors, accounts.model.locations, strict=True):
            for location in locations.values():
                step = location.step
                if step is None or step.on.name != srcu.name:
                    continue
                if "synchronize" in step.body.__name__:
                    waiters[actor] = None
        if isinstance(srcu, SrcuCallbacks) and reach.varies(srcu.path("callbacks")):
            waiters["call_srcu"] = None
        for waiter in waiters:
            at = (srcu.name, waiter)

            def cell(frame: Frame, at: tuple[str, str] = at) -> Cell:
                account = accounts.account(frame)
                did = account.did.get(("grace", *at), "")
                grace = account.graces.get(at)
                if did or (grace and not grace.over):
                    return Cell(did, "blocked", bool(did))
                return Cell()

            def sentence(frame: Frame, srcu: Srcu = srcu, waiter: str = waiter) -> tuple[str, str]:
                return _grace_words(accounts, srcu, waiter, frame), "plain"

            label = f"{waiter}() of {srcu.name}" if waiter == "call_srcu" else waiter
            yield Lane("Grace period", label, cell, sentence, f"object:{srcu.name}")


def _grace_words(accounts: Accounts, srcu: Srcu, waiter: str, frame: Frame) -> str:
    """Return which readers a grace period waits for."""
    account = accounts.account(frame)
    grace = account.graces.get((srcu.name, waiter))
    if grace is None:
        return ""
    if grace.over:
        return f"lasted from step {grace.since} to step {grace.over}"
    readers = frame.values[srcu.path("readers")]
    awaited = [r for w, r in frame.values[srcu.path("awaited")] if w == waiter and r in readers]
    then = ""
    if waiter == "call_srcu" and isinstance(srcu, SrcuCallbacks):
        names = ", ".join(each.name for each in frame.values[srcu.path("callbacks")])
        then = f", then {names} can be freed"
    if not awaited:
        return f"pending {since(grace.since)}: its readers have left, so it can end{then}"
    blockers = ", ".join(
        f"{each} (reader {since(account.sections.get((srcu.name, each), 0))})"
        for each in sorted(awaited)
    )
    return f"pending {since(grace.since)}: waits for {blockers}{then}"
