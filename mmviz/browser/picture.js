// One picture of the middle pane: an SVG that fits its room, or scrolls in it to what was just written.

import { attribute, drawn, element } from "./dom.js";
import { arrowOf, layer } from "./marks.js";

const TYPE = 13; // px of type at scale 1
export const LEAST_SCALE = 11 / TYPE; // smaller type is not read
export const MOST_SCALE = 1.7; // scale of a small picture in a large pane
const MARGIN = 14; // px kept free about what is scrolled into view
const DIMMED = 0.22;
const NEAR_MARK = 4; // px between marks that one rectangle surrounds
const ADVANCE_OF_TYPE = 7.93; // px of a letter at scale 1

/**
 * The marks without the fields that the reader hid, and with all but the focused ones dimmed.
 * @param {Mark[]} marks
 * @param {Set<string>} hidden
 * @param {Set<string>} focus
 * @returns {Mark[]}
 */
export function chosenMarks(marks, hidden, focus) {
  if (!hidden.size && !focus.size) return marks;
  const fields = new Map(marks.map((mark) => [mark.k, mark.f]));
  const fieldOf = (/** @type {Mark} */ mark) => mark.f ?? fields.get(arrowOf(mark.k));
  return marks.flatMap((mark) => {
    const field = fieldOf(mark);
    if (field === undefined) return [mark];
    if (hidden.has(field)) return [];
    return focus.size && !focus.has(field) ? [{ ...mark, o: (mark.o ?? 1) * DIMMED }] : [mark];
  });
}

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
 * The rectangles about the marks that show one of these fields. Marks that touch, as a value and the box
 * behind it, have one rectangle.
 * @param {Mark[]} marks
 * @param {(field: string) => boolean} isWanted
 * @returns {Box[]}
 */
export function boxesOf(marks, isWanted) {
  /** @type {Box[]} */
  let found = [];
  for (const mark of marks) {
    if (mark.f === undefined || mark.o === 0 || !isWanted(mark.f)) continue;
    if (mark.t !== "rect" && mark.t !== "text") continue;
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
 * The rectangle about the marks that show one of these fields; null: none.
 * @param {Mark[]} marks
 * @param {(field: string) => boolean} isWanted
 * @returns {Box | null}
 */
export function boxOf(marks, isWanted) {
  const [first, ...others] = boxesOf(marks, isWanted);
  return first ? others.reduce(around, first) : null;
}

/** @param {string} name @param {string} label */
export function picture(name, label) {
  const [still, live] = [drawn("g", { class: "mm-still" }), drawn("g", { class: "mm-live", "aria-hidden": "true" })];
  const svg = drawn("svg", { class: "mm-picture", role: "img", "aria-label": label }, still, live);
  const hint = element("div", "mm-hint", "…", { "aria-hidden": "true" });
  const scroller = element("div", "mm-scroll", "", {}, svg);
  const node = element(
    "div",
    "mm-pane",
    "",
    { "data-view": name, role: "tabpanel", "aria-label": label },
    scroller,
    hint,
  );
  hint.hidden = true;
  const [draw, drawLive] = [layer(still), layer(live)];
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
     * @param {number[]} size
     * @param {number} screen how much larger all is in full screen
     */
    fit(size, screen) {
      const [wide, high] = [node.clientWidth, node.clientHeight];
      made.size = size;
      if (!wide || !high) return;
      made.scale = Math.max(LEAST_SCALE, Math.min(wide / size[0], high / size[1], MOST_SCALE * screen));
      attribute(svg, "viewBox", `0 0 ${size[0]} ${size[1]}`);
      attribute(svg, "width", Math.floor(size[0] * made.scale));
      attribute(svg, "height", Math.floor(size[1] * made.scale));
      attribute(
        scroller,
        "tabindex",
        scroller.scrollWidth > scroller.clientWidth + 1 || scroller.scrollHeight > scroller.clientHeight + 1 ? 0 : null,
      );
    },
    /** Scroll to these fields, inside this pane only. @param {Mark[]} marks @param {string[]} fields */
    reveal(marks, fields) {
      if (!fields.length || !scroller.hasAttribute("tabindex")) return;
      const box = boxOf(marks, (field) => fields.includes(field));
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
    /** A point of the screen in the picture's coordinates. @param {number} x @param {number} y @returns {[number, number]} */
    inside(x, y) {
      const box = svg.getBoundingClientRect();
      return [(x - box.left) / made.scale, (y - box.top) / made.scale];
    },
  };
  return made;
}
