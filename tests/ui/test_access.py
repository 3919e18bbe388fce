"""For readers who use a keyboard, a screen reader, a finger or colours of their own."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

import mmviz
from mmviz.engine.html import html_table
from mmviz.scene.theme import FORCED, THEMES
from mmviz.widgets.catalogue import Index
from mmviz.widgets.debate import Debate
from tests.browser.page import page as page_of
from tests.browser.page import source

AXE = Path(__file__).parents[2] / ".venv/browser/node_modules/axe-core/axe.min.js"
RELEASE = ("iommu_group/release_order", "DelistThenRelease")
FORK = ("exclusive/fork_in_window", "CheckOutsideMmapLock")
LETTERS = ("a", "d", "d", "m", "1", "x", "z", "j", "k", "Escape")

TABLE = """<!doctype html><html lang="en" data-jp-theme-light="true">
<meta charset="utf-8"><title>cases</title>
<style>body {{ background: var(--mm-paper) }} {css}</style>
<body class="mm-theme"><main><div class="mm-cases mm-theme" id="el"></div></main>
<script type="application/json" id="data">{data}</script>
<script type="module">
const {{ esm, traits }} = JSON.parse(document.getElementById("data").textContent);
const module = await import(URL.createObjectURL(new Blob([esm], {{ type: "text/javascript" }})));
window.sent = [];
const get = (name) => traits[name];
const model = {{ get, on() {{}}, off() {{}}, send: (what) => sent.push(what) }};
module.default.render({{ model, el: document.getElementById("el") }});
</script></body></html>"""


def table_page(widget):
    """Return a page with a table of cases, without a kernel."""
    table = widget.table
    traits = {name: getattr(table, name) for name in table.traits(sync=True) if name in OURS}
    data = json.dumps({"esm": table._esm, "traits": traits}).replace("</", "<\\/")
    return TABLE.format(css=table._css, data=data)


OURS = {"asked", "small_print", "head", "rows", "shown", "filters", "opened", "opens", "status"}
OURS |= {"answers", "error"}


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """Open a page, in a context of its own; the keys that leave its widget are in `leaked`."""
    folder, contexts = tmp_path_factory.mktemp("access"), []

    def show(text, width=1280, **more):
        path = folder / f"page{len(contexts)}.html"
        path.write_text(text, "utf-8")
        screen = {"width": width, "height": 720}
        context = browser.new_context(viewport=screen, reduced_motion="reduce", **more)
        contexts.append(context)
        page = context.new_page()
        page.goto(path.as_uri())
        page.locator(".mm-stage, table, .mm-predict").first.wait_for()
        page.evaluate(
            """() => {
                window.leaked = [];
                const heard = ({key}) => key === "Control" || leaked.push(key);
                document.addEventListener("keydown", heard);
            }"""
        )
        return page

    yield show
    for context in contexts:
        context.close()


def faults(page):
    """Return what axe-core calls serious or critical, with the first node of each."""
    assert AXE.exists(), "axe-core is not there; run `.ci/prepare node`"
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    return page.evaluate(
        """async () => (await axe.run({resultTypes: ["violations"]})).violations
            .filter(({impact}) => ["serious", "critical"].includes(impact))
            .map(({id, nodes}) => `${id}: ${nodes.length} at ${nodes[0].html}`)"""
    )


def in_both_themes(page):
    """Return the faults in the light theme, and in the dark one."""
    found = faults(page)
    page.evaluate("document.documentElement.dataset.jpThemeLight = 'false'")
    found += faults(page)
    page.evaluate("document.documentElement.dataset.jpThemeLight = 'true'")
    return found


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def focused(page):
    return page.evaluate("document.activeElement.className")


def test_axe_finds_nothing_serious_on_a_stage(opened):
    page = opened(page_of(source(*RELEASE)))
    page.locator(".mm-stage").focus()
    press(page, "End")
    assert in_both_themes(page) == []
    for panel in ("y", "p", "t", "s", "o", "q"):
        press(page, panel)
        assert faults(page) == [], panel
        press(page, "Escape")
    given_up = opened(page_of(source(*FORK, driver=True)), width=400)
    given_up.locator(".mm-stage").focus()
    press(given_up, "w", "End")
    assert in_both_themes(given_up) == []


def test_axe_finds_nothing_serious_on_a_driver_that_has_won(opened):
    case = mmviz.find(*FORK)
    run = mmviz.explore(case).counterexamples["foreign_process_sees_dma"].shortest
    for width in (400, 1280):
        won = opened(page_of(source(*FORK, driver=True)), width=width)
        won.locator(".mm-stage").focus()
        press(won, *(str(list(case.actors).index(actor) + 1) for actor in run))
        assert won.locator(".mm-words").inner_text().startswith("You broke it in 6 steps")
        assert in_both_themes(won) == []
        said = won.locator(".mm-status").inner_text()
        assert said.startswith("Step 6: CPU1: ")
        assert said.count("You broke it") == 1
        press(won, "2")
        assert "You broke it" not in won.locator(".mm-status").inner_text()
        assert (
            won.locator(".mm-slider")
            .get_attribute("aria-valuetext")
            .startswith("step 7 of 7, CPU1: ")
        )


def test_an_actor_or_a_field_is_hidden_by_key(opened):
    page = opened(page_of(source(*RELEASE)))
    page.locator(".mm-stage").focus()
    press(page, "End", "o")
    assert page.evaluate("document.activeElement.textContent") == "CPU0"
    press(page, "Enter", "Enter")  # the first that its menu offers
    assert "mm-hidden" in page.locator('.mm-column[data-actor="CPU0"]').get_attribute("class")
    assert focused(page).startswith("mm-stage")
    press(page, "o", "ArrowRight", "ArrowDown", "ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "device a.domain = domain V"
    expect(page.locator(".mm-halo rect")).to_have_count(1)  # what has the focus is outlined
    shown = '.mm-picture [data-subject="field:device a.domain"]'
    assert page.locator(shown).count() > 0
    press(page, "Enter", "ArrowRight", "Enter", "o", "Escape")
    expect(page.locator(shown)).to_have_count(0)  # the picture is drawn in the next frame
    expect(page.locator(".mm-halo rect")).to_have_count(0)
    assert page.evaluate("leaked") == []


def test_panels_leave_the_buttons_of_a_small_stage_free(opened):
    page = opened(page_of(source(*RELEASE)), width=400)
    page.locator(".mm-stage").focus()
    press(page, "End")
    box = """selector => {
        const {top, bottom} = document.querySelector(selector).getBoundingClientRect();
        return [top, bottom];
    }"""
    for panel in ("y", "p", "n", "t", "s", "o", "?"):
        page.locator(".mm-stage").focus()
        press(page, panel)
        top, bottom = page.evaluate(box, ".mm-panel")
        assert top >= page.evaluate(box, ".mm-controls")[1] - 1, panel
        assert bottom <= page.evaluate(box, ".mm-caption")[0] + 1, panel
        press(page, "Escape")


def test_axe_finds_nothing_serious_on_tables_and_reports(opened):
    cases = mmviz.load(RELEASE[0]).cases
    for widget in (Debate(cases), Index(mmviz.catalogue(cases))):
        assert in_both_themes(opened(table_page(widget))) == []
    case = mmviz.find(*RELEASE)
    shown = (mmviz.explore(case), mmviz.replay(case, "CPU0*3"), mmviz.entry(0xF7FFFFFFFDB97400))
    body = "".join(each._repr_html_() for each in shown)
    page = f"<!doctype html><html lang=en><title>reports</title><main><h1>Reports</h1>{body}</main>"
    assert faults(opened(page)) == []


def test_a_blank_stage_comes_back_by_key(opened):
    page = opened(page_of(source(*RELEASE)))
    page.locator(".mm-next").focus()
    press(page, "b")
    assert not page.locator(".mm-next").is_visible()
    press(page, "b")
    assert page.locator(".mm-next").is_visible()


def test_a_long_text_is_read_by_the_arrows(opened):
    page = opened(page_of(source(*FORK)))
    page.locator(".mm-stage").focus()
    press(page, "End", "t", "ArrowDown", "End")
    page.wait_for_function("document.querySelector('.mm-twin').scrollTop > 100")
    assert json.loads(page.locator(".mm-stage").get_attribute("data-state"))["cursor"] == 18
    press(page, "ArrowLeft")
    assert json.loads(page.locator(".mm-stage").get_attribute("data-state"))["cursor"] == 17


def test_a_table_is_one_stop_and_its_keys_stay_in_it(opened):
    page = opened(table_page(Index(mmviz.catalogue(mmviz.load(RELEASE[0]).cases))))
    assert page.locator("tbody button").count() > 20
    page.get_by_label("Kernel", exact=True).focus()
    press(page, "Tab", "Control+End")
    assert page.evaluate("document.activeElement.textContent") == "drive"
    press(page, "ArrowUp", "Home", "PageUp", "ArrowLeft", "Control+Home", "End", "ArrowDown")
    assert focused(page) == "mm-part "
    press(page, *LETTERS, "Enter")
    assert page.evaluate("sent") == [{"open": 0, "what": "drive"}]
    assert page.evaluate("document.activeElement.textContent") == "drive"
    press(page, "Tab")
    assert page.evaluate("document.activeElement === document.body")
    assert page.evaluate("leaked") == ["Tab", "Tab"]


def test_the_focus_stays_on_what_was_pressed(opened):
    page = opened(page_of(source(*FORK, driver=True)))
    choose = page.locator('.mm-choose[data-actor="CPU0"]')
    choose.focus()
    press(page, *["Enter"] * 9)
    assert choose.evaluate("node => node === document.activeElement")
    assert choose.get_attribute("aria-label") == "CPU0 has finished"
    undo = page.locator(".mm-undo")
    undo.focus()
    press(page, *["Enter"] * 9, *LETTERS[:4])
    assert undo.evaluate("node => node === document.activeElement")
    press(page, "Tab")
    assert "mm-undo" not in focused(page)
    assert page.evaluate("leaked") == ["Tab"]


def test_a_tip_stays_until_the_next_tap_and_a_swipe_steps(opened):
    page = opened(page_of(source(*RELEASE)), has_touch=True)
    page.locator('.mm-picture rect[data-subject="field:group.refs"]').first.tap(force=True)
    page.wait_for_timeout(50)
    tip = page.locator(".mm-tip")
    assert tip.is_visible()
    page.locator(".mm-shut").tap()
    assert not tip.is_visible()

    finger = page.context.new_cdp_session(page)

    def swipe(*across):
        for kind, x in zip(("touchStart", "touchMove", "touchEnd"), (*across, None), strict=True):
            points = [] if x is None else [{"x": x, "y": 480}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def step():
        return json.loads(page.locator(".mm-stage").get_attribute("data-state"))["cursor"]

    swipe(400, 300)
    swipe(400, 300)
    assert step() == 2
    swipe(300, 400)
    assert step() == 1


def test_while_it_plays_only_the_last_step_is_spoken(opened):
    page = opened(page_of(source(*RELEASE)))
    page.evaluate(
        """() => {
            window.said = [];
            const line = document.querySelector(".mm-status");
            const heard = new MutationObserver(() => said.push(line.textContent));
            heard.observe(line, {childList: true});
        }"""
    )
    page.locator(".mm-speed").select_option("4")
    page.locator(".mm-slider").fill("4")
    page.evaluate("said.length = 0")
    page.locator(".mm-play").click()
    page.wait_for_function("said.length > 0", timeout=15_000)
    (said,) = page.evaluate("said")
    assert said.startswith("Step 7 of 7: CPU1: ")


def test_colours_of_the_reader_s_own_reach_every_role(opened):
    assert set(FORCED) == set(THEMES["light"])
    page = opened(page_of(source(*RELEASE), light=False), forced_colors="active")
    page.locator(".mm-stage").focus()
    press(page, "End")
    page.wait_for_selector(".mm-picture rect.mm-cell.is-bad:not(.is-now)", state="attached")
    colours = page.evaluate(
        """() => {
            const of = (at, what) => getComputedStyle(document.querySelector(at))[what];
            const probe = document.createElement("i");
            document.body.append(probe);
            const system = (name) => {
                probe.style.color = name;
                return getComputedStyle(probe).color;
            };
            return [
                [of(".mm-row.mm-now", "backgroundColor"), system("Highlight")],
                [of(".mm-picture rect.mm-cell.is-bad:not(.is-now)", "stroke"), system("LinkText")],
                [of(".mm-tabs [aria-selected=true]", "backgroundColor"), system("Highlight")],
                [of(".mm-picture text.mm-value", "fill"), system("CanvasText")],
            ];
        }"""
    )
    assert [one for one, _ in colours] == [other for _, other in colours]


def test_a_page_sets_no_formula_in_what_a_model_says():
    said = mmviz.explore(mmviz.find(*RELEASE))._repr_html_()
    assert said.startswith('<div class="mm-report mathjax_ignore tex2jax_ignore">')
    assert "<td" in html_table(("$a$",), [("$b$",)])
