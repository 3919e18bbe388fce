"""`mmviz schema`: the JSON Schema of what a command prints with `--json`."""

from pathlib import Path

from mmviz.engine import nearest

FOLDER = Path(__file__).parent / "schemas"


def schemas() -> dict[str, Path]:
    """Return the file of each schema, by the command that it is of."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.json"))}


def show_schema(name: str | None) -> int:
    """Print a schema, without a name the names, and return the exit status.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
    """
    known = schemas()
    print("\n".join(known) if name is None else nearest(known, name, "schema").read_text("utf-8"))
    return 0
