"""How the stage uses its room: narrow, zoomed, large type, wide views; and what pointing lights.

One plain page with the stage's own code. Its kernel is this process: it answers as a widget does.
"""

import json

import pytest

import mmviz
from mmviz.scene.searched import SearchedCase
from mmviz.widgets.answers import answer
from mmviz.widgets.prepared import Prepared
from tests.browser.page import of_case, source
from tests.browser.page import page as page_of

CASE = ("iommu_group/release_order", "DelistThenRelease")
LONG = ("exclusive/fork_in_window", "CheckOutsideMmapLock")
MOUNT = 'window.stage = mount(document.getElementById("stage"), source);'
ASKING = """source.send = (message) => kernel(JSON.stringify(message)).then(
    (answer) => stage.session.hear({...answer, id: message.id}));
""" + MOUNT  # fmt: skip
PARTS = "[data-pane], .mm-controls > *, .mm-acts > *, .mm-column, .mm-pane, .mm-scroll, .mm-lanes"
LAYOUT = f"""() => [...document.querySelectorAll({PARTS!r})].map((part) => {{
    const {{left, top, width, height}} = part.getBoundingClientRect();
    return [part.localName, left, top, width, height].join(" ");
}})"""
# Controls that cannot be brought into view, or that lie under something else.
UNREACHED = """() => [...document.querySelectorAll(".mm-stage :is(button, select, input)")].filter(
    (control) => {
        if (control.closest("[hidden]") || !control.checkVisibility({visibilityProperty: true}))
            return false;
        control.scrollIntoView({block: "center", inline: "center"});
        const {left, top, width, height} = control.getBoundingClientRect();
        const hit = document.elementFromPoint(left + width / 2, top + height / 2);
        const isWhole = control.scrollWidth <= control.clientWidth + 1
            || control.localName !== "button"
            || getComputedStyle(control).textOverflow === "ellipsis";
        return !control.contains(hit) || !isWhole;
    }).map((control) => control.className)"""
# What has more than it shows, and no scroll bar for it.
CLIPPED = """() => [...document.querySelectorAll(
    ".mm-stage, .mm-promise, .mm-words, .mm-controls, .mm-main, .mm-scroll, .mm-caption, .mm-said",
)].filter((part) => part.checkVisibility()).flatMap((part) => {
    const style = getComputedStyle(part);
    const can = (overflow) => ["auto", "scroll"].includes(overflow);
    const across = part.scrollWidth > part.clientWidth + 1 && !can(style.overflowX);
    const down = part.scrollHeight > part.clientHeight + 1 && !can(style.overflowY);
    return across || down ? [`${part.className} ${part.scrollWidth} ${part.scrollHeight}`] : [];
})"""
BARS = """(name) => {
    const scroller = document.querySelector(`[data-view="${name}"] .mm-scroll`);
    const {clientWidth, clientHeight} = scroller;
    return {
        wide: scroller.scrollWidth > clientWidth + 1,
        tall: scroller.scrollHeight > clientHeight + 1,
        below: scroller.offsetHeight - clientHeight,
        beside: scroller.offsetWidth - clientWidth,
    };
}"""
# Whether something that the last step wrote is seen in a view, if there is anything.
SEEN = """(name) => {
    const pane = document.querySelector(`.mm-pane[data-view="${name}"]`);
    const scroller = pane.querySelector(".mm-scroll").getBoundingClientRect();
    const marks = [...pane.querySelectorAll(".is-now, rect.mm-written, rect.mm-witnessnow")];
    return !marks.length || marks.some((mark) => {
        const box = mark.getBoundingClientRect();
        return box.right > scroller.left && box.left < scroller.right
            && box.bottom > scroller.top && box.top < scroller.bottom;
    });
}"""


@pytest.fixture(scope="module")
def shown():
    """Return a case's source and what answers for it, each made once."""
    known = {}

    def of(race, name):
        if (race, name) not in known:
            case = mmviz.find(race, name)
            searched = SearchedCase(case)
            show = Prepared(searched, list(searched.runs().values()))
            known[race, name] = of_case(case) | {"film": json.loads(show.first_piece())}, show
        return known[race, name]

    return of


