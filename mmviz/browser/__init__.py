"""The stage's code for the browser: data beside this file, no Python package needed to use it.

A page gets one script and one style sheet. The script is the modules one after the other in the
order in which they import each other, as if they had been written as one file: so no two modules
may give a name of their top level to different things.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent

_IMPORT = re.compile(r'import \{ ([\w$, ]+) \} from "\./([\w.-]+\.js)";')
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const|let) +([\w$]+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default .*;$", re.MULTILINE)
_DEFINED = re.compile(
    r"^(?:export )?(?:default )?(?:async )?(?:function\*?|class|const|let|var) +"
    r"(?:([\w$]+)|\{([^}=]*)\}|\[([^\]=]*)\])",
    re.MULTILINE,
)


def esm(*, entry: str = "stage.js") -> str:
    """Return the module `entry` and all that it imports as one ECMAScript module.

    Only what `entry` exports is exported.

    Raises:
        ValueError: Two modules have a top-level name in common or import each other, or an import
            or an export cannot be joined.
        FileNotFoundError: A module is not there.
    """
    return _joined(HERE, entry)


def script(*, entry: str = "stage.js", name: str = "mmviz") -> str:
    """Return what `esm` returns as a classic script, all that a page opened from disk can load.

    What `entry` exports by name is in the global variable `name`.

    Raises:
        ValueError, FileNotFoundError: as `esm`.
    """
    text = _DEFAULT.sub("", esm(entry=entry))
    exported = ", ".join(_EXPORTED.findall(text))
    inner = _EXPORT.sub("", text)
    return f'var {name} = (() => {{\n"use strict";\n{inner}\nreturn {{ {exported} }};\n}})();\n'


def css() -> str:
    """Return the style sheets as one, in the order of their names."""
    return "\n".join(path.read_text("utf-8") for path in sorted(HERE.glob("*.css")))


def _joined(folder: Path, entry: str) -> str:
    """Return a module and all that it imports, each once, after what it imports."""
    texts: dict[str, str] = {}
    _collect(folder, entry, (), texts)
    owners: dict[str, str] = {}
    parts = []
    for name, text in texts.items():
        for defined in _top_level_names(text):
            if defined in owners:
                raise ValueError(
                    f"{owners[defined]} and {name} both have the top-level name {defined!r}: "
                    "they are joined into one file, so rename one, or import it from the other"
                )
            owners[defined] = name
        parts.append(text if name == entry else _EXPORT.sub("", text))
    return "\n".join(parts)


def _collect(folder: Path, name: str, above: tuple[str, ...], texts: dict[str, str]) -> None:
    """Put a module into `texts` without its imports, after all that it imports."""
    if name in above:
        raise ValueError(f"modules import each other: {' -> '.join((*above, name))}")
    if name in texts:
        return
    kept = []
    for number, line in enumerate((folder / name).read_text("utf-8").splitlines(), 1):
        found = _IMPORT.fullmatch(line)
        if found:
            renamed = " as " in found[1]
        else:
            renamed = False
            kept.append(line)
        if renamed or (not found and re.match(r"import\b(?!\s*\()", line)):
            raise ValueError(
                f"{name}, line {number}: write an import in one line and without new names, "
                'as `import { one, two } from "./file.js";`'
            )
        if line.startswith(("export {", "export *")) or (
            above and line.startswith("export default")
        ):
            raise ValueError(
                f"{name}, line {number}: write `export` before the definition of what it exports; "
                "only the entry has a default export"
            )
        if found:
            _collect(folder, found[2], (*above, name), texts)
    texts[name] = "\n".join(kept).strip() + "\n"


def _top_level_names(text: str) -> list[str]:
    """Return the names that a module gives at its top level."""
    names = []
    for one, of_object, of_array in _DEFINED.findall(text):
        for part in (one or of_object or of_array).split(","):
            name = part.rpartition(":")[2].strip().removeprefix("...")
            if name:
                names.append(name)
    return names
