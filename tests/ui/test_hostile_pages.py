"""Hostile texts on the stage, in the one file and in the site: shown as they are, never markup."""

import pytest

import mmviz
from mmviz.writing.brought import written
from mmviz.writing.saved import saved
from mmviz.writing.site import write_site

IMAGE = "<img src=x onerror=zqx(1)>"
SCRIPT = "</script><script>zqx(1)</script>"
LINK = "<a href='javascript:zqx(1)'>zqx</a>[zqx](javascript:zqx(1))"
TURNED = "\u202ezqx\u2066 \x1b[31mzqx\x9b2J"
DRAWN = '"><svg onload=zqx(1)><b>zqx</b>'
WORDS = f"{IMAGE} {SCRIPT} {DRAWN} {LINK} $x$ &lt;b&gt; {{zqx}} `zqx`"

RACE = '''"""{words}

{words} {turned}

Promise: {words}
"""
from mmviz.engine import Race, atomic
from mmviz.engine.struct import World
from mmviz.kernel.provenance import constructed

WORDS = {words!r} + {turned!r}


class Machine(World):
    word: str = ""
    other: str = WORDS

    @atomic("file<b>zqx</b>.c")
    def store(self, word):
        """{words} {turned}"""
        self.word = word


def is_wrong(k):
    """{words} {turned}"""
    return k.word == WORDS


async def writes(k):
    await k.store(WORDS)
    await k.store("{image}")


race = Race(
    world=Machine,
    actors={{"CPU<b>zqx</b>": writes, "<img/src=x/onerror=zqx(1)>": writes}},
    bad=[is_wrong],
)
race.case(
    {words!r}, name={image!r}, of=1, sometimes=[is_wrong], always=[], note=WORDS,
    source=constructed(WORDS),
)
'''
MAIL = f"""
    {IMAGE}              CPU1 <b>zqx</b>
    --------              ------
    lock(&a{IMAGE})
                          f(<script>zqx(1)</script>)   // {LINK}
    <b>zqx</b>(x)         // {IMAGE}
                          unlock(&"><svg/onload=zqx(1)>)
"""
WATCH = """window.zqx = () => {
    const {target} = window.event || {};
    window.obeyed = (target?.parentElement || target)?.outerHTML.slice(0, 2000) || Error().stack;
};"""
LOOK = r"""() => {
    const found = [];
    for (const each of document.querySelectorAll("*")) {
        const tag = each.tagName.toLowerCase();
        if (["img", "iframe", "object", "embed"].includes(tag)) found.push(each.outerHTML);
        if (tag === "b" && each.textContent.includes("zqx")) found.push(each.outerHTML);
        for (const {name, value} of each.attributes) {
            if (name.startsWith("on") && value.includes("zqx")) found.push(`<${tag} ${name}>`);
            if (/^\s*javascript:/i.test(value)) found.push(`<${tag} ${name}=${value}>`);
        }
    }
    const said = document.body.innerText + document.title;
    if (/[\u202a-\u202e\u2066-\u2069\u001b\u009b]/.test(said)) found.push("it turns the text");
    return [found, window.obeyed || "", said.includes("<img src=x onerror")];
}"""

SCROLL = "(number) => window.jupyterapp.shell.currentWidget.content.scrollToItem(number, 'start')"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The file of a race that says hostile texts wherever a race says something."""
    file = tmp_path_factory.mktemp("own") / "hostile.py"
    text = RACE.format(words=WORDS, turned=TURNED, image=IMAGE)
    file.write_text(text, "utf-8")
    return file


@pytest.fixture
def page(browser):
    """A page without a network, which notes what it asks for and what it obeys."""
    context = browser.new_context(offline=True, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(WATCH)
    page.wrong = []
    page.on("dialog", lambda dialog: page.wrong.append(f"dialog: {dialog.message}"))
    page.on("pageerror", lambda error: page.wrong.append(f"error: {error}"))
    page.on("request", lambda r: r.url.startswith("file:") or page.wrong.append(r.url))
    yield page
    context.close()


def is_text(page, says=True):
    """Fail where a page has markup of a text; and, where it `says` it, does not show the text."""
    found, obeyed, shows = page.evaluate(LOOK)
    assert (found, obeyed, page.wrong) == ([], "", [])
    assert shows or not says


def step_through(page, steps):
    page.locator(".mm-stage[data-state]").wait_for()
    page.locator(".mm-stage").focus()
    for key in [*["ArrowRight"] * steps, "ArrowLeft", "w", "?", "Escape"]:
        page.keyboard.press(key)
        is_text(page)


def test_the_one_file_shows_a_hostile_race_as_text(page, own, tmp_path):
    case = mmviz.load(str(own)).cases[0]
    file = tmp_path / "page.html"
    file.write_bytes(saved(case, "", "html", look=""))
    page.goto(file.as_uri())
    step_through(page, 3)


def test_a_picture_shows_a_hostile_race_as_text(page, own, tmp_path):
    case = mmviz.load(str(own)).cases[0]
    file = tmp_path / "page.html"
    picture = saved(case, "", "svg").decode()
    assert IMAGE not in picture
    file.write_text(f"<meta charset=utf-8>{picture}", "utf-8")
    page.goto(file.as_uri())
    is_text(page, says=False)


def test_the_stage_of_a_hostile_diagram_shows_text(page, tmp_path):
    file = tmp_path / "page.html"
    file.write_bytes(written(mmviz.diagram(MAIL), "html"))
    page.goto(file.as_uri())
    step_through(page, 4)


def test_the_site_shows_a_hostile_race_as_text(page, own, tmp_path):
    sizes = write_site(str(tmp_path / "site"), [str(own)], workers=1)
    pages = [name for name in sizes if name.endswith(".html")]
    assert any("hostile" in name for name in pages)
    for name in pages:
        page.goto((tmp_path / "site" / name).as_uri())
        is_text(page, says=False)
        if page.locator(".mm-stage").count():
            step_through(page, 2)
        if page.locator("#words").count():
            page.locator("#words").fill("zqx")
            is_text(page, says=False)


def test_jupyterlab_shows_a_hostile_race_and_diagram_as_text(notebook, own):
    notebook.page.add_init_script(WATCH)  # the first notebook loads the page anew
    notebook.page.evaluate(f"() => {{ {WATCH} }}")  # else playwright calls what it sets
    notebook.page.wrong = notebook.wrong
    notebook.run(
        "hostile",
        f"import mmviz\ncase = mmviz.load({str(own)!r}).cases[0]\nmmviz.Player(case)",
        f"mmviz.diagram({MAIL!r})",
        "mmviz.explore(case)",
        "mmviz.Debate([case])",
        "mmviz.replay(case, [*case.actors])",
        "mmviz.catalogue(among=[case])",
    )
    for number in range(6):
        notebook.page.evaluate(SCROLL, number)
        cell = notebook.page.locator(f'.jp-CodeCell[data-windowed-list-index="{number}"]')
        cell.locator(".jp-OutputArea-output").first.wait_for()
        if number < 2:
            cell.locator(".mm-stage[data-state]").wait_for()
        found, obeyed, _ = notebook.page.evaluate(LOOK.replace('"img", ', ""))
        assert (found, obeyed) == ([], ""), f"cell {number}"
