// One stage on a page: its parts, its clock, and what it hears.

import { Clock } from "./clock.js";
import { codeColumn, sides } from "./columns.js";
import { Deeds } from "./deeds.js";
import { attribute, element, say } from "./dom.js";
import { meaningOf } from "./keys.js";
import { Middle } from "./middle.js";
import { LEAST_SCALE } from "./picture.js";
import { panels } from "./panels.js";
import { captionPane } from "./caption.js";
import { controlsPane } from "./controls.js";
import { promisePane } from "./promise.js";
import { scoreOf } from "./game.js";
import { stepName, stepSentence, written } from "./story.js";
import { strip } from "./strip.js";
import { explain } from "./tips.js";

const NARROW = 840; // px: below, the columns become a tab; JupyterLab beside its file browser has 848 of 1280
const BROAD = 1300; // px: from here on, there is room for two views
const ROWS = 212; // px of the rows that are not the main one, at type 100 %
const [SIDE, LEAST_SIDE] = [0.22, 0.175]; // of the width of the stage
const GAPS = 14; // px between the sides and the middle
const MOST_ROWS = 0.56; // of the height of the stage
const HOME_SIZE = [1100, 560]; // px for which the type sizes are made; a full screen has larger type

/** The path of the field that a mark shows, or "". @param {Element | null} mark */
function fieldOf(mark) {
  const subject = mark?.getAttribute("data-subject") ?? "";
  return mark?.getAttribute("data-field") ?? (subject.startsWith("field:") ? subject.slice("field:".length) : "");
}

/**
 * Keep the keyboard: when the focused control goes away or is disabled, the stage has the focus.
 * @param {HTMLElement} root
 * @returns {() => void} what takes it off again
 */
function guard(root) {
  /** @type {any} */
  let held = null;
  const isThere = () => held.isConnected && !held.disabled && !held.closest("[hidden]");
  const check = () => {
    if (!held || isThere()) return;
    held = null;
    const { activeElement } = document;
    if (!activeElement || activeElement === document.body || root.contains(activeElement))
      root.focus({ preventScroll: true });
  };
  const take = (/** @type {FocusEvent} */ event) => {
    held = event.target;
  };
  const drop = () => {
    const was = held; // it may be about to be removed
    setTimeout(() => {
      check();
      if (held === was) held = null;
    });
  };
  const watched = new MutationObserver(check);
  watched.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled", "hidden"] });
  root.addEventListener("focusin", take);
  root.addEventListener("focusout", drop);
  return () => {
    watched.disconnect();
    root.removeEventListener("focusin", take);
    root.removeEventListener("focusout", drop);
  };
}

export class StageView {
  /**
   * @param {HTMLElement} host
   * @param {import("./session.js").Session} session
   * @param {number} height px
   */
  constructor(host, session, height) {
    this.session = session;
    const { head } = session.film;
    /** @type {{steps: Set<number>, fields: Set<string>}} */
    this.hot = { steps: new Set(), fields: new Set() };
    this.path = session.path;
    this.isLate = false;
    this.isJump = false;
    this.isInView = true;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.root = element("section", "mm-stage mm-root mm-theme", "", {
      tabindex: "0",
      role: "group",
      "aria-label": `${head.race}: ${head.title}`,
      "data-lm-suppress-shortcuts": "true",
      "aria-keyshortcuts": "ArrowRight ArrowLeft Home End Space ?",
      "data-actors": String(head.actors.length),
    });
    if (height) this.root.style.setProperty("--mm-height", `${height}px`);
    this.deeds = new Deeds(this);
    const { acts } = this.deeds;
    const point = (/** @type {number[]} */ steps, /** @type {string[]} */ fields) => this.point(steps, fields);
    const seen = { go: acts.go, visit: acts.visit, choose: acts.choose, point };
    this.promise = promisePane(session, acts);
    this.controls = controlsPane(session, acts);
    this.caption = captionPane(session, acts);
    this.strip = strip(session, seen);
    /** @type {ReturnType<typeof codeColumn>[]} */
    this.columns = head.actors.map((/** @type {string} */ _, /** @type {number} */ actor) =>
      codeColumn(session, actor, seen),
    );
    for (const column of this.columns) column.node.style.flexGrow = String(column.rows + 1);
    const [left, right] = sides(this.columns.map((column) => column.rows)).map((all, i) =>
      element(
        "div",
        `mm-side ${i ? "mm-right" : "mm-left"}${all.length > 1 ? " mm-stacked" : ""}`,
        "",
        { "data-pane": "code" },
        ...all.map((actor) => this.columns[actor].node),
      ),
    );
    this.middle = new Middle(session, (actor, row) => ({
      box: this.columns[actor].place(row),
      isLeft: left.contains(this.columns[actor].node),
    }));
    this.error = element("div", "mm-error", "", { role: "alert" });
    this.main = element("div", "mm-main", "", {}, left, this.middle.node, right, this.middle.overlay, this.error);
    this.panels = panels(session, {
      focus: () => this.root.focus({ preventScroll: true }),
      open: (schedule) => session.open(schedule, schedule.length),
      views: () => this.middle.texts(),
    });
    this.root.append(
      this.promise.node,
      this.controls.node,
      this.main,
      this.strip.node,
      this.caption.node,
      this.caption.status,
      this.caption.moment,
      this.panels.node,
    );
    this.clock = new Clock(
      (p) => this.paint(p),
      () => !this.calm.matches && this.middle.flows(),
    );
    this.clock.p = this.clock.k = session.k;
    host.append(this.root);
    this.undone = this.listen();
    this.layout();
    this.update();
    this.drawError();
  }

