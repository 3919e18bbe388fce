"""The reference of the package, made by pdoc out of its docstrings, as a part of the site."""

import importlib
import os
import re
import tempfile
import warnings
from html import unescape
from pathlib import Path
from typing import Any

from mmviz.engine.html import escape
from mmviz.scene import theme

# What is called, and what a race is written with; a package that lists its public names has only
# these. Races have pages of their own.
PACKAGES = ("mmviz", "mmviz.engine", "mmviz.kernel", "mmviz.survey", "mmviz.widgets")
NAMELESS = re.compile(rb'(<a class="headerlink" href="#([^"]*)")></a>')  # has a sign of its style
MAIL = re.compile(rb'<a href=\\?"([^"\\<>]*)\\?">([^<]*)</a>')
MODULE = """{% extends "default/module.html.jinja2" %}
{% block title %}{{ module.modulename }} · reference of mmviz{% endblock %}
{% block head %}<script src="{{ "../" * (module.modulename.count(".") + 1) }}site.js"></script>
{% endblock %}
{% block module_list_link %}
<a class="pdoc-button" href="{{ "../" * (module.modulename.count(".") + 1) }}index.html">site</a>
{% if "." in module.modulename %}{{ super() }}{% endif %}
{% endblock %}
{% block attribution %}{% endblock %}
{% macro is_public(doc) %}
{% if not doc.docstring.startswith("One field of one class") -%}
{{ default_is_public(doc) }}
{%- endif %}
{% endmacro %}
"""
INDEX = """{% set root_module_name = "" %}
{% extends "default/index.html.jinja2" %}
{% block title %}Reference of mmviz{% endblock %}
{% block head %}<script src="../site.js"></script>{% endblock %}
{% block nav %}<a class="pdoc-button" href="../index.html">site</a>{{ super() }}{% endblock %}
{% block logo %}<h1>Reference of mmviz</h1>{% endblock %}
"""
COLOURS = """
body { background: var(--mm-paper); color: var(--mm-ink); --pdoc-background: var(--mm-paper); }
html { background: none; }
main.pdoc a { text-decoration: underline; }
.pdoc {
  --text: var(--mm-ink); --muted: var(--mm-dim); --link: var(--mm-read-stroke);
  --link-hover: var(--mm-read-stroke); --code: var(--mm-pane); --active: var(--mm-read-fill);
  --accent: var(--mm-plain-fill); --accent2: var(--mm-rule); --nav-hover: var(--mm-pane);
  --name: var(--mm-read-stroke); --def: var(--mm-good-text); --annotation: var(--mm-held-text);
}
"""


def reference() -> dict[str, bytes]:
    """Return the files of the reference, by their path in the site.

    pdoc keeps what it is told for the whole process, so this belongs into a process of its own.
    """
    import pdoc
    import pdoc.render

    package: Any = importlib.import_module(PACKAGES[0])
    for name in package.__all__:  # what is imported when first used is otherwise not seen
        setattr(package, name, getattr(package, name))
    os.environ["PATH"] = ""  # the index is to be the same with Node.js and without

    with tempfile.TemporaryDirectory() as folder:
        templates, made = Path(folder, "templates"), Path(folder, "made")
        for name, text in {
            "module.html.jinja2": MODULE,
            "index.html.jinja2": INDEX,
            "theme.css": theme.css("body") + COLOURS,
            "syntax-highlighting.css": "",
        }.items():
            templates.mkdir(exist_ok=True)
            (templates / name).write_text(text, "utf-8")
        pdoc.render.configure(
            docformat="google",
            show_source=False,
            include_undocumented=False,
            template_directory=templates,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pdoc.pdoc(*PACKAGES, output_directory=made)
        ours = str(Path(package.__file__).parents[1]).encode()  # in the value of a constant
        return {
            f"reference/{path.relative_to(made).as_posix()}": _cleaned(path.read_bytes(), ours)
            for path in sorted(made.rglob("*"))
            if path.is_file()
        }


def _cleaned(text: bytes, ours: bytes) -> bytes:
    """Return a file without the path of the package, and with a name for each link."""
    named = NAMELESS.sub(rb'\1 aria-label="Link to \2"></a>', text.replace(ours, b""))
    return MAIL.sub(_message, named)


def _message(found: re.Match[bytes]) -> bytes:
    """Return the id of a message as text: as an address it is written in random signs."""
    if not unescape(found[1].decode()).startswith("mailto:"):
        return found[0]
    return escape(f"<{unescape(found[2].decode())}>").encode()
