// One stage on a page: its parts, its clock, and what it hears.

import { stepOf } from "./chosen.js";
import { Clock } from "./clock.js";
import { codeColumn, sides } from "./columns.js";
import { Deeds } from "./deeds.js";
import { attribute, element, say } from "./dom.js";
import { guard } from "./guard.js";
import { meaningOf } from "./keys.js";
import { BROAD, Middle } from "./middle.js";
import { LEAST_SCALE } from "./picture.js";
import { isSame, pointed, rowsOfLine } from "./pointed.js";
import { ownKeys } from "./own_keys.js";
import { makeRoom, panels } from "./panels.js";
import { captionPane } from "./caption.js";
import { chooserRow } from "./chooser.js";
import { controlsPane } from "./controls.js";
import { promisePane } from "./promise.js";
import { qrCorner } from "./qr.js";
import { scoreOf } from "./game.js";
import { stepName, stepSentence } from "./story.js";
import { strip } from "./strip.js";
import { swiped } from "./swipe.js";
import { explain } from "./tips.js";
import { spokenWindow, windowsUntil } from "./windows.js";

const NARROW = 900; // px: below, the columns become a tab; JupyterLab beside its file browser has 848 of 1280
const SMALL = 700; // px: below, the controls take two rows
const LARGE_TYPE = 1.4; // from here on, the key of a button stands below its word
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

