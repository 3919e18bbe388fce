// The controls: step, scrub, play, choose a run, open a view. No button changes its width.

import { able, attribute, element, push, say } from "./dom.js";
import { stepName } from "./story.js";

const SPEEDS = [0.5, 1, 2, 4];
export const COLUMNS = "columns"; // the tab that a narrow stage has for the code columns

/**
 * @param {import("./session.js").Session} session
 * @param {Record<string, (value?: any) => void>} acts
 */
export function controlsPane(session, acts) {
  const node = element("div", "mm-controls", "", {
    "data-pane": "controls",
    role: "toolbar",
    "aria-label": "steps and views",
  });
  const first = push("mm-first", "|◀", "first step (Home)", () => acts.first());
  const back = push("mm-back", "◀", "one step back (←)", () => acts.back());
  const play = push("mm-play", "play", "play (space)", () => acts.play());
  const next = push("mm-next", "▶", "one step on (→)", () => acts.next());
  const end = push("mm-last", "▶|", "last step (End)", () => acts.end());
  const slider = element("input", "mm-slider", "", { type: "range", min: "0", step: "1", "aria-label": "step" });
  slider.addEventListener("input", () => acts.go(Number(slider.value)));
  const count = element("span", "mm-count");
  const runs = element("select", "mm-runs", "", { "aria-label": "run" });
  runs.addEventListener("change", () => acts.run(runs.value));
  const speed = element(
    "select",
    "mm-speed",
    "",
    { "aria-label": "speed", title: "speed" },
    ...SPEEDS.map((each) => element("option", "", `${each} ×`, { value: String(each) })),
  );
  speed.value = "1";
  speed.addEventListener("change", () => acts.speed(Number(speed.value)));
  const stop = push("mm-switch", "⇄", "play stops where another actor goes on", () => acts.stop());
  const tabs = element("div", "mm-tabs", "", { role: "tablist", "aria-label": "views" });
  const text = push("mm-text", "text", "the whole run as text (t)", () => acts.text());
  const save = push("mm-keep", "save", "save this moment as a file, or copy its link (s)", () => acts.save());
  const views = session.film.head.views.filter((/** @type {any} */ view) => view.there !== false);
  const more = element(
    "select",
    "mm-views",
    "",
    { "aria-label": "open a view", title: "open a view" },
    element("option", "", "…", { value: "" }),
    ...views.map((/** @type {any} */ view) => element("option", "", view.title, { value: view.name })),
  );
  more.addEventListener("change", () => {
    if (more.value) acts.view([more.value, false]);
    more.value = "";
  });
  if (views.length < 2) more.hidden = true;
  more.tabIndex = -1; // the tabs are one stop for the keyboard, and the arrows reach them all
  node.append(first, back, play, next, end, slider, count, runs, speed, stop, tabs, more, text, save);
  let [listed, tabbed] = ["", ""];

  const drawRuns = () => {
    const { tree } = session;
    const actors = session.film.head.actors;
    const named = session.offered().map((run, i) => [`named:${i}`, run.name]);
    const tip = tree.tip();
    const leaves = tree.leaves();
    if (!leaves.includes(tip)) leaves.push(tip);
    const tried = leaves.map((leaf) => [
      `node:${leaf.id}`,
      `run ${leaves.indexOf(leaf) + 1}: ${spokenSchedule(tree.scheduleOf(leaf), actors) || "the start"}`,
    ]);
    const wanted = `node:${tip.id}`;
    const is = JSON.stringify([named, tried]);
    if (is !== listed) {
      listed = is;
      const group = (/** @type {string} */ label, /** @type {string[][]} */ all) =>
        all.length
          ? [
              element(
                "optgroup",
                "",
                "",
                { label },
                ...all.map(([value, name]) => element("option", "", name, { value })),
              ),
            ]
          : [];
      runs.replaceChildren(...group("named runs", named), ...group("runs tried", tried));
    }
    const same = session.offered().findIndex((run) => run.schedule.join() === tree.schedule().join());
    runs.value = same >= 0 ? `named:${same}` : wanted;
  };
  const drawTabs = () => {
    const open = session.showsColumns ? COLUMNS : session.pane;
    const is = JSON.stringify([open, session.pinned]);
    if (is === tabbed) return;
    tabbed = is;
    const focused = tabs.contains(document.activeElement);
    const tab = ({ name = "", title = "" }) => {
      const isOpen = name === open || session.pinned.includes(name);
      const made = element("button", `mm-button mm-toggle${isOpen ? " mm-open" : ""}`, title, {
        type: "button",
        role: "tab",
        "data-view": name,
        "aria-selected": String(name === open),
        tabindex: name === open ? "0" : "-1",
        title: name === COLUMNS ? "the code columns" : `${title} (Shift and click: beside the open view)`,
      });
      made.addEventListener("click", (/** @type {MouseEvent} */ event) => {
        if (event.detail) tabs.closest(".mm-stage").focus({ preventScroll: true }); // a mouse: the arrows go on stepping
        acts.view([name, event.shiftKey]);
      });
      return made;
    };
    tabs.replaceChildren(tab({ name: COLUMNS, title: "Columns" }), ...views.map(tab));
    const selected = /** @type {any} */ (tabs.querySelector('[aria-selected="true"]'));
    reach();
    if (focused && selected) selected.focus({ preventScroll: true });
  };
  /** A tab is seen whole or not at all. */
  const whole = () => {
    const { left, right } = tabs.getBoundingClientRect();
    const [first, ...others] = /** @type {any[]} */ ([...tabs.children]);
    const from = first?.offsetWidth ? first.getBoundingClientRect().right : left; // the columns stay at the edge
    for (const tab of others) {
      const box = tab.getBoundingClientRect();
      tab.classList.toggle("mm-cut", box.left < from - 1 || box.right > right + 1);
    }
  };
  /** Bring the open tab into view. Where all tabs are seen, the list of them keeps its place, unseen. */
  const reach = () => {
    more.classList.toggle("mm-gone", tabs.scrollWidth <= tabs.clientWidth + 1);
    const selected = /** @type {any} */ (tabs.querySelector('[aria-selected="true"]'));
    if (selected) tabs.scrollLeft = Math.max(0, selected.offsetLeft + selected.offsetWidth + 2 - tabs.clientWidth);
    whole();
  };
  new ResizeObserver(reach).observe(tabs);
  tabs.addEventListener("scroll", whole);
  tabs.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const all = /** @type {any[]} */ ([...tabs.children]).filter((tab) => tab.offsetWidth);
    const at = all.indexOf(document.activeElement);
    const { length } = all;
    const to = { ArrowRight: at + 1, ArrowLeft: at + length - 1, Home: 0, End: length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    acts.view([all[to % length].dataset.view, false]);
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    node,
    slider,
    tabs,
    draw() {
      const { k, last, playback } = session;
      able(first, k > 0);
      able(back, k > 0);
      able(next, k < last);
      able(end, k < last);
      able(play, last > 0);
      able(save, !session.film.isSealed);
      say(play, playback.isOn ? "pause" : "play");
      attribute(play, "aria-label", playback.isOn ? "pause (space)" : "play (space)");
      attribute(stop, "aria-pressed", String(playback.stops));
      speed.value = String(playback.speed);
      attribute(slider, "max", last);
      if (slider.value !== String(k)) slider.value = String(k);
      const did = k ? `, ${stepName(session.film, session.path, k)}` : "";
      attribute(slider, "aria-valuetext", `step ${k} of ${last}${did}`);
      say(count, `${k}/${last}`);
      drawRuns();
      drawTabs();
    },
  };
}

/** "CPU0*3 CPU1" @param {number[]} schedule @param {string[]} actors */
export function spokenSchedule(schedule, actors) {
  const said = [];
  for (let i = 0; i < schedule.length; ) {
    let to = i;
    while (to < schedule.length && schedule[to] === schedule[i]) to++;
    said.push(actors[schedule[i]] + (to - i > 1 ? `*${to - i}` : ""));
    i = to;
  }
  return said.join(" ");
}