  listen() {
    const { root, session } = this;
    /** @type {[EventTarget, string, any][]} */
    const heard = [
      [root, "keydown", (/** @type {KeyboardEvent} */ event) => this.key(event)],
      [root, "click", (/** @type {MouseEvent} */ event) => this.click(event)],
      [
        root,
        "focusout",
        (/** @type {FocusEvent} */ event) => root.contains(/** @type {Node} */ (event.relatedTarget)) || session.rest(),
      ],
      [this.middle.seats, "pointerover", (/** @type {Event} */ event) => this.over(event)],
      [this.middle.seats, "pointerleave", () => this.point([], [])],
      [this.middle.seats, "scroll", () => this.middle.place()],
      [document, "visibilitychange", () => this.see()],
      [document, "fullscreenchange", () => this.layout()],
      [this.calm, "change", () => this.clock.wake()],
    ];
    for (const [target, name, act] of heard)
      target.addEventListener(name, act, name === "scroll" ? { capture: true, passive: true } : undefined);
    const sized = new ResizeObserver(() => this.layout());
    sized.observe(root);
    const watched = new IntersectionObserver((entries) => this.see(entries[entries.length - 1].isIntersecting));
    watched.observe(root);
    const unexplain = explain(root, (part) => this.tip(part));
    const deaf = session.listen((what) => this.heard(what));
    const unguarded = guard(root);
    return () => {
      for (const [target, name, act] of heard) target.removeEventListener(name, act, name === "scroll");
      sized.disconnect();
      watched.disconnect();
      unexplain();
      unguarded();
      deaf();
    };
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { session, deeds } = this;
    const found = meaningOf(event, session.film.head.actors.length, session.offered().length);
    if (!found) return;
    this.caption.hush();
    this.isJump = event.repeat;
    const done = deeds.acts[found[0]](found[1]);
    this.isJump = false;
    if (found[0] === "escape" && !done) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {MouseEvent} event */
  click(event) {
    const { session, root } = this;
    const part = /** @type {Element} */ (event.target);
    const mark = part.closest(".mm-picture [data-key]");
    const step = /^step:(\d+)$/.exec(mark?.getAttribute("data-subject") || "");
    const field = fieldOf(mark);
    const at = field ? session.film.numbers.get(field) : undefined;
    if (step) this.deeds.go(Number(step[1]));
    else if (field && at !== undefined) {
      if (this.panels.open === "possible") this.panels.add(field);
      else this.panels.menu(field, session.film.words(session.path[session.k].state, at));
    }
    const takesFocus = part.closest("button, input, select, textarea, [tabindex]") !== root;
    if (!takesFocus && !root.contains(document.activeElement) && !window.getSelection()?.toString())
      root.focus({ preventScroll: true });
  }

  /** @param {Event} event */
  over(event) {
    const field = fieldOf(/** @type {Element} */ (event.target).closest("[data-key]"));
    this.point([], field ? [field] : []);
  }

  /** Light steps, and the fields that they wrote; or fields, and the steps that wrote them. @param {number[]} steps @param {string[]} fields */
  point(steps, fields) {
    const { film, path, k } = this.session;
    const all = { steps: new Set(steps), fields: new Set(fields) };
    for (const i of steps) if (path[i]) for (const [field] of written(film, path, i)) all.fields.add(field);
    for (const field of fields)
      for (let i = 1; i <= k; i++) if (written(film, path, i).some(([each]) => each === field)) all.steps.add(i);
    const same = (/** @type {Set<any>} */ one, /** @type {Set<any>} */ other) => [...one].join() === [...other].join();
    if (same(all.steps, this.hot.steps) && same(all.fields, this.hot.fields)) return;
    this.hot = all;
    this.drawPath();
    this.middle.point(all.fields);
  }

  /** The sentence about a part under the pointer. @param {Element} part */
  tip(part) {
    const { film, path, k } = this.session;
    const step = Number(part.closest("[data-step]")?.getAttribute("data-step") || 0);
    if (step && path[step]) return `${step}  ${stepName(film, path, step)}. ${stepSentence(film, path, step)}`;
    const mark = part.closest(".mm-picture [data-key]");
    if (!mark) return "";
    const said = film.head.tips?.[mark.getAttribute("data-subject") || ""];
    const field = fieldOf(mark);
    const at = field ? film.numbers.get(field) : undefined;
    const value = field && at !== undefined ? `${field}: ${film.words(path[k].state, at)}` : "";
    return [value, said].filter(Boolean).join(". ");
  }

  /** @param {string} what */
  heard(what) {
    if (what === "step" || what === "busy") this.update();
    else if (what === "error") this.drawError();
    else if (what === "frames") this.redraw();
    else if (what === "notes") this.drawVerdict();
    else {
      this.layout();
      this.update();
    }
  }

  /** After a step: what does not travel changes now, the rest runs to it. */
  update() {
    const { session, path } = this;
    const now = session.path;
    let shared = 0;
    while (path[shared + 1] && path[shared + 1] === now[shared + 1]) shared++;
    this.path = now;
    this.clock.to(session.k, path === now ? now.length : shared, this.isJump || this.calm.matches);
    this.isLate = this.clock.isLate;
    this.middle.isFresh = true;
    const { film, k } = session;
    attribute(this.root, "aria-busy", session.isAsking && !film.isOpen(now[k].state) ? "true" : null);
    this.drawControls();
    this.drawPath();
    this.drawVerdict();
    this.panels.draw();
    const schedule = session.tree.schedule().map((actor) => film.head.actors[actor]);
    this.root.dataset.state = JSON.stringify({ race: film.head.race, case: film.head.case, schedule, cursor: k });
    this.root.dataset.k = String(k);
  }

  drawControls() {
    this.controls.draw(this.deeds.timer !== undefined, this.deeds.stops);
  }

  drawPath() {
    for (const column of this.columns) column.draw(this.hot.steps);
    this.drawStrip();
  }

  drawStrip() {
    this.strip.draw(this.hot.steps, this.isLate, scoreOf(this.session));
  }

  drawVerdict() {
    this.promise.draw(this.isLate);
    this.caption.draw(this.isLate);
  }

  /** Say for a moment why a key did nothing. @param {string} words */
  hint(words) {
    this.caption.hint(words);
  }

  drawError() {
    say(this.error, this.session.error);
    this.redraw();
  }

  redraw() {
    this.middle.shown = "";
    this.clock.wake();
  }

  /** @param {number} p */
  paint(p) {
    if (this.clock.isLate !== this.isLate) {
      this.isLate = this.clock.isLate;
      this.drawStrip();
      this.drawVerdict();
    }
    this.middle.paint(this.path, p, this.hot.fields, this.calm.matches);
    if (!this.clock.isMoving) this.caption.settle();
  }

  /**
   * How wide a side is: a part of the stage, or less where the picture of memory would not fit at its smallest.
   * @param {number} wide px of the stage
   */
  sideWidth(wide) {
    const [picture] = this.session.film.head.size;
    const left = (wide - GAPS - picture * LEAST_SCALE) / 2;
    return Math.round(Math.max(LEAST_SIDE * wide, Math.min(SIDE * wide, left)));
  }

  /** Fit everything to the room: after a change of size or type, never after a step. */
  layout() {
    const { root, session } = this;
    const [wide, high] = [root.clientWidth, root.clientHeight];
    if (!wide || !high) return;
    const isFull = document.fullscreenElement === root;
    const screen = isFull ? Math.max(1, Math.min(wide / HOME_SIZE[0], high / HOME_SIZE[1])) : 1;
    const type = (session.zoom / 100) * screen;
    if (wide >= NARROW) session.showsColumns = false;
    root.dataset.width = wide < NARROW ? "narrow" : wide >= BROAD ? "wide" : "normal";
    root.dataset.open = session.showsColumns ? "columns" : "picture";
    root.style.setProperty("--mm-zoom", String(type));
    root.style.setProperty("--mm-tall", String(Math.min(type, (high * MOST_ROWS) / ROWS)));
    root.style.setProperty("--mm-side", `${this.sideWidth(wide)}px`);
    this.middle.open();
    this.promise.fit(type);
    for (const column of this.columns) column.fit(type);
    this.strip.fit(type);
    this.middle.fit(screen);
    this.drawPath();
    this.redraw();
  }

  /** @param {boolean} [isInView] */
  see(isInView = this.isInView) {
    this.isInView = isInView;
    if (document.hidden) this.session.rest();
    this.clock.see(isInView && !document.hidden);
  }

  close() {
    this.deeds.halt();
    this.caption.hush();
    this.clock.close();
    this.undone();
    this.root.remove();
  }
}
