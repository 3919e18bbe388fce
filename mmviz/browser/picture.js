// One picture of the middle pane: an SVG that fits its room, or scrolls in it to what was just written.

import { attribute, drawn, element } from "./dom.js";
import { ADVANCE_OF_TYPE, fieldOfMark, stepOf } from "./chosen.js";
import { layer } from "./marks.js";

const TYPE = 13; // px of type at scale 1
export const LEAST_SCALE = 11 / TYPE; // smaller type is not read
export const MOST_SCALE = 1.7; // scale of a small picture in a large pane
const MARGIN = 14; // px kept free about what is scrolled into view
export const SCROLL_BAR = 10; // px, as in stage.css
const WROTE = ["now", "written", "witnessnow"]; // roles of what the last step did, in views other than memory
const NEAR_MARK = 4; // px between marks that one rectangle surrounds

/** Left, top, right, bottom, in the picture's coordinates. @typedef {[number, number, number, number]} Box */

/** @param {Box} one @param {Box} other @returns {Box} */
const around = (one, other) => [
  Math.min(one[0], other[0]),
  Math.min(one[1], other[1]),
  Math.max(one[2], other[2]),
  Math.max(one[3], other[3]),
];

/** @param {Box} one @param {Box} other */
const touch = (one, other) =>
  one[0] <= other[2] + NEAR_MARK && other[0] <= one[2] + NEAR_MARK && one[1] <= other[3] && other[1] <= one[3];

/**
 * The rectangles about the marks that are wanted. Marks that touch, as a value and the box behind it, have one
 * rectangle.
 * @param {Mark[]} marks
 * @param {(mark: Mark) => boolean} isWanted
 * @returns {Box[]}
 */
export function boxesOf(marks, isWanted) {
  /** @type {Box[]} */
  let found = [];
  for (const mark of marks) {
    if (mark.t !== "rect" && mark.t !== "text") continue;
    if (!isWanted(mark)) continue;
    const isText = mark.t === "text";
    const [x, y] = [mark.x, isText ? mark.y - TYPE : mark.y];
    const [w, h] = isText ? [mark.w.length * ADVANCE_OF_TYPE, 18] : [mark.w, mark.h];
    if (!w || !h) continue;
    /** @type {Box} */
    let box = [x, y, x + w, y + h];
    for (const other of found.filter((each) => touch(each, box))) {
      found = found.filter((each) => each !== other);
      box = around(box, other);
    }
    found.push(box);
  }
  return found;
}

/**
 * The rectangle about all marks that are wanted; null: none.
 * @param {Mark[]} marks
 * @param {(mark: Mark) => boolean} isWanted
 * @returns {Box | null}
 */
function boxOf(marks, isWanted) {
  const [first, ...others] = boxesOf(marks, isWanted);
  return first ? others.reduce(around, first) : null;
}

/**
 * Whether a mark shows a field that is wanted. What a mark with a field of its own does not draw it does not show; in
 * other views a field is a row, with a box that is drawn only when it is lit.
 * @param {Mark} mark
 * @param {(field: string) => boolean} isWanted
 */
export function shows(mark, isWanted) {
  const field = fieldOfMark(mark);
  return field !== undefined && isWanted(field) && (mark.f === undefined || mark.o !== 0);
}

