"""A page of the site: its frame, its tables, its texts and what its stages play.

All addresses in a page are relative, so that it opens from any host and from disk. What a stage
plays is a classic script, which is all that a page opened from disk may load.
"""

import json
import re
import zlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from posixpath import dirname, relpath
from typing import Any
from urllib.parse import quote

from mmviz.engine.html import escape

FOUND = {
    "course": "course/index.html",
    "threads": "threads.html",
    "all cases": "catalogue.html",
    "mutants": "mutants.html",
    "reference": "reference/index.html",
}
NO_SCRIPT = (
    "The stages and the search of this site are drawn by a script, and this browser runs none. "
    "The texts and the tables can be read without it."
)
STRESSED = re.compile(r"(?<![\w*])\*(\w(?:[^*<>\n]{0,80}\w)?)\*(?![\w*])")
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{up}site.css">{more}
<script src="{up}site.js"></script>
<noscript><style>section.stage {{ display: none; }}</style></noscript>
</head>
<body class="mm-theme">
<a class="skip" href="#main">Skip to the content</a>
<header><nav aria-label="Site">{links}</nav>
<button type="button" id="look" hidden></button></header>
<main id="main" tabindex="-1">
{body}
</main>
<noscript><p class="note">{no_script}</p></noscript>
</body>
</html>
"""
STAGE = (
    '\n<link rel="stylesheet" href="{up}stage.css">\n<script defer src="{up}stage.js"></script>'
    '\n<script defer src="{up}stages.js"></script>'
)


def page(
    where: str, title: str, body: str, there: Iterable[str], stage: bool = False, more: str = ""
) -> bytes:
    """Return a page.

    Args:
        where: its path in the site, "race/hmm/double_unregister.html".
        title: of the page, as text.
        body: HTML, from the first heading on.
        there: which parts of the site there are, as named in `FOUND`.
        stage: whether stages play on it.
        more: HTML for its head.
    """
    up = "../" * where.count("/")
    links = [("mmviz", "index.html"), *((name, FOUND[name]) for name in FOUND if name in there)]
    return PAGE.format(
        title=escape(title),
        up=up,
        more=(STAGE.format(up=up) if stage else "") + more.format(up=up),
        links="".join(
            f'<a href="{up}{address}"{here(address == where)}>{escape(name)}</a>'
            for name, address in links
        ),
        body=body,
        no_script=NO_SCRIPT,
    ).encode()


def here(is_here: bool) -> str:
    """Return what says of a link that it leads to this very page."""
    return ' aria-current="page"' if is_here else ""


def link(text: str, to: str, where: str, moment: str = "") -> str:
    """Return a link from one page of the site to another.

    Args:
        text: what it says.
        to: the path of the other page.
        where: the path of the page that it stands on.
        moment: the part of the address after `#`.
    """
    address = "" if to == where else relpath(to, dirname(where) or ".")
    after = f"#{quote(moment)}" if moment else ""
    return f'<a href="{escape(quote(address) + after)}">{escape(text)}</a>'


def table(
    label: str, head: Sequence[str], rows: Iterable[Sequence[str]], ids: Iterable[str] = ()
) -> str:
    """Return a table that scrolls where the page is narrower.

    Args:
        label: what it is a table of, as text.
        head: the heads of its columns, as text.
        rows: its cells, as HTML; the first of a row is the row's head.
        ids: an id a row.
    """
    top = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    named = [f' id="{escape(each)}"' for each in ids]
    body = ""
    for number, (first, *cells) in enumerate(rows):
        rest = "".join(f"<td>{cell}</td>" for cell in cells)
        mark = named[number] if named else ""
        body += f'<tr{mark}><th scope="row">{first}</th>{rest}</tr>\n'
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def told(text: str) -> str:
    """Return the paragraphs of a docstring; one with a list or an indent keeps its lines."""
    parts = []
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        if re.search(r"^(?:\s|[-*] |\(?\d+[.)] )", part, re.MULTILINE):
            parts.append(f'<p class="lines">{_stressed(escape(part))}</p>')
        elif part.strip():
            parts.append(f"<p>{_stressed(escape(' '.join(part.split())))}</p>")
    return "\n".join(parts)


def _stressed(html: str) -> str:
    """Return HTML with what stands between two `*` stressed."""
    return STRESSED.sub(r"<em>\1</em>", html)


def listed(text: str) -> str:
    """Return a text whose lines stand on their own."""
    return f'<p class="lines">{escape(text.strip())}</p>'


def packed(source: Any) -> bytes:
    """Return what a stage plays as a classic script: deflated JSON, a seventh of the JSON."""
    text = json.dumps(source, separators=(",", ":"), ensure_ascii=False).encode()
    return b'mmvizCase("' + b64encode(zlib.compress(text, 9)) + b'");\n'


def script(name: str, value: Any) -> bytes:
    """Return a classic script that gives a global variable of the page its value."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for sign in "<\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f"var {name} = {text};\n".encode()
