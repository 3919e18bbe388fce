// One session a model: film, tree and cursor, shared by every view of the model, and the questions to the
// kernel. No DOM.

import { Choice } from "./chosen.js";
import { Film } from "./film.js";
import { Frames } from "./frames.js";
import { Kernel } from "./kernel.js";
import { Playback } from "./playback.js";
import { Tree } from "./tree.js";
import { brokenIn, preemptions } from "./story.js";

const MOST_RUNS = 499; // that are written back, the one on the stage apart
const REST = 2_000; // ms after the last step until the cursor is written back

/**
 * @typedef {{film: any, at?: any, named?: any[], mode?: string, game?: any, height?: number, zoom?: number,
 *   pane?: string, pinned?: string[], notes?: Record<string, string>, hidden?: string[], focus?: string[],
 *   frames?: any[], links?: Record<string, string[]>, qr?: {link?: string, size?: number, path?: string, lacks?: string},
 *   send?: (message: any) => void, isThere?: () => boolean, keep?: (name: string, value: any, isNow: boolean) => void}} Source
 */

export class Session {
  /** @param {Source} source */
  constructor(source) {
    this.source = source;
    /** @type {Set<(what: string) => void>} */
    this.listeners = new Set();
    this.kernel = new Kernel(source.send, source.isThere);
    this.turn = source.at?.n || 0;
    this.opening = 0; // a run that is still being fetched is void once the reader goes elsewhere
    this.isUnsealed = false;
    this.hasGivenUp = false;
    /** @type {WeakSet<import("./tree.js").TreeNode>} what the reader chose himself, step by step */
    this.chosen = new WeakSet();
    /** @type {WeakSet<import("./tree.js").TreeNode>} what a run put on the stage showed before he chose it */
    this.given = new WeakSet();
    /** @type {{path: import("./tree.js").TreeNode[], k: number} | null} where the reader was before a run was shown to him */
    this.before = null;
    /** @type {import("./tree.js").TreeNode[] | null} the run to which Backspace returned before a what-if */
    this.base = null;
    this.isAsking = false;
    this.hasGrown = false; // by pieces that the model does not have yet
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {number | null} one choice made while the kernel is asked */
    this.pending = null;
    this.error = "";
    this.isSilent = false; // the kernel did not answer, or there is none: it is asked again when the reader asks
    this.zoom = source.zoom || 100;
    this.pane = source.pane || "memory";
    this.pinned = source.pinned || [];
    this.showsColumns = false; // in a narrow stage, instead of a picture
    this.notes = { ...source.notes };
    this.hidden = new Set(source.hidden || []);
    this.focus = new Set(source.focus || []);
    /** @type {{of: any[], choice: Choice} | null} */
    this.chose = null;
    this.named = source.named || [];
    /** @type {any[]} runs tried on the stage that was here before, to offer */
    this.kept = [];
    this.mode = source.mode || "player";
    this.game = source.game || {};
    this.film = new Film(source.film);
    this.tree = new Tree(this.film);
    this.k = 0;
    this.frames = new Frames(this, source.frames);
    this.playback = new Playback(this);
    this.place(source.at);
  }

  /** Begin anew with another film. @param {any} film */
  load(film) {
    this.film = new Film(film);
    this.tree = new Tree(this.film);
    this.frames.forget();
    this.playback.halt();
    this.place(this.source.at);
  }

  /** Take the runs and the cursor of `at`. @param {any} at */
  place(at) {
    const runs = at?.runs || [];
    const nodes = runs.map((/** @type {number[]} */ run) => this.tree.follow(run));
    const node = nodes[at?.run || 0] || this.tree.root;
    node.last = null;
    this.tree.path = this.tree.through(node);
    this.tree.record();
    [this.before, this.base] = [null, null];
    this.k = Math.max(0, Math.min(at && at.k !== undefined ? at.k : 0, this.tree.path.length - 1));
    this.wantMoves();
  }

  /** @param {(what: string) => void} act @returns {() => void} what takes it off again */
  listen(act) {
    this.listeners.add(act);
    return () => this.listeners.delete(act);
  }

  /** @param {string} what */
  tell(what) {
    for (const act of this.listeners) act(what);
  }

  // ---- the cursor

  get path() {
    return this.tree.path;
  }

  get last() {
    return this.tree.path.length - 1;
  }

  /** @param {number} k */
  go(k) {
    const to = Math.max(0, Math.min(k, this.last));
    this.pending = null;
    if (to === this.k) return;
    this.k = to;
    this.changed();
  }

