// The middle of the stage: the picture of memory or other views, and the tokens that come from the code.

import { attribute, drawn, element } from "./dom.js";
import { balls, stillBalls } from "./balls.js";
import { layer } from "./marks.js";
import { columnLetters, columnWidth, sides } from "./columns.js";
import { fieldOfMark } from "./chosen.js";
import { LEAST_SCALE, MOST_SCALE, SCROLL_BAR, picture, shows } from "./picture.js";
import { pose } from "./pose.js";
import { written } from "./story.js";

export const BROAD = 1180; // px: from here on, two views stand side by side; JupyterLab has 1205 of 1400
const MEMORY = "memory";
const [WIDEST_SIDE, NARROWEST_SIDE] = [0.3, 0.16]; // of the width of the stage that a side takes
const OTHER_SIDE = 0.105; // the least where another view than memory is open: they are wide
const MIDDLE_GAPS = 14; // px between the sides and the middle

export class Middle {
  /**
   * @param {import("./session.js").Session} session
   * @param {(actor: number, row: number) => {box: DOMRect, isLeft: boolean}} placeOf where a row of code stands
   */
  constructor(session, placeOf) {
    this.session = session;
    this.placeOf = placeOf;
    /** @type {Map<string, ReturnType<typeof picture>>} */
    this.panes = new Map();
    this.seats = element("div", "mm-seats");
    this.node = element("div", "mm-middle", "", { "data-pane": "memory" }, this.seats);
    this.tokens = drawn("g");
    this.overlay = drawn("svg", { class: "mm-overlay", "aria-hidden": "true" }, this.tokens);
    this.drawTokens = layer(this.tokens);
    this.shown = ""; // what the still layers show
    /** @type {{node: any, cue: any} | null} */
    this.cued = null;
    this.isFresh = false;
    /** @type {Set<string>} the views in which what the step wrote is still to be scrolled into view */
    this.unseen = new Set();
    this.screen = 1;
    this.type = 1;
  }

  get memory() {
    return this.panes.get(MEMORY);
  }

  /** Whether something moves at rest. */
  flows() {
    return [...this.panes.values()].some((pane) => pane.marks.some((mark) => mark.t === "flow"));
  }

  /**
   * Draw the pictures at `p` of a path.
   * @param {import("./tree.js").TreeNode[]} path
   * @param {number} p
   * @param {{fields: Set<string>, lines: Set<string>}} hot what the reader points at
   * @param {boolean} isCalm
   */
  paint(path, p, hot, isCalm) {
    const i = Math.min(Math.floor(p), path.length - 1);
    const u = path[i + 1] ? p - i : 0;
    if (this.isFresh) this.arrive();
    const shown = `${path[i].id} ${u ? path[i + 1].id : ""} ${u}`;
    if (shown !== this.shown) {
      this.shown = shown;
      for (const pane of this.panes.values()) {
        if (pane.name === MEMORY) this.paintMemory(pane, path, i, u);
        else this.paintFrames(pane, i, u);
      }
      if (hot.fields.size || hot.lines.size) this.point(hot);
    }
    const now = performance.now();
    for (const pane of this.panes.values()) pane.drawLive(isCalm ? stillBalls(pane.marks) : balls(pane.marks, now));
  }

  /** @param {Mark[]} marks */
  chosen(marks) {
    return this.session.choice.of(marks, this.session.path);
  }

  /** @param {ReturnType<typeof picture>} pane @param {import("./tree.js").TreeNode[]} path @param {number} i @param {number} u */
  paintMemory(pane, path, i, u) {
    const { film } = this.session;
    const at = (/** @type {number} */ n) => this.chosen(film.picture(path[n].state, path[n].move));
    if (!u) {
      pane.draw(at(i));
      this.drawTokens([]);
      return;
    }
    const all = pose(at(i), at(i + 1), this.cue(path, i + 1), u);
    const isToken = (/** @type {Mark} */ mark) => mark.k.startsWith("token:");
    pane.draw(all.filter((mark) => !isToken(mark)));
    this.drawTokens(all.filter(isToken));
  }