/** @param {string} name @param {string} label */
export function picture(name, label) {
  const [still, live, halo] = [
    drawn("g", { class: "mm-still" }),
    drawn("g", { class: "mm-live", "aria-hidden": "true" }),
    drawn("g", { class: "mm-halo", "aria-hidden": "true" }),
  ];
  const svg = drawn(
    "svg",
    { class: "mm-picture", role: "img", "aria-label": `${label}, drawn; t gives it as text` },
    still,
    live,
    halo,
  );
  const hint = element("div", "mm-hint", "…", { "aria-hidden": "true" });
  const scroller = element("div", "mm-scroll", "", { role: "group", "aria-label": `${label}, what is in view` }, svg);
  const node = element(
    "div",
    "mm-pane",
    "",
    { "data-view": name, role: "tabpanel", "aria-label": label },
    scroller,
    hint,
  );
  hint.hidden = true;
  const [draw, drawLive, drawHalo] = [layer(still), layer(live), layer(halo)];
  const made = {
    name,
    node,
    svg,
    scroller,
    hint,
    size: [1, 1],
    scale: 1,
    /** @type {Mark[]} */
    marks: [],
    /** @param {Mark[]} marks */
    draw(marks) {
      made.marks = marks;
      draw(marks);
    },
    drawLive,
    /**
     * Fit the picture to the pane; where its type would be too small, the pane scrolls. Bars come and go here,
     * and never with a step.
     * @param {number[]} size
     * @param {number} screen how much larger all is in full screen
     * @param {number} type
     */
    fit(size, screen, type) {
      const [wide, high] = [node.clientWidth, node.clientHeight];
      made.size = size;
      if (!wide || !high) return;
      const least = LEAST_SCALE * Math.max(1, type / screen); // a full screen enlarges what fits it
      made.scale = Math.max(least, Math.min(wide / size[0], high / size[1], MOST_SCALE * screen));
      const [across, down] = size.map((each) => Math.floor(each * made.scale));
      const isTall = down > high || (across > wide && down > high - SCROLL_BAR);
      const isWide = across > (isTall ? wide - SCROLL_BAR : wide);
      scroller.style.overflow = `${isWide ? "scroll" : "hidden"} ${isTall ? "scroll" : "hidden"}`;
      attribute(svg, "viewBox", `0 0 ${size[0]} ${size[1]}`);
      attribute(svg, "width", across);
      attribute(svg, "height", down);
      attribute(scroller, "tabindex", isWide || isTall ? 0 : null);
    },
    /**
     * Scroll to what the last step wrote, inside this pane only.
     * @param {Mark[]} marks
     * @param {string[]} fields that it wrote; where no mark shows one of them, what has the role of the last step
     */
    reveal(marks, fields) {
      if (!scroller.hasAttribute("tabindex")) return;
      const isField = (/** @type {Mark} */ mark) => shows(mark, (field) => fields.includes(field));
      const isRole = (/** @type {Mark} */ mark) => WROTE.includes(mark.c);
      const steps = new Set(marks.filter((mark) => isRole(mark) && stepOf(mark.s ?? "")).map((mark) => mark.s));
      const box = boxOf(marks, isField) ?? boxOf(marks, (mark) => isRole(mark) || steps.has(mark.s));
      if (!box) return;
      const [left, top, right, bottom] = box.map((each) => each * made.scale);
      const move = (
        /** @type {number} */ at,
        /** @type {number} */ view,
        /** @type {number} */ from,
        /** @type {number} */ to,
      ) =>
        from - MARGIN < at
          ? Math.max(0, from - MARGIN)
          : to + MARGIN > at + view
            ? Math.min(from - MARGIN, to + MARGIN - view)
            : at;
      scroller.scrollLeft = move(scroller.scrollLeft, scroller.clientWidth, left, right);
      scroller.scrollTop = move(scroller.scrollTop, scroller.clientHeight, top, bottom);
    },
    /** Outline what the reader points at. @param {(mark: Mark) => boolean} isWanted */
    point(isWanted) {
      drawHalo(
        boxesOf(made.marks, isWanted).map(
          ([left, top, right, bottom], i) =>
            /** @type {Mark} */ ({
              k: String(i),
              t: "rect",
              c: "hot",
              x: left - 3,
              y: top - 2,
              w: right - left + 6,
              h: bottom - top + 4,
              rx: 4,
            }),
        ),
      );
    },
    /** A point of the screen in the picture's coordinates. @param {number} x @param {number} y @returns {[number, number]} */
    inside(x, y) {
      const box = svg.getBoundingClientRect();
      return [(x - box.left) / made.scale, (y - box.top) / made.scale];
    },
  };
  return made;
}