  /** Let an actor step now. @param {number} actor */
  choose(actor) {
    const state = this.path[this.k].state;
    if (!(actor in this.film.head.actors)) return;
    if (this.tree.choose(this.k, actor)) {
      this.k++;
      this.took();
      this.changed();
    } else if (!this.film.isOpen(state) && this.film.enabled(state).includes(actor)) {
      this.pending = actor;
      this.wantMoves();
    }
  }

  /** The reader chose the step that led here. */
  took() {
    this.chosen.add(this.path[this.k]);
    this.opening++;
    this.before = null;
  }

  /** Whether the reader chose all steps up to `k` himself, and was not shown the last one before. @param {number} k */
  isOwn(k) {
    const isChosen = this.path.slice(1, k + 1).every((node) => this.chosen.has(node));
    return !this.hasGivenUp && isChosen && !this.given.has(this.path[k]);
  }

  /** Let another actor take the step just taken: with more than two, each that can go in turn. */
  whatIf() {
    if (!this.k) return false;
    const [left, isSide] = [this.k, !this.tree.isRecorded()];
    const before = this.path[this.k - 1];
    const now = this.path[this.k].actor;
    const count = this.film.head.actors.length;
    const can = this.film.enabled(before.state);
    for (let away = 1; away < count; away++) {
      const actor = (now + away) % count;
      if (!can.includes(actor)) continue;
      if (!isSide && this.path.length > this.tree.recorded.length) {
        this.base ??= this.tree.recorded;
        this.tree.record();
      }
      this.k--;
      const isHere = this.tree.choose(this.k, actor);
      if (!isSide) this.tree.left = left;
      if (isHere) {
        this.k++;
        this.took();
      }
      this.changed();
      if (!isHere) this.choose(actor);
      return true;
    }
    return false;
  }

  /** @param {import("./tree.js").TreeNode} node */
  visit(node) {
    this.before = null;
    this.k = this.tree.visit(node);
    this.changed();
  }

  /** Back to the recorded run, where it was left. Return false when it is on the stage. */
  comeBack() {
    if (this.tree.isRecorded()) return false;
    this.k = this.tree.comeBack();
    if (this.base) this.tree.recorded = this.base;
    [this.before, this.base] = [null, null];
    this.changed();
    return true;
  }

  /** Keep where the reader is, until he chooses a step or another run: `putBack` returns there. */
  keepPlace() {
    this.before ??= { path: this.path, k: this.k };
  }

  /** Back to where the reader was before a run was shown to him. Return false when none is. */
  putBack() {
    if (!this.before) return false;
    const { path, k } = this.before;
    const tip = path[path.length - 1];
    this.opening++;
    this.before = null;
    tip.last = null;
    this.tree.path = this.tree.through(tip);
    this.k = k;
    this.changed();
    return true;
  }

  /**
   * Put a schedule on the stage; what the film does not have of it is asked for. Return whether it is whole.
   * @param {number[]} schedule
   * @param {number} k
   * @param {boolean} [isRecorded] whether it becomes the run to which Backspace returns
   */
  async open(schedule, k, isRecorded = false) {
    const mine = ++this.opening;
    let node = this.tree.follow(schedule);
    while (node.depth < schedule.length) {
      const isMore = !this.film.isOpen(node.state) && (await this.fetchMoves(node.state));
      if (mine !== this.opening) return false;
      if (!isMore) break;
      node = this.tree.follow(schedule);
    }
    this.tree.visit(node);
    node.last = null;
    this.tree.path = this.tree.through(node);
    for (const each of this.path) if (!this.chosen.has(each)) this.given.add(each);
    if (isRecorded) {
      this.tree.record();
      [this.before, this.base] = [null, null];
    }
    this.k = Math.min(k, this.last);
    this.changed();
    return node.depth === schedule.length;
  }

