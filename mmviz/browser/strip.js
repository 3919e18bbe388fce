// The strip: a lane an actor with a chip a step, arcs from what a step read to where it was written, and
// the tree of the runs tried.

import { attribute, drawn, element, say, sketch } from "./dom.js";
import { brokenIn, causesOf, stepName } from "./story.js";
import { windowsUntil } from "./windows.js";

const CHIP = { least: 22, most: 34, high: 18 };
const LANE_TYPE = [11, 11.5]; // px: the least, and that at type 100 %
const LANE_PART = 0.9; // of the height of a lane that its type takes
const BAR = 10; // px that a scroll bar takes
const FATE = { high: 4, away: 1 }; // px: the line of what is possible, and the space below it
const EDGE = 2.5; // px of the line of a window where lanes are narrow
const [TRAY, TRAY_STEP] = [4, 3]; // px that a window reaches beyond a chip; less for each one that it is in
const NEAR = 12; // px from a node of the tree at which a click means it
const BEYOND = 6; // chips drawn beyond what is in view

/**
 * @param {import("./session.js").Session} session
 * @param {{go: (k: number) => void, visit: (node: any) => void,
 *   point: (what: import("./pointed.js").Pointed) => void}} acts
 */
export function strip(session, acts) {
  const { actors } = session.film.head;
  const names = element(
    "div",
    "mm-lanes",
    "",
    { "aria-hidden": "true" },
    ...actors.map((/** @type {string} */ name) => element("span", "", name, { title: name })),
  );
  const [chips, tree] = [
    drawn("svg", { class: "mm-chips" }),
    drawn("svg", { class: "mm-tree", "aria-hidden": "true" }),
  ];
  const scroller = element("div", "mm-steps", "", { role: "group", "aria-label": "steps of this run" }, chips);
  const score = element("span", "mm-score");
  const { race, case: name } = session.film.head;
  const named = element("span", "mm-case", name, { title: `${race}:${name}` });
  const runs = element("div", "mm-tried", "", {}, tree, element("div", "mm-about", "", {}, named, score));
  const node = element("div", "mm-strip", "", { "data-pane": "strip" }, names, scroller, runs);
  const [drawChips, drawTree] = [sketch(chips), sketch(tree)];
  /** @type {[number, number, any][]} */
  let spots = [];
  let size = { width: 600, height: 62, treeWidth: 300, treeHeight: 44 };
  let [wide, offset, scale] = [CHIP.most, 0, 1];
  let isLong = false; // whether the runs of the case are so long that the steps scroll
  /** @type {{hot: Set<number>, isLate: boolean}} */
  let latest = { hot: new Set(), isLate: false };

  const stepAt = (/** @type {any} */ event) =>
    Number(event.target.closest?.("[data-step]")?.getAttribute("data-step") ?? -1);
  chips.addEventListener("click", (/** @type {Event} */ event) => stepAt(event) >= 0 && acts.go(stepAt(event)));
  chips.addEventListener("pointerover", (/** @type {Event} */ event) =>
    acts.point(stepAt(event) > 0 ? { steps: [stepAt(event)] } : {}),
  );
  chips.addEventListener("pointerleave", () => acts.point({}));
  scroller.addEventListener("scroll", () => {
    offset = scroller.scrollLeft;
    drawSteps();
  });
  tree.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const box = tree.getBoundingClientRect();
    const away = (/** @type {[number, number, any]} */ [x, y]) =>
      Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
    const near = spots.reduce((best, spot) => (away(spot) < away(best) ? spot : best), spots[0]);
    if (near && away(near) < NEAR) acts.visit(near[2]);
  });

  const inside = () => size.height - (isLong ? BAR : 0); // px that the scroll bar leaves
  const room = () => (inside() - 6 - FATE.high) / actors.length; // px of a lane
  const lane = (/** @type {number} */ actor) => 4 + room() * (actor + 0.5);

  /**
   * The windows that are open or were: trays behind the chips or, where lanes are narrow, lines along their lower edge
   * and, for a window in a window, along the upper one; and below all, what is possible.
   * @param {number} high px of a chip
   * @param {boolean} isNarrow
   */
  const windows = (high, isNarrow) => {
    const { film, path, k, isSealed, choice } = session;
    const placed = (/** @type {import("./windows.js").Stretch} */ { actor, depth = 0 }) => {
      if (actor < 0) return [inside() - FATE.away - FATE.high, FATE.high];
      if (isNarrow) return [depth % 2 ? lane(actor) - high / 2 : lane(actor) + high / 2 - EDGE, EDGE];
      const tall = Math.min(room() - 1, high + 2 * Math.max(0, TRAY - TRAY_STEP * depth));
      return [lane(actor) - tall / 2, tall];
    };
    return windowsUntil(film, path, latest.isLate ? k - 1 : k).flatMap((each, i) => {
      const { kind, actor, from, to, isOpen } = each;
      const [x, end] = [Math.max(0, from - 1) * wide, (actor < 0 ? Math.max(to, 0.3) : to) * wide];
      const isAway = end < offset || x > offset + size.width;
      if (isAway || (actor < 0 ? isSealed : choice.isHidden(actor))) return [];
      const [y, height] = placed(each);
      const isDim = actor >= 0 && choice.isDim(actor);
      const kinds = `mm-window mm-window-${kind}${isOpen ? " mm-window-open" : ""}${isNarrow && actor >= 0 ? " mm-window-edge" : ""}${isDim ? " mm-dim-mark" : ""}`;
      const width = Math.max(2, end - x);
      return [[`window:${i}`, "rect", { class: kinds, x, y, width, height, rx: 3, "data-window": i }]];
    });
  };

  const drawSteps = () => {
    const { film, path, k, last, notes } = session;
    const hasNotes = Object.keys(notes).length > 0;
    const high = Math.min(CHIP.high * scale, Math.max(13, room() - 4));
    const across = (/** @type {number} */ i) => (i - 0.5) * wide;
    const broken = brokenIn(film, path, latest.isLate ? k - 1 : k);
    const seen = [
      Math.max(1, Math.floor(offset / wide) - BEYOND),
      Math.min(last, Math.ceil((offset + size.width) / wide) + BEYOND),
    ];
    const seenActors = [...actors.keys()].filter((actor) => !session.choice.isHidden(actor));
    /** @type {any[]} */
    const parts = seenActors.map((a) => [
      `lane:${a}`,
      "line",
      { class: "mm-lane", x1: 0, x2: Math.max(size.width, last * wide), y1: lane(a), y2: lane(a) },
    ]);
    const isNarrow = room() < high + TRAY;
    if (!isNarrow) parts.push(...windows(high, isNarrow));
    // Arcs first: a number lies over them.
    for (let i = Math.max(2, seen[0]); i <= Math.min(k, seen[1]); i++) {
      const [to, end] = [across(i), lane(path[i].actor) - high / 2];
      for (const step of new Set(causesOf(film, path, i).map((cause) => cause.step))) {
        if (path[step].actor === path[i].actor && i !== k) continue;
        if ([step, i].some((each) => session.choice.isHidden(path[each].actor))) continue;
        const [x, y] = [across(step), lane(path[step].actor) - high / 2];
        const top = Math.max(1, Math.min(y, end) - 12);
        parts.push([
          `arc:${step}:${i}`,
          "path",
          { class: i === k ? "mm-arc mm-arc-now" : "mm-arc", d: `M${x} ${y}C${x} ${top} ${to} ${top} ${to} ${end}` },
        ]);
      }
    }
    for (let i = seen[0]; i <= seen[1]; i++) {
      if (session.choice.isHidden(path[i].actor)) continue;
      const dim = session.choice.isDim(path[i].actor) ? " mm-dim-mark" : "";
      const [x, y] = [across(i), lane(path[i].actor)];
      const kind = i === broken ? " mm-chip-bad" : i === k ? " mm-chip-now" : i > k ? " mm-chip-ahead" : "";
      const mark = hasNotes && notes[session.noteKey(i)] ? "*" : "";
      const words = `${i === broken ? "✗" : ""}${i}${mark}`;
      parts.push([
        `chip:${i}`,
        "rect",
        {
          class: `mm-chip${kind}${dim}${latest.hot.has(i) ? " mm-hot" : ""}`,
          x: x - wide / 2 + 1,
          y: y - high / 2,
          width: wide - 2,
          height: high,
          rx: 3,
          "data-step": i,
        },
      ]);
      parts.push([
        `words:${i}`,
        "text",
        { class: `mm-chip-words${kind}${dim}`, x, y: y + 4 * scale, "text-anchor": "middle", "data-step": i },
        words,
      ]);
    }
    if (isNarrow) parts.push(...windows(high, isNarrow));
    drawChips(parts);
  };

  const drawRuns = () => {
    const { tree: known, film, path, k } = session;
    const { lanes, count } = known.lanes();
    const deepest = Math.max(8, ...known.nodes.map((each) => each.depth));
    const across = Math.min(16, (size.treeWidth - 20) / deepest);
    const down = Math.min(11, (size.treeHeight - 14) / Math.max(1, count - 1));
    /** @returns {[number, number]} */
    const spot = (/** @type {any} */ each) => [9 + each.depth * across, 8 + lanes[each.id] * down];
    let [twigs, dots, bad] = ["", "", ""];
    spots = known.nodes.map((each) => [...spot(each), each]);
    for (const [x, y, each] of spots) {
      const isBad =
        each.depth && film.bads(each.state).some((bad) => film.isBad(bad)) && !(latest.isLate && each === path[k]);
      if (isBad) bad += `M${x} ${y}h.1`;
      else dots += `M${x} ${y}h.1`;
      if (!each.up) continue;
      const [ux, uy] = spot(each.up);
      twigs += uy === y ? `M${ux} ${uy}H${x}` : `M${ux} ${uy}C${(ux + x) / 2} ${uy} ${ux} ${y} ${x} ${y}`;
    }
    const way = path
      .slice(0, k + 1)
      .map((each, i) => `${i ? "L" : "M"}${spot(each).join(" ")}`)
      .join("");
    const [x, y] = spot(path[k]);
    drawTree([
      ["twigs", "path", { class: "mm-twig", d: twigs }],
      ["way", "path", { class: "mm-way", d: way }],
      ["dots", "path", { class: "mm-dots", d: dots }],
      ["bad", "path", { class: "mm-dots mm-dots-bad", d: bad }],
      [
        "here",
        "circle",
        {
          class: brokenIn(film, path, latest.isLate ? k - 1 : k) >= 0 ? "mm-here mm-here-bad" : "mm-here",
          cx: x,
          cy: y,
          r: 5,
        },
      ],
    ]);
  };

  /** Keep the place of the scroll bar. @param {boolean} does */
  const scrolls = (does) => {
    isLong = does;
    scroller.style.overflow = does ? "scroll hidden" : "hidden";
    names.style.marginBottom = `${FATE.high + (does ? BAR : 0)}px`;
    attribute(scroller, "tabindex", does ? 0 : null);
  };
  const draw = () => {
    const { film, path, k, last } = session;
    const room = size.width;
    wide = Math.max(
      (CHIP.least + (last > 99 ? 8 : 0)) * scale,
      Math.min(CHIP.most * scale, (room - 4) / Math.max(12, last)),
    );
    attribute(chips, "width", Math.max(1, Math.ceil(last * wide)));
    if (last * wide > room && !isLong) scrolls(true);
    attribute(chips, "height", inside());
    for (const [actor, each] of [...names.children].entries()) {
      each.classList.toggle("mm-gone", session.choice.isHidden(actor));
      each.classList.toggle("mm-dim-mark", session.choice.isDim(actor));
    }
    if (last * wide > room) {
      const [left, right] = [(k - 2) * wide, (k + 2) * wide];
      if (left < offset) scroller.scrollLeft = offset = Math.max(0, left);
      else if (right > offset + room) scroller.scrollLeft = offset = right - room;
    } else offset = 0;
    drawSteps();
    drawRuns();
    attribute(
      scroller,
      "aria-label",
      k ? `steps of this run: ${k} of ${last}, ${stepName(film, path, k)}` : `steps of this run: ${last}`,
    );
  };

  return {
    node,
    /** @param {number} zoom */
    fit(zoom) {
      scale = zoom;
      const high = node.clientHeight;
      size = {
        width: scroller.clientWidth,
        height: high - 2,
        treeWidth: tree.clientWidth,
        treeHeight: Math.max(20, high - 18 * zoom),
      };
      attribute(tree, "height", size.treeHeight);
      const type = Math.max(LANE_TYPE[0], Math.min(LANE_TYPE[1] * zoom, (LANE_PART * (high - 6)) / actors.length));
      node.style.setProperty("--mm-lane", `${type}px`);
      const rows = session.film.head.columns.flatMap((/** @type {any} */ column) => column.rows).length;
      const longest = Math.max(session.last, ...session.offered().map((run) => run.schedule.length));
      scrolls(Math.max(longest, session.mode === "driver" ? rows : 0) * CHIP.least * scale > size.width);
    },
    /** @param {Set<number>} hot steps pointed at @param {boolean} isLate the verdict is still to come @param {string} words */
    draw(hot, isLate, words) {
      latest = { hot, isLate };
      say(score, words);
      attribute(score, "title", words);
      draw();
    },
  };
}
