"""An answer as data: what a learner handed in, read and not run.

Of code only imports of mmviz, classes and functions are kept, and of classes only methods without
decorators: to define them runs nothing of the answer.
"""

import ast
import linecache
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from mmviz.engine.text import quoted
from mmviz.lessons.exercise import Exercise, exercise_of

CODE, VALUE = "code", "value"
MOST_CODE, MOST_TEXT, MOST_WORDS = 50_000, 20_000, 10_000  # characters; members of a list
FILE = "<answer>"
NOTHING = "nothing was handed in"
MAGIC = re.compile(r"^[%!?].*$", re.MULTILINE)  # a line that is Jupyter's, not Python's
VALUES = "write a text, a number, or a list of texts"


@dataclass(frozen=True)
class Given:
    """What was handed in.

    Attributes:
        kind: "code" or "value".
        text: the code, or the one value as text.
        words: the members, where a list was handed in.
        name: of code, the class that is the answer; "" for the last one.
        refused: why it is no answer; "" where it may be one.
    """

    kind: str = VALUE
    text: str = ""
    words: tuple[str, ...] = ()
    name: str = ""
    refused: str = ""


def given_of(answer: Any, asks_code: bool) -> Given:
    """Read what a learner handed in, whatever it is.

    Args:
        answer: a class, code, a text, a number, a list of texts, or anything else.
        asks_code: whether code is asked for; then a text is code.
    """
    try:
        return _read(answer, asks_code)
    except Exception as wrong:  # an object may raise at every touch
        return Given(refused=f"this is no answer: {type(wrong).__name__}")


def _read(answer: Any, asks_code: bool) -> Given:
    if answer is None or answer is Ellipsis:
        return Given(refused=NOTHING)
    if isinstance(answer, type):
        if not asks_code:
            return Given(refused=f"a class is no answer here; {VALUES}")
        return _class(answer)
    if isinstance(answer, bool) or not isinstance(answer, str | int | list | tuple):
        wanted = "write a class that derives from the exercise's given one" if asks_code else VALUES
        return Given(refused=f"{quoted(answer)} is no answer; {wanted}")
    if isinstance(answer, str):
        return _text(str.__str__(answer), asks_code)
    if asks_code:
        return Given(refused=f"{quoted(answer)} is no answer; write a class")
    if isinstance(answer, int):
        return (
            Given(text=str(int(answer))) if abs(answer) < 10**12 else Given(refused="a huge number")
        )
    return _list(answer)


def _text(answer: str, asks_code: bool) -> Given:
    most = MOST_CODE if asks_code else MOST_TEXT
    if not answer.strip():
        return Given(refused=NOTHING)
    if len(answer) > most:
        return Given(
            refused=f"the answer has {len(answer):,} characters; at most {most:,} are read"
        )
    return Given(CODE if asks_code else VALUE, answer)


def _list(answer: Iterable[Any]) -> Given:
    words = list(answer)
    if not words:
        return Given(refused=NOTHING)
    if len(words) > MOST_WORDS or not all(
        isinstance(each, str | int) and not isinstance(each, bool) for each in words
    ):
        return Given(refused=f"{quoted(words)} is not a list of at most {MOST_WORDS:,} texts")
    texts = tuple(str(each) for each in words)
    if sum(map(len, texts)) > MOST_TEXT:
        return Given(refused=f"the answer is too long; at most {MOST_TEXT:,} characters are read")
    return Given(words=texts)


def _class(mine: type) -> Given:
    """Return the text of the cell, or the file, that a class was written in."""
    for value in vars(mine).values():
        if isinstance(value, FunctionType):
            lines = linecache.getlines(value.__code__.co_filename)
            if not lines:
                return Given(
                    refused=f"the code of {mine.__name__} cannot be read; write it in a cell"
                )
            text = "".join(lines)
            if len(text) > MOST_CODE:
                return Given(refused=f"its file has more than {MOST_CODE:,} characters")
            return Given(CODE, text, name=mine.__name__)
    return Given(refused="the class has no method: write those that the exercise asks for")


# -- code, made harmless to define ------------------------------------------------------------


class Refused(Exception):
    """Code that would run when it is defined; the message says which, and what to write."""