@pytest.fixture
def opened(browser, tmp_path, shown):
    """Open a case on a plain page with the focus on its stage."""
    contexts = []

    def show(case=CASE, width=1180, screen=(1280, 720), scale=1, driver=False):
        what, kernel = shown(*case)
        if driver:
            what = source(*case, driver=True)
        path = tmp_path / "page.html"
        path.write_text(page_of(what, width=width).replace(MOUNT, ASKING), "utf-8")
        context = browser.new_context(
            viewport=dict(zip(("width", "height"), screen, strict=True)),
            device_scale_factor=scale,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.expose_function("kernel", lambda text: answer(json.loads(text), kernel))
        page.goto(path.as_uri())
        page.locator(".mm-stage").focus()
        return page

    yield show
    for context in contexts:
        context.close()


def view(page, name):
    """Open a view, and wait for its marks."""
    page.evaluate("name => stage.view.deeds.acts.view([name, false])", name)
    page.locator(f'.mm-pane[data-view="{name}"] [data-key]').first.wait_for(state="attached")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def test_the_columns_are_a_tab_beside_the_file_browser_and_stand_at_the_sides_without(opened):
    page = opened(width=848)
    code = page.locator('[data-pane="code"]')
    memory = page.locator('[data-pane="memory"]')
    assert [side.is_visible() for side in code.all()] == [False, False]
    assert memory.bounding_box()["width"] > 840
    page.get_by_role("tab", name="Columns").click()
    assert [side.is_visible() for side in code.all()] == [True, True]
    assert not memory.is_visible()
    assert page.evaluate(CLIPPED) == []

    page = opened(width=1180)
    assert [side.is_visible() for side in page.locator('[data-pane="code"]').all()] == [True, True]
    assert not page.get_by_role("tab", name="Columns").is_visible()
    assert page.evaluate(CLIPPED) == []


@pytest.mark.parametrize(("wide", "high"), [(640, 360), (425, 360)])
def test_at_a_zoom_of_200_percent_every_control_can_be_reached_and_nothing_is_clipped(
    opened, wide, high
):
    page = opened(width=1180, screen=(wide, high), scale=2)
    for pane in ("memory", "columns"):
        page.evaluate("name => stage.view.deeds.acts.view([name, false])", pane)
        assert page.evaluate(UNREACHED) == [], pane
        assert page.evaluate(CLIPPED) == [], pane
        before = page.evaluate(LAYOUT)
        for _ in range(page.evaluate("stage.session.last")):
            press(page, "ArrowRight")
            assert page.evaluate(LAYOUT) == before, pane
        press(page, "Home")
    press(page, "t")
    assert page.evaluate(CLIPPED) == []


def test_the_sides_make_room_for_a_view_that_is_wide(opened):
    page = opened()
    for name in ("causes", "code", "objects", "iommu", "memory"):
        view(page, name)
        assert not page.evaluate(BARS, name)["wide"], name


def test_a_view_wider_than_its_pane_has_a_scroll_bar_that_keeps_its_place(opened):
    page = opened(width=920)
    wide = []
    for name in ("causes", "code", "objects", "iommu"):
        view(page, name)
        before, bars = page.evaluate(LAYOUT), page.evaluate(BARS, name)
        assert (bars["wide"], bars["tall"]) == (bars["below"] > 5, bars["beside"] > 5), name
        wide += [name] if bars["wide"] else []
        for key in ("ArrowRight", "End", "Home"):
            press(page, key)
            assert (page.evaluate(BARS, name), page.evaluate(LAYOUT)) == (bars, before), (name, key)
    assert len(wide) > 2


def test_in_large_type_memory_grows_and_shows_what_was_just_written(opened):
    page = opened(LONG)
    scale = "stage.view.middle.memory.scale"
    before = page.evaluate(scale)
    press(page, "+", "+", "+")
    assert page.evaluate("stage.session.zoom") == 150
    assert page.evaluate(f"{scale} * 13") >= 16  # px of type
    assert page.evaluate(scale) >= before
    bars = page.evaluate(BARS, "memory")
    assert (bars["wide"], bars["tall"]) == (True, True)
    corners = set()
    for _ in range(page.evaluate("stage.session.last")):
        press(page, "ArrowRight")
        page.wait_for_timeout(40)
        assert page.evaluate(SEEN, "memory"), page.evaluate("stage.session.k")
        corners.add(
            tuple(
                page.evaluate(
                    "(({scrollLeft, scrollTop}) => [scrollLeft, scrollTop])"
                    "(document.querySelector('.mm-scroll'))"
                )
            )
        )
    assert len({x for x, _ in corners}) > 1
    assert len({y for _, y in corners}) > 1


def test_another_view_scrolls_to_what_was_just_written_too(opened):
    page = opened(width=910)
    view(page, "iommu")
    places = set()
    for _ in range(page.evaluate("stage.session.last")):
        press(page, "ArrowRight")
        page.wait_for_timeout(40)
        assert page.evaluate(SEEN, "iommu")
        places.add(page.evaluate("document.querySelector('.mm-scroll').scrollLeft"))
    assert len(places) > 1


def test_the_text_of_the_run_wraps(opened):
    page = opened(width=848)
    press(page, "End", "t")
    twin = page.locator(".mm-twin")
    assert twin.evaluate("twin => twin.scrollWidth <= twin.clientWidth")
    text = page.locator(".mm-twin-text").text_content()
    assert text == page.evaluate("document.querySelector('.mm-twin-text').textContent")
    assert "\n      group.mutex.owner: none → CPU0\n" in text
    assert "\n  CPU0 holds group.mutex: steps 1 to 3\n" in text
    high = "line => line.getBoundingClientRect().height"
    promise = page.locator(".mm-twin-line", has_text="Promise: ").first
    start = page.locator(".mm-twin-line", has_text="0  start").first
    assert promise.evaluate(high) > 1.5 * start.evaluate(high)


def test_pointing_at_a_line_lights_its_step_its_fields_and_its_source_and_back(opened):
    page = opened(width=1280, screen=(1300, 720))
    press(page, "ArrowRight")
    line = page.locator('.mm-row[data-line*="iommu_group_set_core_domain"]')
    hot = "() => [...document.querySelectorAll('.mm-halo .mm-hot')].length"
    steps = "() => [...document.querySelectorAll('.mm-chip.mm-hot')].map((c) => c.dataset.step)"
    line.hover()  # it has not run yet
    assert page.evaluate(hot) > 3
    assert page.evaluate(steps) == ["5"]
    assert "mm-hot" in line.get_attribute("class")
    assert "await k.group.iommu_group_set_core_domain" in page.locator(".mm-tip").inner_text()

    page.locator('[data-step="5"]').first.hover()
    assert page.evaluate(hot) > 3
    assert "mm-hot" in line.get_attribute("class")
    page.locator('[data-pane="caption"]').hover()
    assert (page.evaluate(hot), page.evaluate(steps)) == (0, [])

    view(page, "code")
    line.hover()
    assert page.evaluate(hot) == 1
    source = page.locator('[data-subject^="line:CPU0:"]', has_text="list_del").first
    source.hover(force=True)
    assert page.evaluate(steps) == ["2"]
    row = page.locator('[data-actor="CPU0"] .mm-row', has_text="list_del")
    assert "mm-hot" in row.get_attribute("class")

    view(page, "iommu")
    page.locator('[data-view="iommu"] text', has_text="device a, device b").first.hover(force=True)
    assert page.evaluate(hot) == 1  # group.devices, which step 2 is still to write


def test_the_views_are_one_tab_stop_with_arrows(opened):
    page = opened(width=848)
    tabs = page.locator('[role="tab"]')
    focused = "document.activeElement.dataset.view"
    stops = page.locator('.mm-tabs [tabindex="0"], .mm-views:not([tabindex="-1"])').all()
    assert len(stops) == 1
    tabs.filter(has_text="Memory").focus()
    names = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Home", "ArrowLeft", "End", "ArrowRight"):
        press(page, key)
        names.append(page.evaluate(focused))
        assert page.locator('[role="tab"][aria-selected="true"]').count() == 1
        assert page.locator('[role="tab"][tabindex="0"]').get_attribute("data-view") == names[-1]
    last = tabs.last.get_attribute("data-view")
    assert names == ["timeline", "code", "timeline", "columns", last, last, "columns"]
    assert page.evaluate("stage.session.k") == 0  # Home and End moved among the tabs alone
    press(page, "Tab")
    assert "mm-text" in page.evaluate("document.activeElement.className")
    tabs.filter(has_text="Memory").click()  # with a mouse, the arrows go on stepping
    press(page, "ArrowRight")
    assert page.evaluate("[stage.session.k, stage.session.pane]") == [1, "memory"]


def test_an_actor_is_hidden_and_brought_into_focus(opened):
    page = opened()
    press(page, "End")
    column = page.locator('.mm-column[data-actor="CPU0"]')
    dock = page.locator('[data-view="memory"] [data-subject="dock:CPU0"]')
    chip = page.locator('rect[data-step="2"]')
    assert (column.locator(".mm-rows").is_visible(), chip.count()) == (True, 1)
    assert dock.count() > 0

    name = column.get_by_role("button", name="CPU0", exact=True)
    name.focus()
    press(page, "Enter")
    page.get_by_role("button", name="hide CPU0").click()
    assert (column.locator(".mm-rows").is_visible(), chip.count(), dock.count()) == (False, 0, 0)
    assert page.evaluate("[...stage.session.hidden]") == ["actor:CPU0"]
    press(page, "ArrowLeft")
    name.click()
    page.get_by_role("button", name="show CPU0").click()
    page.wait_for_function("document.querySelectorAll('rect[data-step=\"2\"]').length === 1")
    assert column.locator(".mm-rows").is_visible()

    page.locator(".mm-name", has_text="CPU1").click()
    page.get_by_role("button", name="only CPU1").click()
    assert "mm-dimmed" in column.get_attribute("class")
    assert "mm-dim-mark" in chip.get_attribute("class")
    name.click()
    page.get_by_role("button", name="show everything again").click()
    assert "mm-dimmed" not in column.get_attribute("class")


def test_the_strip_shows_windows_and_moves_nothing_for_them(opened):
    page = opened(LONG)
    lanes = (
        "() => [...document.querySelectorAll('.mm-lane')].map((l) => l.getAttribute('y1')).join()"
    )
    chips = """() => [...document.querySelectorAll("rect[data-step]")].map((chip) =>
        ["data-step", "x", "y", "width", "height"].map((name) => chip.getAttribute(name)).join())"""
    tips = (
        "() => [...document.querySelectorAll('[data-window]')].map((part) => stage.view.tip(part))"
    )
    before = page.evaluate(lanes), page.evaluate(chips)
    press(page, "ArrowRight", "ArrowRight", "ArrowRight")
    assert set(page.evaluate(tips)) == {
        "the violation is possible: since the start",
        "CPU0 holds mmap_lock for reading: since step 1",
        "CPU0 holds page 7: since step 2",
    }
    press(page, "End")
    assert "CPU0 holds mmap_lock for reading: steps 1 to 4" in page.evaluate(tips)
    assert (page.evaluate(lanes), page.evaluate(chips)) == before
    page.locator(".mm-window-held").first.hover(position={"x": 1, "y": 1}, force=True)
    assert "holds" in page.locator(".mm-tip").inner_text()


def test_two_views_stand_side_by_side_on_a_wide_screen(opened):
    page = opened(width=1300, screen=(1400, 800))
    page.evaluate("stage.view.deeds.acts.view(['iommu', true])")
    page.locator('.mm-pane[data-view="iommu"] [data-key]').first.wait_for(state="attached")
    panes = page.locator(".mm-pane")
    assert panes.count() == 2
    boxes = [pane.bounding_box() for pane in panes.all()]
    assert min(box["width"] for box in boxes) > 400
    before = page.evaluate(LAYOUT)
    for _ in range(page.evaluate("stage.session.last")):
        press(page, "ArrowRight")
        page.wait_for_timeout(40)
        assert page.evaluate(LAYOUT) == before
        assert page.evaluate(SEEN, "memory")
        assert page.evaluate(SEEN, "iommu")


def test_a_narrow_driver_is_played_by_mouse_beside_the_picture(opened):
    page = opened(width=832, driver=True)
    keys = page.locator(".mm-chooser .mm-choose")
    before = page.evaluate(LAYOUT)
    keys.nth(0).click()
    assert page.evaluate("stage.session.k") == 1
    assert keys.nth(1).get_attribute("aria-disabled") == "true"
    assert "mutex" in keys.nth(1).get_attribute("title")
    assert page.evaluate(LAYOUT) == before
    assert not page.locator('[data-pane="code"]').first.is_visible()


def test_a_panel_is_opened_in_view_and_leaves_the_buttons_free(opened):
    page = opened(screen=(1280, 420))
    press(page, "ArrowRight")
    page.evaluate("scrollTo(0, 0)")
    for key in ("y", "n", "p"):
        page.evaluate("scrollTo(0, 0)")
        page.locator(".mm-stage").press(key)
        box = page.locator(".mm-panel").bounding_box()
        assert box["y"] + box["height"] <= 420, key
        page.locator(".mm-panel .mm-shut").click()
    press(page, "y")
    page.locator(".mm-undo").click()
    assert page.evaluate("stage.session.k") == 0


def test_the_question_is_about_what_the_lists_show(opened):
    page = opened()
    press(page, "p")
    page.locator(".mm-field").select_option("group.domain")
    page.locator("select.mm-value").select_option(index=1)
    page.get_by_role("button", name="ask", exact=True).click()
    assert page.locator(".mm-answer").inner_text().split(":")[0] in ("Sometimes", "Always")


def test_sentences_are_seen_by_whole_lines_in_large_type(opened):
    page = opened(LONG)
    press(page, "End", "+", "+", "+")
    for part in (".mm-words", ".mm-said"):
        lines = page.evaluate(
            """(part) => {
                const node = document.querySelector(part);
                return node.clientHeight / parseFloat(getComputedStyle(node).lineHeight);
            }""",
            part,
        )
        assert abs(lines - round(lines)) < 0.1, (part, lines)


def test_the_open_tab_is_in_view_and_tabs_are_seen_whole_or_not_at_all(opened):
    page = opened(width=960)
    view(page, "causes")
    page.locator(".mm-stage").evaluate("stage => { stage.style.width = '910px'; }")
    page.wait_for_timeout(100)
    seen = page.evaluate(
        """() => {
            const list = document.querySelector(".mm-tabs").getBoundingClientRect();
            return [...document.querySelectorAll(".mm-toggle")].flatMap((tab) => {
                const {left, right} = tab.getBoundingClientRect();
                const isSeen = getComputedStyle(tab).opacity === "1" && tab.offsetWidth
                    && right > list.left && left < list.right;
                const isWhole = left >= list.left - 1 && right <= list.right + 1;
                return isSeen ? [[tab.dataset.view, isWhole]] : [];
            });
        }"""
    )
    assert "causes" in dict(seen)
    assert all(whole for _, whole in seen), seen


def test_the_timeline_scrolls_to_the_whole_of_the_last_step(opened):
    page = opened()
    view(page, "timeline")
    press(page, "+", "+", "+", "End")
    page.wait_for_timeout(100)
    last = page.evaluate(
        """() => {
            const scroller = document.querySelector('[data-view="timeline"] .mm-scroll');
            const {bottom} = scroller.getBoundingClientRect();
            const marks = [...scroller.querySelectorAll("rect.mm-bad")];
            return marks.map((mark) => mark.getBoundingClientRect().bottom - bottom);
        }"""
    )
    assert last
    assert max(last) <= 0
