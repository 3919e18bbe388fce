"""The static site: what its files are, where its links lead, and what it leaves alone."""

import json
import re
import shutil
import zlib
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, normpath
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

from mmviz.cli import main
from mmviz.engine import MmvizError
from mmviz.writing.site import course_page, missing, site, write_site
from mmviz.writing.site_course import _Making
from mmviz.writing.site_folder import LIST, SiteFolder
from mmviz.writing.site_page import told
from mmviz.writing.site_race import place_of
from mmviz.writing.site_reference import _cleaned

RACES = ["vmstat/update_is_preempted", "hmm/mm_without_grab"]
EVIL = "</script><img src=x onerror=boom()>"
OWN = f'''"""{EVIL}

A story {EVIL} of "two" & three.
"""
from mmviz.engine import Race, World, atomic


class Machine(World):
    on: bool = False
    off: bool = False

    @atomic("{EVIL}")
    def set_on(self) -> None:
        """{EVIL}"""
        self.on = True

    @atomic("x.c")
    def set_off(self) -> None:
        """Is off."""
        self.off = self.on


def is_off(k: Machine) -> bool:
    """{EVIL}"""
    return k.off


async def one(k):
    await k.set_on()


async def two(k):
    await k.set_off()


race = Race(world=Machine, actors={{"one": one, "two": two}}, bad=[is_off])


@race.case("{EVIL}", name="{EVIL}", sometimes=[is_off])
async def bad(k):
    pass
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "my <race>'s.py"
    path.write_text(OWN, "utf-8")
    return path


@pytest.fixture(scope="module")
def files(own):
    return site([*RACES, str(own)], workers=1)


class Page(HTMLParser):
    """What a page refers to, and its ids."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value)
            elif name == "id":
                self.ids.append(value)
            assert not name.startswith("on"), (tag, name)


def pages(files):
    return {name: Page(text.decode()) for name, text in files.items() if name.endswith(".html")}


def unpacked(script):
    text = re.fullmatch(rb'mmvizCase\("([A-Za-z0-9+/=]+)"\);\n', script)[1]
    return json.loads(zlib.decompress(b64decode(text)))


def test_every_link_leads_to_a_file_of_the_site(files):
    seen = 0
    for name, page in pages(files).items():
        for link in page.links:
            parts = urlsplit(link)
            assert not parts.scheme, (name, link)
            assert not parts.netloc, (name, link)
            assert not link.startswith("/"), (name, link)
            if parts.path:
                seen += 1
                assert normpath(f"{dirname(name)}/{unquote(parts.path)}").lstrip("/") in files
        assert len(page.ids) == len(set(page.ids)), name
    assert seen > 60


def test_every_case_has_what_its_stage_plays(files):
    for race in RACES:
        text = files[f"race/{race}.html"].decode()
        names = re.findall(r'<option value="(\d+)" data-name="(\w+)"', text)
        assert names
        for number, name in names:
            source = unpacked(files[f"race/{race}/{number}.js"])
            assert source["film"]["head"]["case"] == name
            assert source["film"]["head"]["complete"]


def test_what_goes_wrong_leads_to_a_run_of_that_name(files):
    """`#case/moment` in a table is the beginning of a run that the stage of the case has."""
    found = 0
    for race in RACES:
        text = files[f"race/{race}.html"].decode()
        cases = dict(map(reversed, re.findall(r'<option value="(\d+)" data-name="(\w+)"', text)))
        for case, moment in re.findall(r'href="#(\w+)/(\w+)"', text):
            named = unpacked(files[f"race/{race}/{cases[case]}.js"])["named"]
            assert any(run["name"].startswith(moment.replace("_", " ")) for run in named), moment
            found += 1
    assert found > 3


def test_no_page_asks_the_network_or_tells_of_this_machine(files, own):
    told_of = (b"://", b"@import", b"//cdn", str(own.parent).encode(), str(Path.home()).encode())
    for name, content in files.items():
        text = content.replace(b"http://www.w3.org/", b"")  # the names of SVG and XHTML
        text = zlib.decompress(b64decode(text[11:-4])) if text.startswith(b"mmvizCase(") else text
        for each in told_of:
            assert each not in text, (name, each)


def test_a_reader_s_race_is_shown_and_its_words_are_no_markup(files):
    where = "race/own/my_race_s.html"
    text = files[where].decode()
    assert text.count("&lt;img src=x onerror=boom()&gt;") > 5
    for name, page in pages(files).items():
        assert "img" not in page.tags, name
    assert "Your own" in files["index.html"].decode()
    data = files["search_data.js"].decode()
    assert "boom()" in data
    assert "<" not in data
    assert unpacked(files["race/own/my_race_s/0.js"])["film"]["head"]["race"] == "my <race>'s.py"


def test_two_of_one_name_have_two_places():
    assert place_of("hmm/double_unregister") == "race/hmm/double_unregister.html"
    first = place_of("a/race.py")
    assert place_of("b/race.py", [first]) == "race/own/race_2.html"
    assert place_of("../../..py") == "race/own/_.html"


def test_two_builds_are_the_same_bytes(files, own):
    assert site([*RACES, str(own)], workers=2) == files


def test_a_text_keeps_its_lists_and_nothing_else():
    assert told("one *two*\nthree\n\n1. x\n2. y") == (
        '<p>one <em>two</em> three</p>\n<p class="lines">1. x\n2. y</p>'
    )
    assert told("char *a, *b; 2 * 3 * 4") == "<p>char *a, *b; 2 * 3 * 4</p>"


# ---- the folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "public"


def test_an_earlier_site_is_replaced_and_what_is_gone_is_removed(folder):
    SiteFolder(str(folder)).put({"index.html": b"1", "race/a/b.html": b"2"})
    SiteFolder(str(folder)).put({"index.html": b"3"})
    assert sorted(path.name for path in folder.rglob("*")) == ["index.html", LIST]
    assert (folder / "index.html").read_bytes() == b"3"
    SiteFolder(str(folder)).put({"index.html": b"3"})  # a third time, nothing differs


def test_a_file_that_the_reader_added_or_changed_stays(folder):
    SiteFolder(str(folder)).put({"index.html": b"1"})
    (folder / "mine.txt").write_text("mine")
    SiteFolder(str(folder)).put({"index.html": b"2"})
    assert (folder / "mine.txt").read_text() == "mine"
    with pytest.raises(MmvizError, match=r"mine\.txt' is not as mmviz left it"):
        SiteFolder(str(folder)).put({"index.html": b"3", "mine.txt": b"ours"})
    (folder / "index.html").write_text("changed")
    with pytest.raises(MmvizError, match=r"index\.html' is not as mmviz left it"):
        SiteFolder(str(folder)).put({"index.html": b"3"})
    assert (folder / "index.html").read_text() == "changed"


def test_a_folder_that_is_no_site_is_refused_before_anything_is_searched(folder, capsys):
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    assert main(["export", "--site", str(folder), *RACES]) == 2
    assert "is no site of mmviz" in capsys.readouterr().err
    for listed in ("{", "[]", '{"../thesis.tex": "0"}', '{"/etc/passwd": "0"}', "[" * 100_000):
        (folder / LIST).write_text(listed)
        with pytest.raises(MmvizError, match="is no site of mmviz"):
            SiteFolder(str(folder))


def test_links_that_are_planted_are_not_followed(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "notes.txt").write_text("mine")
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(MmvizError, match="is not a folder"):
        SiteFolder(str(tmp_path / "link"))
    SiteFolder(str(folder)).put({"index.html": b"1", "race/a.html": b"2"})
    shutil.rmtree(folder / "race")
    (folder / "race").symlink_to(victim)
    with pytest.raises(MmvizError, match=r"race' is not a folder"):
        SiteFolder(str(folder)).put({"index.html": b"1", "race/notes.txt": b"2"})
    (folder / "race").unlink()
    (folder / "index.html").unlink()
    (folder / "index.html").symlink_to(victim / "notes.txt")
    with pytest.raises(MmvizError, match=r"index\.html' is not a regular file"):
        SiteFolder(str(folder)).put({"index.html": b"1"})
    (folder / "index.html").unlink()
    (folder / "index.html").hardlink_to(victim / "notes.txt")
    with pytest.raises(MmvizError, match="is not as mmviz left it"):
        SiteFolder(str(folder)).put({"index.html": b"1"})
    assert (victim / "notes.txt").read_text() == "mine"


# ---- the command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["public", "hmm/no_such"], "there is no scenario"),
        (["public", f"{RACES[0]}:X"], "a site has whole races"),
        (["", RACES[0]], "a site needs a folder"),
        (["public", RACES[0], "-o", "x.html"], "--output does not go with --site"),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_to_write(
    words, said, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--site", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_the_packages_of_the_course_it_says_what_to_install(monkeypatch, folder):
    assert missing() == []
    monkeypatch.setattr("mmviz.writing.site.NEEDS", ("no_such_package",))
    with pytest.raises(MmvizError, match=r"no_such_package: pip install 'mmviz\[site\]'"):
        write_site(str(folder), RACES, [Path("00_start.ipynb")])


# ---- the course


def cell(source, *outputs, kind="code", **metadata):
    return SimpleNamespace(cell_type=kind, source=source, outputs=outputs, metadata=metadata)


def test_a_notebook_that_is_run_has_its_stage_its_texts_and_its_debate(tmp_path):
    import nbformat

    cells = [
        nbformat.v4.new_markdown_cell(f"# A *page*\n\n{EVIL}\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
        nbformat.v4.new_code_cell(
            f"import mmviz\nstage = mmviz.Driver('{RACES[0]}', views=['causes'])\nstage"
        ),
        nbformat.v4.new_code_cell(
            f"print(mmviz.explore('{RACES[0]}', 'x' and mmviz.load('{RACES[0]}').cases[0].name))"
        ),
        nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["answer"]}),
    ]
    path = tmp_path / "00_page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    made = course_page(path)
    assert made.title == "A page"
    assert "<img" not in made.body.replace('<img class="mm-image', "")
    assert "<table>" in made.body
    assert "<details><summary>Answer</summary>" in made.body
    assert re.search(r"\d states and \d+ transitions;", made.body)  # without how long it took
    (name,) = made.files
    assert f'data-file="{name.partition("/")[2]}"' in made.body
    source = unpacked(made.files[name])
    assert source["mode"] == "driver"
    assert [view["name"] for view in source["film"]["head"]["views"]] == ["memory"]
    assert "pane" not in source
    assert "at the end of the run</figcaption>" in made.body


def test_what_a_question_of_a_notebook_seals_is_folded(tmp_path):
    import nbformat

    asks = (
        f"import mmviz\nmmviz.Predict('{RACES[0]}', then=['report', 'What it *seals*, in words.'])"
    )
    cells = [
        nbformat.v4.new_markdown_cell("# A page"),
        nbformat.v4.new_code_cell(asks),
        nbformat.v4.new_code_cell("'for a speaker'", metadata={"tags": ["teacher"]}),
    ]
    path = tmp_path / "00_page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before, fold, sealed = course_page(path).body.partition("<details><summary>Answer</summary>")
    assert fold
    assert "<ol type='A'>" in before
    assert "What it <em>seals</em>, in words." in sealed
    for telling in ("seals", "then=", "Right.", "mm-report", 'class="stage"', "for a speaker"):
        assert telling not in before
    for part in ("then=", "Right.", "mm-report", 'class="stage"'):
        assert part in sealed
    assert "for a speaker" not in sealed


def test_what_a_cell_prints_is_one_text_however_it_arrives():
    import nbformat

    def shown(*texts):
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in texts]
        outputs.append(nbformat.v4.new_output("execute_result", {"text/plain": "<3>"}))
        cells = [nbformat.v4.new_code_cell("x", outputs=outputs)]
        return _Making("00", nbformat.v4.new_notebook(cells=cells)).page().body

    assert shown("one\n", "two\n") == shown("one\ntwo\n")
    assert "&lt;3&gt;" in shown("one")


def test_ids_of_messages_in_the_reference_are_text():
    mail = b'"<a href=\\"&#109;&#97;ilto&#58;a&#64;b\\">&#97;&#64;b</a> <a href="x.html">y</a>"'
    assert _cleaned(mail, b"/place/of/it") == b'"&lt;a@b&gt; <a href="x.html">y</a>"'
    assert _cleaned(b"PosixPath('/place/of/it/mmviz')", b"/place/of/it") == b"PosixPath('/mmviz')"


def test_a_debate_of_a_notebook_is_the_one_of_its_thread():
    states = {
        "box": {"state": {"children": ["IPY_MODEL_table"]}},
        "table": {"state": {"asked": "thread hmm"}},
    }
    book = SimpleNamespace(
        metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {"state": states}}},
        cells=[],
    )
    making = _Making("00", book)
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "box"}}
    assert making._debate(making._state(view)) == "hmm"
    assert making._debate(making._state({})) == ""