  changed() {
    this.keep("k", this.k); // plots beside the stage follow it
    this.wantMoves();
    this.seal();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), REST);
    this.tell("step");
  }

  /** Write back what is not written yet. */
  rest() {
    if (this.timer) this.settle();
  }

  /** Write the cursor and the runs tried back to the model: at rest, never once a step. */
  settle() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.hasGrown) this.keep("film", JSON.stringify(this.film));
    this.hasGrown = false;
    const { tree } = this;
    const leaves = [...tree.leaves()];
    leaves.splice(0, Math.max(0, leaves.length - MOST_RUNS));
    if (!leaves.includes(tree.tip())) leaves.push(tree.tip());
    const at = {
      runs: leaves.map((leaf) => tree.scheduleOf(leaf)),
      run: leaves.indexOf(tree.tip()),
      k: this.k,
      by: "browser",
      n: ++this.turn,
    };
    this.keep("at", at);
  }

  /** @param {string} name @param {any} value */
  keep(name, value) {
    if (this.source.keep) this.source.keep(name, value, name !== "film" && name !== "k");
  }

  /** What the reader hid or brought into focus. */
  get choice() {
    const { film, hidden, focus } = this;
    const of = [film, hidden, focus, film.tables.moves.length];
    if (!this.chose || of.some((each, i) => each !== this.chose?.of[i]))
      this.chose = { of, choice: new Choice(film, hidden, focus) };
    return this.chose.choice;
  }

  /** @param {string} name @param {any} value of an option that is kept with the run */
  set(name, value) {
    /** @type {any} */ (this)[name] = value;
    this.tell(name === "pane" || name === "pinned" ? "pane" : "options"); // first, as a view may ask the kernel
    this.keep(name, value instanceof Set ? [...value] : value);
  }

  // ---- the game

  /** The bad states that count as a win; null: any. */
  get goalBads() {
    return this.mode === "driver" && this.game.bads ? this.game.bads : null;
  }

  /** The step that wins on this path, up to the cursor; -1. */
  wonAt() {
    return this.mode === "driver" ? brokenIn(this.film, this.path, this.k, this.goalBads) : -1;
  }

  /** Whether what gives the answer away stays out of sight. */
  get isSealed() {
    return this.mode === "driver" && !this.isUnsealed;
  }

  seal() {
    if (!this.isUnsealed && brokenIn(this.film, this.path, this.k, this.goalBads) >= 0) this.isUnsealed = true;
  }

  giveUp() {
    this.isUnsealed = true;
    this.hasGivenUp = true;
    this.tell("step");
  }

  /** The runs that may be offered. */
  offered() {
    return [...this.named, ...this.kept].filter((run) => !run.sealed || this.isUnsealed);
  }

  score() {
    const won = this.wonAt();
    return { won, preemptions: preemptions(this.film, this.path, won < 0 ? this.k : won) };
  }

  // ---- the kernel

  /**
   * Ask the kernel. The promise fails when it cannot be asked or does not answer.
   * @param {any} message
   * @param {number} [patience] ms
   * @returns {Promise<any>}
   */
  ask(message, patience) {
    return this.kernel.ask(message, patience);
  }

  /** Take an answer of the kernel. @param {any} answer */
  hear(answer) {
    if (!answer || typeof answer !== "object") return;
    if (answer.piece) {
      this.film.merge(answer.piece);
      this.hasGrown = true;
    }
    if (!this.kernel.hear(answer)) return;
    if (this.isSilent) this.complain("");
    this.isSilent = false;
  }

  /** @param {string} words "" takes the complaint away */
  complain(words) {
    if (this.error === words) return;
    this.error = words;
    this.tell("error");
  }

  /** Take a complaint away that has been read. Return false when there is none. */
  dismiss() {
    const isThere = this.error !== "";
    this.isSilent = false;
    this.complain("");
    return isThere;
  }

  /** @param {number} state */
  async fetchMoves(state) {
    if (this.film.isOpen(state)) return true;
    try {
      await this.ask({ ask: "open", state });
    } catch (error) {
      this.isSilent = true;
      this.complain(/** @type {Error} */ (error).message);
      return false;
    }
    return this.film.isOpen(state);
  }

  /** Ask for the moves out of the state shown, once, if they are not here. */
  async wantMoves() {
    const { state } = this.path[this.k];
    if (this.isAsking || this.film.isOpen(state) || this.film.end(state) === "stopped") return;
    if (this.isSilent && this.pending === null) return;
    this.isAsking = true;
    const isHere = await this.fetchMoves(state);
    this.isAsking = false;
    const actor = this.pending;
    this.pending = null;
    if (isHere && this.path[this.k].state !== state) this.wantMoves();
    this.tell("busy");
    if (isHere && actor !== null && this.path[this.k].state === state) this.choose(actor);
  }

  /** The frames of another view along the path: what is here, or null after asking. @param {string} name */
  view(name) {
    return this.frames.view(name);
  }

  /** The key under which a note on a step is kept. @param {number} [k] */
  noteKey(k = this.k) {
    return this.tree.schedule(k).join();
  }

  close() {
    clearTimeout(this.timer);
    this.frames.close();
    this.playback.halt();
    this.kernel.close();
  }
}
