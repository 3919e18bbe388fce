"""Typical mistakes, made by machine: one small change to the text of a right fix.

Each operator changes one place of the methods that a learner has to write.  Two changes that give
the same program are one mistake; a change that gives the fix itself is none.
"""

import ast
import textwrap
from collections.abc import Iterator
from copy import deepcopy

NOTHING = ast.Pass()
RELEASES = ("unlock", "up_read", "up_write", "irq_restore")
TAKES = {"_lock": "_unlock", "down_read": "up_read", "down_write": "up_write"}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield (what was done and where, the methods as text) for each mistake.

    Args:
        source: the methods, not indented.
    """
    tree = ast.parse(textwrap.dedent(source).strip())
    made = {ast.unparse(tree)}
    for label, mutant in _made(tree):
        text = ast.unparse(ast.fix_missing_locations(mutant))
        if text not in made:
            made.add(text)
            yield label, text


def _made(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    for number, method in enumerate(tree.body):
        if isinstance(method, ast.AsyncFunctionDef):
            for value in _harmless_ends(method):
                changed = deepcopy(tree)
                changed.body[number].body = [value]
                yield f"{method.name}: only {ast.unparse(value)}", changed
    for path, block in _blocks(tree):
        yield from _in_block(tree, path, block)
    for number, node in enumerate(ast.walk(tree)):
        yield from _in_node(tree, number, node)


def _harmless_ends(method: ast.AsyncFunctionDef) -> Iterator[ast.stmt]:
    """Yield what does nothing: `pass`, or each value that the method may return."""
    values = {
        ast.unparse(each.value): each.value
        for each in ast.walk(method)
        if isinstance(each, ast.Return) and isinstance(each.value, ast.Constant)
    }
    yield from (ast.Return(value) for value in values.values())
    if not values:
        yield NOTHING


def _blocks(tree: ast.AST) -> Iterator[tuple[int, list[ast.stmt]]]:
    """Yield the number of a node in the walk, and each of its lists of statements."""
    for number, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.AsyncFunctionDef | ast.If | ast.While | ast.For):
            yield number, node.body


def _in_block(
    tree: ast.Module, path: int, block: list[ast.stmt]
) -> Iterator[tuple[str, ast.Module]]:
    first = 1 if _is_text(block[0]) else 0
    for at in range(first, len(block)):
        line = ast.unparse(block[at]).splitlines()[0]
        where = f"{line} (line {block[at].lineno})"
        yield f"without: {where}", _with(tree, path, at, [])
        if at > first and not isinstance(block[at], ast.Return | ast.Continue | ast.Break):
            yield f"returns before: {where}", _with(tree, path, at, [ast.Return(), block[at]])
        if _awaits(block[at]):
            yield f"twice: {where}", _with(tree, path, at, [block[at], block[at]])
        if at + 1 < len(block) and all(map(_waits, block[at : at + 2])):
            swapped = _with(tree, path, at, [block[at + 1], block[at]])
            del _body(swapped, path)[at + 2]
            yield f"after the next line: {where}", swapped
        if isinstance(block[at], ast.If):
            yield f"always: {where}", _with(tree, path, at, block[at].body)
        if (unlock := _unlock_of(line)) is not None:
            pair = _without_lines(tree, {line, unlock})
            yield f"without lock and unlock: {where}", pair


def _in_node(tree: ast.Module, number: int, node: ast.AST) -> Iterator[tuple[str, ast.Module]]:
    if isinstance(node, ast.Await):
        changed = deepcopy(tree)
        _replace(changed, _nth(changed, number), _nth(changed, number).value)
        yield f"no await: {ast.unparse(node)} (line {node.lineno})", changed
    if isinstance(node, ast.If):
        changed = deepcopy(tree)
        test = _nth(changed, number).test
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        _nth(changed, number).test = test.operand if negated else ast.UnaryOp(ast.Not(), test)
        yield f"the opposite: if {ast.unparse(node.test)} (line {node.lineno})", changed
    value = node.value if isinstance(node, ast.Return) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        changed = deepcopy(tree)
        _nth(changed, number).value = ast.Constant(not value.value)
        yield f"the opposite: return {value.value} in line {node.lineno}", changed


def _with(tree: ast.Module, path: int, at: int, lines: list[ast.stmt]) -> ast.Module:
    changed = deepcopy(tree)
    body = _body(changed, path)
    body[at : at + 1] = deepcopy(lines)
    if not body:
        body.append(ast.Pass())
    return changed


def _without_lines(tree: ast.Module, lines: set[str]) -> ast.Module:
    changed = deepcopy(tree)
    for _, body in list(_blocks(changed)):
        body[:] = [each for each in body if ast.unparse(each) not in lines] or [ast.Pass()]
    return changed


def _unlock_of(line: str) -> str | None:
    """Return the line that drops the lock which a line takes."""
    for takes, drops in TAKES.items():
        if f"{takes}(" in line and line.startswith("await "):
            return line.replace(f"{takes}(", f"{drops}(")
    return None


def _body(tree: ast.Module, path: int) -> list[ast.stmt]:
    body: list[ast.stmt] = _nth(tree, path).body
    return body


def _nth(tree: ast.AST, number: int) -> ast.AST:
    return list(ast.walk(tree))[number]


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
            elif isinstance(value, list) and old in value:
                value[value.index(old)] = new


def _awaits(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Await)


def _waits(line: ast.stmt) -> bool:
    return any(isinstance(node, ast.Await) for node in ast.walk(line))


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