  /** A view whose frames come from the kernel; while they are missing, the picture before stays. @param {ReturnType<typeof picture>} pane @param {number} i @param {number} u */
  paintFrames(pane, i, u) {
    const { session } = this;
    const held = session.view(pane.name);
    pane.hint.hidden = Boolean(held?.scenes.has(session.k));
    const [from, to] = [held?.scenes.get(i), held?.scenes.get(i + 1)];
    if (!held || !from) return;
    if (held.size.join() !== pane.size.join()) {
      pane.fit(held.size, this.screen, this.type);
      queueMicrotask(() => session.tell("options")); // the sides make room for it
    }
    if (held.scenes.has(session.k) && this.unseen.delete(pane.name))
      pane.reveal(held.scenes.get(session.k) ?? [], this.wrote());
    pane.draw(
      u && to ? pose(this.chosen(from), this.chosen(to), { line: null, writes: [], reads: [] }, u) : this.chosen(from),
    );
  }

  /** What step `i` did, and where its line of code stands. @param {import("./tree.js").TreeNode[]} path @param {number} i */
  cue(path, i) {
    const node = path[i];
    if (this.cued?.node === node) return this.cued.cue;
    const { film } = this.session;
    const { box, isLeft } = this.placeOf(node.actor, film.next(path[i - 1].state, node.actor)?.row ?? -1);
    const home = this.node.getBoundingClientRect();
    const isShown = box.width > 0;
    const [x, y] = isShown
      ? [isLeft ? box.right - 10 : box.left + 10, (box.top + box.bottom) / 2]
      : [isLeft ? home.left : home.right, home.top + home.height / 2];
    const writes = written(film, path, i).map(([field, , now]) => [field, now]);
    const reads = film.moved(node.move).reads.map((field) => film.head.fields[field]);
    const cue = { line: this.memory?.inside(x, y) ?? null, writes, reads };
    this.cued = { node, cue };
    return cue;
  }

  /** Before the first frame of a step: bring what it writes into view. */
  arrive() {
    this.isFresh = false;
    this.cued = null;
    const { film, path, k } = this.session;
    const node = path[k];
    this.unseen = new Set(this.panes.keys());
    if (this.memory && node.move >= 0) this.memory.reveal(film.picture(node.state, node.move), this.wrote());
    this.place();
  }

  /** Put the overlay's coordinates on those of the memory picture. */
  place() {
    const pane = this.memory;
    if (!pane) return;
    const [home, box] = [this.overlay.getBoundingClientRect(), pane.svg.getBoundingClientRect()];
    const said = `translate(${box.left - home.left} ${box.top - home.top}) scale(${pane.scale})`;
    attribute(this.tokens, "transform", said);
  }

  /** The fields that the last step wrote. */
  wrote() {
    const { film, path, k } = this.session;
    return written(film, path, k).map(([field]) => field);
  }

  /**
   * The path of the field whose box is at a point of the screen; "" for none. In other views than memory the box of a
   * field is drawn only when it is lit.
   * @param {Node} target @param {number} x @param {number} y
   */
  fieldAt(target, x, y) {
    for (const pane of this.panes.values()) {
      if (!pane.svg.contains(target)) continue;
      const [left, top] = pane.inside(x, y);
      const isAt = (/** @type {Mark} */ mark) =>
        mark.t === "rect" && left >= mark.x && left <= mark.x + mark.w && top >= mark.y && top <= mark.y + mark.h;
      const found = pane.marks.find((mark) => mark.f === undefined && fieldOfMark(mark) !== undefined && isAt(mark));
      return (found && fieldOfMark(found)) || "";
    }
    return "";
  }

  /** Outline the values of fields, and lines of code. @param {{fields: Set<string>, lines: Set<string>}} hot */
  point({ fields, lines }) {
    const isHot = (/** @type {Mark} */ mark) => lines.has(mark.s ?? "") || shows(mark, (field) => fields.has(field));
    for (const pane of this.panes.values()) pane.point(isHot);
  }

  /** The names of the views that are open. */
  names() {
    const { pane, pinned, film } = this.session;
    const known = film.head.views.map((/** @type {any} */ view) => view.name);
    const first = known.includes(pane) ? pane : MEMORY;
    const isWide = (this.overlay.closest(".mm-stage")?.clientWidth ?? 0) >= BROAD;
    return isWide ? [first, ...pinned.filter((name) => name !== first)].slice(0, 2) : [first];
  }

