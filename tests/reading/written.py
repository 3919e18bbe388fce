"""Writes diagrams in the styles that people use, and damages them as mailers and editors do."""

import random
import re
from typing import NamedTuple

WORDS = ("alloc", "free", "put", "get", "lock", "list", "dev", "sk", "task")
ENDS = ("add", "del", "one", "all", "rcu", "work")
SHAPES = (
    "{f}()",
    "{f}(p)",
    "{f}(&p->lock)",
    "p->{f} = NULL;",
    "spin_lock(&{f})",
    "if (p->{f})",
    "{f}",
)


class Written(NamedTuple):
    """A diagram: its text, and (column, step) of each step in the order of time."""

    text: str
    steps: list


def tabbed(row, rnd, often):
    """Replace runs of blanks by tabs, where they reach a tab stop."""
    out, at = "", 0
    while at < len(row):
        if row[at] != " ":
            out += row[at]
            at += 1
            continue
        end = at + len(row[at:]) - len(row[at:].lstrip(" "))
        while rnd.random() < often and (stop := (at // 8 + 1) * 8) <= end and end - at > 1:
            out += "\t"
            at = stop
        out += " " * (end - at)
        at = end
    return out


def row_of(cells):
    row = ""
    for x, text in cells:
        if row and len(row) > x - 2:
            return None
        row = row.ljust(x) + text
    return row


def names_of(rnd, count):
    letters = "ABCD"[:count]
    return rnd.choice(
        [
            [f"CPU{n}" for n in range(count)],
            [f"CPU {n}" for n in range(count)],
            [f"Thread {letter}" for letter in letters],
            [f"T{n + 1}" for n in range(count)],
            [f"Task {n} (kworker/{n})" for n in range(count)],
            None,
        ]
    )


def written(seed):
    """Return a diagram in a style of its own."""
    rnd = random.Random(seed)
    count, width = rnd.choice([2] * 6 + [3, 4]), rnd.choice([24, 32, 36, 40, 45])
    names = names_of(rnd, count)
    base, nest = rnd.choice([0, 0, 1, 2, 6]), rnd.choice([1, 2, 4])
    off = rnd.choice([0, 0, 0, 2, 4, 8, -3])
    over, remarks, blanks, same = (rnd.random() < p for p in (0.3, 0.3, 0.4, 0.4))
    x = [base + k * width for k in range(count)]
    rows, steps = [], []
    if names:
        at = [x[0]] + [each + off for each in x[1:]]
        rows.append(row_of(zip(at, names, strict=True)))
        if rnd.random() < 0.3:
            rules = ["-" * min(len(name), width - 3) for name in names]
            rows.append(row_of(zip(at, rules, strict=True)))

    def step():
        f = f"{rnd.choice(WORDS)}_{rnd.choice(ENDS)}{rnd.randint(0, 99)}"
        if over and rnd.random() < 0.3:
            return f"{f}(p, {'argument_' * rnd.randint(1, 4)}x)"
        return rnd.choice(SHAPES).format(f=f)

    depth, now, left = [0] * count, 0, set(range(count))
    for number in range(rnd.randint(5, 16)):
        if number and rnd.random() < 0.35:
            now = rnd.randrange(count)
        text = step()
        steps.append((now + 1, text))
        left.discard(now)
        shown = text + (" // boom" if remarks and rnd.random() < 0.2 else "")
        cells = [(x[now] + depth[now] * nest, shown)]
        depth[now] = max(0, min(4, depth[now] + rnd.choice([-1, 0, 0, 1])))
        if same and now + 1 < count and rnd.random() < 0.4:
            text = step()
            beside = (x[now + 1] + depth[now + 1] * nest, text)
            if row_of([*cells, beside]):
                cells.append(beside)
                steps.append((now + 2, text))
                left.discard(now + 1)
        rows.append(row_of(cells))
        if blanks and rnd.random() < 0.3:
            rows.append("")
    for column in sorted(left):
        steps.append((column + 1, text := step()))
        rows.append(row_of([(x[column], text)]))
    if any(row is None for row in rows):
        return written(seed + 10**6)
    return Written(dressed(rows, rnd), steps)


def dressed(rows, rnd):
    """Return the rows as the comment, or the mail, in which they stand."""
    star, tabs = rnd.choice(["", " * ", "\t * ", ""]), rnd.random() < 0.5
    if star == "\t * ":
        rows = ["\t" + (tabbed(f" * {row}", rnd, 0.7) if tabs else f" * {row}") for row in rows]
    else:
        rows = [tabbed(star + row, rnd, 0.7) if tabs else star + row for row in rows]
    quote = rnd.choice([""] * 5 + ["> ", "> > "])
    return "\n".join(quote + row for row in rows) + "\n"


# -- damage ------------------------------------------------------------------------------------


def _each(text, change):
    """Change what stands behind the quoting and the comment star of each row."""
    rows = []
    for row in text.split("\n"):
        prefix = re.match(r"(?:> )*(?:[ \t]*\*)?", row)[0]
        wide = (prefix + row[len(prefix) :]).expandtabs(8)[len(prefix.expandtabs(8)) :]
        rows.append(prefix + (" " if prefix.endswith("*") else "") + change(wide))
    return "\n".join(rows)


def narrow_tabs(row):
    """Write a row with tabs that are four wide."""
    row = row.ljust(-(-len(row) // 4) * 4)
    out = ""
    for at in range(0, len(row), 4):
        part = row[at : at + 4]
        ends = part.endswith("  ") and row[at + 4 :].strip()
        out += part.rstrip(" ") + "\t" if ends else part
    return out.rstrip()


def wrapped(text, width=72):
    rows = []
    for row in text.split("\n"):
        cut = row.rfind(" ", 0, width)
        if len(row) > width and row[:cut].strip():
            rows += [row[:cut], row[cut + 1 :].lstrip()]
        else:
            rows.append(row)
    return "\n".join(rows)


HARMLESS = {
    "as written": lambda text: text,
    "quoted again": lambda text: "\n".join(f"> {row}" for row in text.expandtabs(8).split("\n")),
    "quoted twice": lambda text: "\n".join(f"> > {row}" for row in text.split("\n")),
    "git log": lambda text: re.sub(r"(?m)^((?:> )*)", r"\1    ", text),
    "no-break spaces": lambda text: text.replace("  ", "\u00a0 "),
    "line ends of another system": lambda text: text.replace("\n", "\r\n"),
}
DAMAGE = {
    "blanks collapsed": lambda text: _each(text, lambda row: " ".join(row.split())),
    "blanks trimmed": lambda text: _each(text, str.lstrip),
    "tabs four wide": lambda text: _each(text, narrow_tabs),
    "wrapped": wrapped,
    "blanks collapsed within": lambda text: _each(
        text, lambda row: re.match(r"\s*", row)[0] + " ".join(row.split())
    ),
}
