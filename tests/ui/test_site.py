"""The site opened from disk, without a network: a reader searches, steps and chooses."""

import json

import pytest

from mmviz.writing.site import write_site
from tests.frontends.chromium import JUDGE
from tests.ui.test_access import faults

RACE = "vmstat/update_is_preempted"
PAGES = ("index.html", f"race/{RACE}.html", "thread/vmstat.html", "mutants.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(str(folder), [RACE], workers=1)
    return folder


@pytest.fixture
def opened(browser, folder):
    """Open a page of the site; what its console says, and what it fails to load, is `wrong`."""
    contexts = []

    def show(where, *, width=1280, scheme="light", script=True):
        context = browser.new_context(
            viewport={"width": width, "height": 720},
            offline=True,
            color_scheme=scheme,
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.wrong = []
        page.on("console", lambda said: said.type == "error" and page.wrong.append(said.text))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("requestfailed", lambda request: page.wrong.append(request.url))
        page.goto(f"{folder.as_uri()}/{where}")
        return page

    yield show
    for context in contexts:
        context.close()


def state(page):
    stage = page.locator(".mm-stage[data-state]")
    stage.wait_for()
    return json.loads(stage.get_attribute("data-state"))


def test_the_search_finds_by_function_bad_state_thread_release_and_title(opened):
    page = opened("index.html")
    box = page.locator("#words")
    assert page.evaluate("document.activeElement.id") == "words"
    data = page.evaluate("mmvizFound")
    case = data["races"][0][3][0]
    function, bad = data["functions"][case[4][0]], data["bad"][case[3][0]]
    for words in (function, f"{function}()", bad, "vmstat", case[0], data["races"][0][1][:20]):
        box.fill(words)
        names = page.locator("#found li li a").all_inner_texts()
        assert case[0] in names, words
        assert not page.locator("#all").is_visible()
    box.fill("no_such_function")
    assert page.locator("#count").inner_text() == "Nothing fits all of these words."
    shipped = [each for each in data["races"][0][3] if each[5]]
    release = ".".join(map(str, shipped[0][5][0]))
    box.fill(f"vmstat {release}")
    found = page.locator("#found li li a").all_inner_texts()
    assert shipped[0][0] in found
    assert len(found) < len(data["races"][0][3])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == found[0]
    page.keyboard.press("Enter")
    assert state(page)["case"] == found[0]
    page.go_back()
    page.locator("#found li").first.wait_for()
    assert page.locator("#words").input_value() == f"vmstat {release}"
    assert page.wrong == []


def test_a_stage_steps_is_chosen_and_is_driven(opened):
    page = opened(f"race/{RACE}.html", width=800)
    first = state(page)
    page.locator(".mm-stage").focus()
    page.keyboard.press("ArrowRight")
    assert state(page)["cursor"] == first["cursor"] + 1
    options = page.locator("section.stage select option")
    second = options.nth(1).get_attribute("data-name")
    page.locator("section.stage > p select").select_option(index=1)
    page.wait_for_function(
        f"document.querySelector('.mm-stage').dataset.state.includes('{second}')"
    )
    assert page.url.endswith(f"#{second}")
    assert page.locator(".mm-chooser").count() == 0
    page.locator(".choose button").click()
    page.locator(".mm-chooser").wait_for()  # a driver has it where the columns are a tab
    assert state(page)["schedule"] == []
    assert page.wrong == []


def test_an_address_names_a_case_and_a_moment(opened):
    page = opened(f"race/{RACE}.html")
    link = page.locator('#cases + div a[href*="/"]').first.get_attribute("href")
    case, moment = link.removeprefix("#").split("/")
    named = opened(f"race/{RACE}.html#{case}/{moment}")
    assert state(named)["case"] == case
    run = state(named)["schedule"]
    assert run
    stepped = opened(f"race/{RACE}.html#{case}/3")
    stepped.wait_for_function(
        "JSON.parse(document.querySelector('.mm-stage').dataset.state).cursor === 3"
    )
    lost = opened(f"race/{RACE}.html#%E0%A4%A/%")
    assert state(lost)["cursor"] == 0
    for each in (page, named, stepped, lost):
        assert each.wrong == []


@pytest.mark.parametrize("where", PAGES)
def test_pages_can_be_read_by_all(opened, where):
    for scheme in ("light", "dark"):
        page = opened(where, scheme=scheme)
        if "race" in where:
            state(page)
        assert page.title()
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("h1").count() == 1
        assert page.evaluate(JUDGE) == []
        assert page.wrong == []
        assert faults(page) == []
    narrow = opened(where, width=320)
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 320


def test_look_is_remembered_and_the_skip_link_skips(opened):
    page = opened("catalogue.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#look").click()
    assert page.evaluate("document.documentElement.className") == "dark"
    page.locator("nav a").first.click()
    page.wait_for_load_state("load")
    page.wait_for_function("document.documentElement.className == 'dark'")
    assert page.wrong == []


def test_without_scripts_the_tables_are_there(opened):
    page = opened(f"race/{RACE}.html", script=False)
    assert "runs none" in page.locator("body noscript").inner_text()
    assert page.locator("table tbody tr").count() > 1