export class StageView {
  /**
   * @param {HTMLElement} host
   * @param {import("./session.js").Session} session
   * @param {number} height px
   */
  constructor(host, session, height) {
    this.session = session;
    const { head } = session.film;
    /** @type {import("./pointed.js").Hot} */
    this.hot = pointed(session, {});
    this.at = ""; // what the pointer is on
    this.path = session.path;
    this.isLate = false;
    this.isJump = false;
    this.isInView = true;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.root = element("div", "mm-stage mm-root mm-theme", "", {
      tabindex: "0",
      role: "group",
      "aria-label": `${head.race}: ${head.title}`,
      "aria-keyshortcuts": "ArrowRight ArrowLeft Home End Space ?",
      "data-actors": String(head.actors.length),
    });
    if (height) this.root.style.setProperty("--mm-height", `${height}px`);
    this.deeds = new Deeds(this);
    const { acts } = this.deeds;
    const point = (/** @type {import("./pointed.js").Pointed} */ what) => this.point(what);
    const about = (/** @type {number} */ actor) => this.panels.aboutActor(actor);
    const seen = { go: acts.go, visit: acts.visit, choose: acts.choose, point, about };
    this.promise = promisePane(session, acts);
    this.controls = controlsPane(session, acts);
    this.caption = captionPane(session, acts);
    this.strip = strip(session, seen);
    this.chooser = session.mode === "driver" ? chooserRow(session, seen) : null;
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
    this.qr = qrCorner(session, this.middle.node, (words) => this.hint(words));
    this.error = element("div", "mm-error", "", { role: "alert" });
    this.main = element(
      "div",
      "mm-main",
      "",
      {},
      left,
      this.middle.node,
      right,
      this.middle.overlay,
      this.qr.node,
      this.error,
    );
    this.panels = panels(session, {
      focus: () => this.root.focus({ preventScroll: true }),
      open: (schedule) => session.open(schedule, schedule.length),
      views: () => this.middle.texts(),
      point,
      root: () => this.root,
      names: () => this.middle.names(),
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
      [this.middle.seats, "pointermove", (/** @type {PointerEvent} */ event) => this.over(event)],
      [this.middle.seats, "pointerleave", () => this.point({})],
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
    const unswiped = swiped(root, (way) => this.deeds.go(session.k + way));
    const deaf = session.listen((what) => this.heard(what));
    const unguarded = guard(root);
    const unkept = ownKeys(root);
    return () => {
      for (const [target, name, act] of heard) target.removeEventListener(name, act, name === "scroll");
      sized.disconnect();
      watched.disconnect();
      unexplain();
      unswiped();
      unguarded();
      unkept();
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
    const isBlank = this.root.classList.contains("mm-blank"); // then a key only brings the picture back
    const [name, value] = isBlank ? ["blank", 0] : found;
    const done = deeds.acts[name](value);
    this.isJump = false;
    if (name === "escape" && !done) return;
    event.preventDefault();
  }

  /** @param {MouseEvent} event */
  click(event) {
    const { session, root } = this;
    const part = /** @type {Element} */ (event.target);
    const mark = part.closest(".mm-picture [data-key]");
    const step = stepOf(mark?.getAttribute("data-subject") || "");
    const field = fieldOf(mark) || this.middle.fieldAt(part, event.clientX, event.clientY);
    const at = field ? session.film.numbers.get(field) : undefined;
    if (step) this.deeds.go(step);
    else if (field && at !== undefined) {
      if (this.panels.open === "possible") this.panels.add(field);
      else this.panels.menu(field, session.film.words(session.path[session.k].state, at));
    }
    const takesFocus = part.closest("button, input, select, textarea, [tabindex]") !== root;
    if (!takesFocus && !root.contains(document.activeElement) && !window.getSelection()?.toString())
      root.focus({ preventScroll: true });
  }

  /** @param {PointerEvent} event */
  over(event) {
    const part = /** @type {Element} */ (event.target);
    const mark = part.closest("[data-key]");
    const subject = mark?.getAttribute("data-subject") ?? "";
    const step = stepOf(subject);
    const field = fieldOf(mark) || this.middle.fieldAt(part, event.clientX, event.clientY);
    this.point({
      steps: step ? [step] : [],
      fields: field ? [field] : [],
      rows: rowsOfLine(this.session.film, subject),
    });
  }

  /** Light what the reader points at, wherever it is shown. @param {import("./pointed.js").Pointed} what */
  point(what) {
    const at = JSON.stringify([this.session.k, what]);
    if (at === this.at) return;
    this.at = at;
    const hot = pointed(this.session, what);
    if (isSame(hot, this.hot)) return;
    this.hot = hot;
    this.drawPath();
    this.middle.point(hot);
  }

  /** The sentence about a part under the pointer. @param {Element} part */
  tip(part) {
    const { film, path, k } = this.session;
    const step = Number(part.closest("[data-step]")?.getAttribute("data-step") || 0);
    if (step && path[step]) return `${step}  ${stepName(film, path, step)}. ${stepSentence(film, path, step)}`;
    const stretch = part.closest("[data-window]")?.getAttribute("data-window");
    if (stretch) return spokenWindow(windowsUntil(film, path, k)[Number(stretch)]);
    const code = part.closest("[data-line]")?.getAttribute("data-line");
    if (code) return code;
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
    else if (what === "play") this.drawControls();
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
    this.chooser?.draw();
    this.drawPath();
    this.drawVerdict();
    this.panels.draw();
    this.qr.draw();
    const schedule = session.tree.schedule().map((actor) => film.head.actors[actor]);
    this.root.dataset.state = JSON.stringify({ race: film.head.race, case: film.head.case, schedule, cursor: k });
    this.root.dataset.k = String(k);
  }

  drawControls() {
    this.controls.draw();
  }

  drawPath() {
    for (const column of this.columns) column.draw(this.hot.rows);
    this.drawStrip();
  }

  drawStrip() {
    this.strip.draw(this.hot.steps, this.isLate, scoreOf(this.session));
  }

  drawVerdict() {
    this.promise.draw(this.isLate);
    this.caption.draw(this.isLate, this.isJump || this.session.playback.isOn);
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
    this.middle.paint(this.path, p, this.hot, this.calm.matches);
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
    root.toggleAttribute("data-small", wide < SMALL);
    root.toggleAttribute("data-large", type >= LARGE_TYPE && wide >= SMALL);
    if (this.chooser && wide < NARROW) root.insertBefore(this.chooser.node, this.main);
    else this.chooser?.node.remove();
    root.dataset.open = session.showsColumns ? "columns" : "picture";
    root.style.setProperty("--mm-zoom", String(type));
    root.style.setProperty("--mm-tall", String(Math.min(type, (high * MOST_ROWS) / ROWS)));
    root.style.setProperty("--mm-side", `${this.sideWidth(wide)}px`);
    this.middle.open();
    this.promise.fit(type);
    for (const column of this.columns) column.fit(type);
    this.strip.fit(type);
    this.middle.fit(screen, type);
    makeRoom(root, this.main, this.strip.node);
    this.middle.isFresh = true; // what was just written is to be seen in the new room, too
    this.drawPath();
    this.redraw();
    this.qr.place();
  }

  /** @param {boolean} [isInView] */
  see(isInView = this.isInView) {
    this.isInView = isInView;
    if (document.hidden) this.session.rest();
    this.clock.see(isInView && !document.hidden);
  }

  close() {
    this.caption.hush();
    this.clock.close();
    this.undone();
    this.root.remove();
  }
}