  /**
   * Give the sides what their code needs of the width that the picture of memory does not use.
   * @param {number} count of the open views
   */
  share(count) {
    const root = /** @type {HTMLElement | null} */ (this.node.closest(".mm-stage"));
    if (!root) return;
    const { columns, size } = this.session.film.head;
    const [wide, high] = [root.clientWidth, this.node.clientHeight];
    const type = Number.parseFloat(root.style.getPropertyValue("--mm-zoom")) || 1;
    const floor = LEAST_SCALE * Math.max(1, type);
    const bar = high < size[1] * floor ? SCROLL_BAR : 0;
    const side = (Number.parseFloat(root.style.getPropertyValue("--mm-side")) || WIDEST_SIDE * wide) - bar / 2;
    const scale = Math.max(floor, Math.min(high / size[1], MOST_SCALE * type));
    const used = size[0] * scale;
    const rows = columns.map((/** @type {any} */ column) => column.rows.length);
    const wanted = sides(rows).map((actors) =>
      Math.max(0, ...actors.map((actor) => columnWidth(columnLetters(columns[actor]), type))),
    );
    const least = wanted.map((each) => Math.min(side, Math.max(each, NARROWEST_SIDE * wide)));
    if (count > 1) least.fill(NARROWEST_SIDE * wide);
    const lacks = wanted.map((each, i) => Math.max(0, Math.min(each, WIDEST_SIDE * wide) - least[i]));
    const [lack, held] = [lacks[0] + lacks[1], least[0] + least[1]];
    const spare = count > 1 ? 0 : Math.max(0, Math.max(2 * side, wide - MIDDLE_GAPS - used) - held);
    const part = lack ? Math.min(1, spare / lack) : 0;
    const most = this.besideOther(wide, high, floor);
    for (const [i, name] of ["--mm-left", "--mm-right"].entries())
      root.style.setProperty(name, `${Math.floor(Math.min(most, least[i] + lacks[i] * part))}px`);
  }

  /**
   * How wide a side may be beside another view than memory, so that it need not scroll sideways; Infinity where that
   * would leave the code too little.
   * @param {number} wide px of the stage @param {number} high px of the pane @param {number} floor the least scale
   */
  besideOther(wide, high, floor) {
    const [open, ...more] = this.names();
    const size = open === MEMORY || more.length ? null : this.session.view(open)?.size;
    if (!size) return Infinity;
    const bar = size[1] * floor > high ? SCROLL_BAR : 0;
    const left = (wide - MIDDLE_GAPS - size[0] * floor - bar - 1) / 2;
    return left < OTHER_SIDE * wide ? Infinity : left;
  }

  /** Show the open views, each in its pane. */
  open() {
    const wanted = this.names();
    this.shown = "";
    this.share(wanted.length);
    if ([...this.panes.keys()].join() === wanted.join()) return;
    const titles = Object.fromEntries(
      this.session.film.head.views.map((/** @type {any} */ view) => [view.name, view.title]),
    );
    const kept = this.panes;
    this.panes = new Map(wanted.map((name) => [name, kept.get(name) || picture(name, titles[name] || "Memory")]));
    this.seats.replaceChildren(...[...this.panes.values()].map((pane) => pane.node));
    if (!this.memory) this.drawTokens([]);
  }

  /** Fit the pictures to the room. @param {number} screen how much larger a full screen is @param {number} type */
  fit(screen, type) {
    [this.screen, this.type] = [screen, type];
    for (const pane of this.panes.values()) {
      const held = pane.name === MEMORY ? null : this.session.view(pane.name);
      pane.fit(pane.name === MEMORY ? this.session.film.head.size : (held?.size ?? pane.size), screen, type);
    }
    this.place();
    this.shown = "";
  }

  /** The open views as text, memory apart. @returns {[string, string][]} */
  texts() {
    const { session } = this;
    return [...this.panes.keys()].flatMap((name) => {
      const twin = name === MEMORY ? "" : session.view(name)?.twins.get(session.k);
      const title = session.film.head.views.find((/** @type {any} */ view) => view.name === name)?.title || name;
      return twin ? [/** @type {[string, string]} */ ([title, twin])] : [];
    });
  }
}
