"""Whatever a reader's race is called, no form takes it for more than text."""

import json
import re
from functools import cache
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import mistune
import pytest
from hypothesis import HealthCheck, example, given, settings

from mmviz.engine.text import printable
from mmviz.writing import markdown, mermaid, tikz
from mmviz.writing.saved import saved
from tests.writing.hostile import TRICKS, line, searched, words

some = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
few = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
ORDER = "CPU0 CPU1"


def text_of(form, text):
    return saved(searched(text), ORDER, form).decode()


@cache
def plain_of(form):
    return text_of(form, "plain")


def all_tricks(test):
    for trick in TRICKS:
        test = example(trick)(test)
    return test


def shown(text):
    """Return the title of the race that says a text."""
    return searched(text).case.race.title


class Page(HTMLParser):
    """The tags of a page, and what its script of data holds."""

    def __init__(self):
        super().__init__()
        self.tags, self.data, self.inside = [], "", False

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, *sorted(name for name, _ in attributes)))
        self.inside = ("type", "application/json") in attributes

    def handle_data(self, text):
        self.data += text if self.inside else ""


def parsed(page):
    found = Page()
    found.feed(page)
    return found


@few
@all_tricks
@given(words)
def test_a_page_has_the_same_tags(text):
    found = parsed(text_of("html", text))
    assert found.tags == parsed(plain_of("html")).tags
    assert json.loads(found.data)["film"]["head"]["title"] == printable(shown(text))


@few
@all_tricks
@given(words)
def test_a_picture_has_the_same_elements(text):
    drawn = text_of("svg", text)
    assert not BIDI.search(drawn)
    known = {"svg", "title", "rect", "text", "polyline", "polygon", "path", "circle"}
    tree = ElementTree.fromstring(drawn)
    assert {element.tag.rpartition("}")[2] for element in tree.iter()} <= known
    assert all(not name.startswith("on") for element in tree.iter() for name in element.attrib)


@some
@all_tricks
@given(words)
def test_a_diagram_keeps_its_rows(text):
    drawn = text_of("txt", text)
    assert not BIDI.search(drawn.replace("\n", ""))
    rows = drawn.splitlines()
    begun = [row for row in rows if not re.match(r"   \S", row)]  # a step that goes on is hung
    assert len(begun) == len(plain_of("txt").splitlines())
    assert max(map(len, rows)) <= 75


@some
@all_tricks
@given(words)
def test_markdown_renders_as_it_was_written(text):
    report = text_of("md", text)
    assert not BIDI.search(report)
    html = mistune.create_markdown(escape=False, plugins=["url", "table", "strikethrough"])(report)
    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= {"h3", "p", "code", "pre", "ul", "li"}
    heading = unescape(re.sub(r"<[^>]*>", "", html.partition("</h3>")[0]))
    assert line(heading) == line(text or "title") or not line(text)


@some
@all_tricks
@given(words)
def test_words_of_markdown_call_on_no_one(text):
    html = mistune.create_markdown(escape=False, plugins=["url"])(f"So {markdown.plain(text)}")
    outside = re.sub(r"<code>.*?</code>", "", html)
    assert "@" not in outside
    assert not re.search(r"#\d", unescape(outside))
    assert "<a" not in html


NAMED = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<"}
NAMED |= {"textgreater": ">", "textbar": "|", "textquotedbl": '"', "textquotesingle": "'"}
NAMED |= {"textasciigrave": "`", "ldots": "…", "$\\rightarrow$": "→", "$\\times$": "\u00d7"}
TEX = re.compile(
    r"\\mmchar\{(?P<code>[0-9A-F]{4,6})\}|(?P<math>\$\\\w+\$)|\\(?P<name>[a-z]+)\{\}"
    r"|\\(?P<sign>[#$%&_{}])|(?P<dash>(?:\{-\})(?:\{-\})?)|\{,\}|(?P<char>[^\\{}#$%&_^~<>|\"'`-])"
)


def as_printed(tex):
    """Return what TeX prints for a text that uses the few macros known here, or fail."""
    printed, at = "", 0
    while at < len(tex):
        found = TEX.match(tex, at)
        assert found, tex[at:]
        at = found.end()
        if found["code"]:
            printed += chr(int(found["code"], 16))
        elif found["math"] or found["name"]:
            printed += NAMED[found["math"] or found["name"]]
        elif found["dash"]:
            printed += "-"
            at -= 3 * (found["dash"] == "{-}{-}")
        else:
            printed += found["sign"] or found["char"] or ","
    return printed


@some
@all_tricks
@given(words)
def test_tex_prints_what_was_written(text):
    tex = tikz.plain(text)
    assert tex.isascii()
    assert as_printed(tex).replace("--", "\N{EN DASH}") == line(text).replace("--", "\N{EN DASH}")


@some
@all_tricks
@given(words)
def test_a_document_of_tex_has_the_same_commands(text):
    def commands(tex):
        return [row.partition(" at ")[0] for row in tex.splitlines()[1:]]

    drawn = text_of("tex", text)
    assert drawn.isascii()
    assert len(drawn.splitlines()) == len(plain_of("tex").splitlines())
    assert commands(drawn)[:14] == commands(plain_of("tex"))[:14]
    assert drawn.count(r"\end{document}") == 1


@some
@all_tricks
@given(words)
def test_mermaid_shows_what_was_written(text):
    said = mermaid.plain(text)
    seen = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), said.replace("<br/>", " "))
    assert "".join(seen.split()) == "".join(line(text).split())
    bare = re.sub(r"#\d+;|<br/>", "", said)
    assert not set(bare) & set('#;<>%:{}[]"\\`|&\n')


@some
@all_tricks
@given(words)
def test_a_sequence_has_the_same_lines(text):
    def heads(form):
        return [row.partition(":")[0] for row in form.splitlines()]

    drawn, plain = text_of("mmd", text), plain_of("mmd")
    assert heads(drawn) == heads(plain)


def test_the_tests_see_what_is_not_escaped(monkeypatch):
    monkeypatch.setattr(tikz, "SIGNS", {})
    with pytest.raises(AssertionError):
        as_printed(tikz.plain("a_b"))