def definitions(text: str) -> ast.Module:
    """Return the imports, classes and functions of a text; the rest of it is left out.

    Raises:
        Refused: it is no Python, or a class or a function would run something as it is defined.
    """
    try:
        tree = ast.parse(MAGIC.sub("", text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as wrong:
        line = getattr(wrong, "lineno", None)
        at = f"line {line}: " if line else ""
        raise Refused(f"{at}this is no Python: {getattr(wrong, 'msg', wrong)}") from None
    tree.body = [node for node in tree.body if _is_kept(node)]
    for node in tree.body:
        _check(node)
    return tree


def _is_kept(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        node.names = [each for each in node.names if _is_ours(each.name)]
        return bool(node.names)
    if isinstance(node, ast.ImportFrom):
        return node.level == 0 and _is_ours(node.module or "")
    if isinstance(node, ast.Assign):
        return (
            len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
            and _is_given(node.value)
        )
    return isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "mmviz"


def _is_given(node: ast.expr) -> bool:
    """Tell whether an expression is a name, an exercise, or its given class."""
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.Attribute):
        return node.attr in ("given", "exercise") and _is_given(node.value)
    if isinstance(node, ast.Call):
        values = [*node.args, *(each.value for each in node.keywords)]
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        plain = all(isinstance(each, ast.Constant) for each in values)
        return name == "exercise" and plain and _is_given(node.func)
    return False


def _check(node: ast.stmt) -> None:
    """Refuse a definition that runs something.

    Raises:
        Refused: the message names the line.
    """
    at = f"line {node.lineno}: "
    if isinstance(node, ast.ClassDef):
        if node.keywords or not all(map(_is_given, node.bases)):
            raise Refused(
                f'{at}write class {node.name}(mmviz.exercise("…").given), and nothing more'
            )
        if node.decorator_list:
            raise Refused(f"{at}{node.name} has a decorator; leave it out")
        for each in node.body:
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                continue
            if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Pass):
                raise Refused(
                    f"line {each.lineno}: the class of an answer has methods, and nothing else"
                )
            _check(each)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if node.decorator_list:
            raise Refused(f"{at}{node.name} has a decorator; write a plain async def")
        values = [*node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        if not all(isinstance(each, ast.Constant) for each in values):
            raise Refused(f"{at}the default of an argument is a plain value")
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        node.returns = None


def named(cells: Iterable[str], name: str) -> Given:
    """Return what cells assign to a name, or the class of that name; the last one counts.

    Nothing of the cells is run.
    """
    found = Given(refused=NOTHING)
    for text in cells:
        if name not in text or len(text) > MOST_CODE:
            continue
        try:
            body = ast.parse(MAGIC.sub("", text)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as wrong:
            found = Given(
                refused=f"the cell with {name} is no Python: {getattr(wrong, 'msg', wrong)}"
            )
            continue
        if any(isinstance(node, ast.ClassDef) and node.name == name for node in body):
            found = Given(CODE, text, name=name)
        for value in _assigned(body, name):
            try:
                found = given_of(ast.literal_eval(value), asks_code=False)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                found = Given(refused=f"{name} is not a plain value; {VALUES}")
    return found


def _assigned(body: list[ast.stmt], name: str) -> Iterator[ast.expr]:
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            yield node.value


def class_of(given: Given, asked: Exercise) -> type:
    """Define the class of an answer, and return it.

    Raises:
        Refused: there is none, or it answers another exercise.
    """
    text = given.text
    linecache.cache[FILE] = (len(text), None, text.splitlines(keepends=True), FILE)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(definitions(text), FILE, "exec", dont_inherit=True), names)
    classes = {
        name: each
        for name, each in names.items()
        if isinstance(each, type) and each.__module__ == "__main__"
    }
    if given.name:
        classes = {name: each for name, each in classes.items() if name == given.name}
    mine = next(reversed(list(classes.values())), None)
    if mine is None:
        raise Refused(
            f"there is no class {given.name or 'Mine'}; write class Mine({asked.words}.given)"
        )
    write = f"write class {mine.__name__}({asked.words}.given)"
    known = exercise_of(mine)
    if known is None:
        raise Refused(f"{mine.__name__} derives from no exercise; {write}")
    if (known.name, known.seed) != (asked.name, asked.seed):
        raise Refused(f"{mine.__name__} answers {known.words}; {write}")
    return mine
