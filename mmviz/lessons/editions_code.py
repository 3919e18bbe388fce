"""The code of an edition: what a `Predict` reveals is taken out of it, and no name is missing."""

import ast
import builtins
import re
import symtable
from collections.abc import Iterable, Iterator

FROM_JUPYTER = {"display", "get_ipython", "In", "Out", "_", "__", "__name__", "__doc__"}
MAGIC = re.compile(r"^[%!?].*$", re.MULTILINE)
MADE_THEN = ("stage", "report", "text")  # what Predict makes of the case itself
STEP = re.compile(r"[A-Z][A-Z0-9_]*(\*\d+)?")  # of a schedule

# -- reveals ----------------------------------------------------------------------------------


def without_reveals(text: str) -> tuple[str, list[str]]:
    """Return a code cell whose `Predict` tells no answer, and the texts that were taken out.

    Sentences and schedules in `then=` are answers that stand in the file. What is only named or
    computed (a report, a stage) stays; where nothing is left, `then` takes its default.
    """
    try:
        tree = ast.parse(MAGIC.sub("", text))
    except SyntaxError:
        return text, []
    edits: list[tuple[int, int, str]] = []
    taken: list[str] = []
    content = text.encode()
    start_of = [0, *(i + 1 for i, byte in enumerate(content) if byte == ord("\n"))]
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or _called(call.func) != "Predict":
            continue
        for given in call.keywords:
            if given.arg != "then":
                continue
            value = given.value
            parts = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
            kept = [part for part in parts if not _tells(part)]
            if len(kept) == len(parts):
                continue
            taken += [each for part in parts if _tells(part) for each in _texts(part)]
            first = start_of[given.lineno - 1] + given.col_offset
            last = start_of[(value.end_lineno or 1) - 1] + (value.end_col_offset or 0)
            edits.append((first, last, _then(text, kept)))
    for first, last, new in sorted(edits, reverse=True):
        before, after = content[:first], content[last:]
        if not new:  # the comma and the blanks of the argument go with it
            after = re.sub(rb"^\s*,", b"", after)
            before = before.rstrip() if after.lstrip().startswith(b")") else before
            after = after if not before.endswith(b",") else after.lstrip(b" ")
        content = before + new.encode() + after
    return content.decode(), taken


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _then(text: str, kept: list[ast.expr]) -> str:
    parts = [ast.get_source_segment(text, each) or ast.unparse(each) for each in kept]
    if len(parts) < 2:
        return f"then={parts[0]}" if parts else ""
    return "then=[\n" + "".join(f"        {part},\n" for part in parts) + "    ]"


def _tells(part: ast.expr) -> bool:
    if isinstance(part, ast.Constant):
        return isinstance(part.value, str) and part.value not in MADE_THEN
    if isinstance(part, ast.JoinedStr | ast.BinOp):
        return True
    return any(map(_is_schedule, _texts(part)))


def _texts(part: ast.expr) -> list[str]:
    return [
        node.value
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def _is_schedule(text: str) -> bool:
    words = text.split()
    return bool(words) and all(STEP.fullmatch(word) for word in words)


# -- names ------------------------------------------------------------------------------------


def unbound(cells: Iterable[str]) -> list[str]:
    """Return the names that code cells use before a cell defines them.

    What stands inside a function may be defined by a later cell.

    Args:
        cells: the sources, in the order in which they are run.
    """
    known = {*dir(builtins), *FROM_JUPYTER}
    later: list[str] = []
    found: list[str] = []
    for text in cells:
        tree = ast.parse(MAGIC.sub("", text))
        for statement in tree.body:
            top = symtable.symtable(ast.unparse(statement), "cell", "exec")
            own = {name.get_name() for name in top.get_symbols() if _is_bound(name)}
            for name in top.get_symbols():
                if name.is_referenced() and name.get_name() not in known | own:
                    found.append(name.get_name())
            for name in top.get_symbols():  # used before it is set: x = x + 1
                if name.is_referenced() and name.get_name() in own - known:
                    found += _used_first(statement, name.get_name())
            later += _inside(top)
            known |= own
    return list(dict.fromkeys([*found, *(name for name in later if name not in known)]))


def _is_bound(name: symtable.Symbol) -> bool:
    return name.is_assigned() or name.is_imported() or name.is_namespace()


def _used_first(statement: ast.stmt, name: str) -> list[str]:
    """Return the name if a plain assignment reads it; [] where it is not certain."""
    if isinstance(statement, ast.AugAssign):
        return [name]
    if isinstance(statement, ast.Assign):
        used = {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
        bound = {
            n.id
            for n in ast.walk(statement.value)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        return [name] if name in used - bound else []
    return []


def _inside(table: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names of the notebook that functions and classes use."""
    for child in table.get_children():
        for name in child.get_symbols():
            if name.is_global() and name.is_referenced():
                yield name.get_name()
        yield from _inside(child)
