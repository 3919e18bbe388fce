"""Always lock: each right answer once more, all of it under one lock of the world.

Locking everything is the answer of a reader who does not know what has to be kept apart.  Where it
is right it costs more; where it is not it blocks the others, or itself.
"""

import ast
import textwrap
from collections.abc import Iterator
from typing import Any

from mmviz.engine import Struct
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import Mutex, RwSemaphore, SpinLock
from mmviz.lessons.exercise import Exercise

WAYS = {
    Mutex: ("mutex_lock", "mutex_unlock"),
    SpinLock: ("spin_lock", "spin_unlock"),
    RwSemaphore: ("down_write", "up_write"),
    Page: ("lock_page", "unlock_page"),
}


def locks_of(asked: Exercise) -> Iterator[tuple[str, str, str]]:
    """Yield the Python that names each lock of the world, how it is taken, and how dropped."""
    waiting: list[tuple[str, Any]] = [("k", asked.failing.world())]
    seen: set[int] = set()
    for path, struct in waiting:  # grows while we walk it
        if not isinstance(struct, Struct) or id(struct) in seen:
            continue
        seen.add(id(struct))
        for kind, (takes, drops) in WAYS.items():
            if isinstance(struct, kind):
                yield path, takes, drops
        for name, value in struct.fields():
            waiting.append(
                (f"{path}.{name}" if name.isidentifier() else f"{path}[{name!r}]", value)
            )
            if isinstance(value, tuple):
                waiting += [(f"{path}.{name}[{number}]", each) for number, each in enumerate(value)]


def locked(methods: str, lock: str, takes: str, drops: str) -> str:
    """Return methods whose bodies run under a lock; "" where one does not get the world."""
    tree = ast.parse(textwrap.dedent(methods))
    text = []
    for each in tree.body:
        assert isinstance(each, ast.AsyncFunctionDef)
        names = [argument.arg for argument in each.args.args]
        if "k" not in names:
            return ""
        given = ", ".join(names)
        inner = f"{each.name}_unlocked"
        text.append(
            f"async def {each.name}({given}):\n"
            f"    await {lock}.{takes}()\n"
            f"    done = await self.{inner}({', '.join(names[1:])})\n"
            f"    await {lock}.{drops}()\n"
            f"    return done\n"
        )
        each.name = inner
        text.append(ast.unparse(each))
    return "\n\n".join(text)
