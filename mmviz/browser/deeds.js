// What a person can ask of a stage by a key or a button.

import { COLUMNS } from "./controls.js";
import { lossOf } from "./game.js";
import { possibleUntil, shortestRun } from "./story.js";
import { whyNoChance, whyNoOther, whyNot } from "./causes.js";

const AHEAD = ["choose", "whatif", "where", "reveal", "possible", "code", "save"];
const WAIT = "what comes next is sealed until the question is answered or skipped";
const ZOOMS = [70, 85, 100, 115, 130, 150, 175, 200, 250];

/**
 * @typedef {{session: import("./session.js").Session, root: HTMLElement, panels: any, qr: any,
 *   hint: (words: string) => void}} Stage
 */

export class Deeds {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.session = stage.session;
    /** @type {Record<string, (value?: any) => any>} each returns false when there was nothing to do */
    this.acts = this.all();
    if (this.session.film.isSealed) for (const act of AHEAD) this.acts[act] = () => stage.hint(WAIT);
  }

  /** @returns {Record<string, (value?: any) => any>} */
  all() {
    const { session, stage } = this;
    return {
      next: () => this.go(session.k + 1),
      back: () => this.go(session.k - 1),
      undo: () => this.go(session.k - 1),
      first: () => this.go(0),
      again: () => this.go(0),
      end: () => this.go(session.last),
      go: (k) => this.go(k),
      choose: (actor) => this.choose(actor),
      visit: (node) => this.halt() && session.visit(node),
      play: () => (session.playback.isOn ? this.halt() : session.playback.start()),
      speed: (speed) => session.playback.pace(speed),
      stop: () => session.playback.toggleStops(),
      run: (value) => {
        const [kind, number] = value.split(":");
        if (kind === "node") this.acts.visit(session.tree.nodes[number]);
        else this.named(Number(number));
      },
      named: (number) => this.named(number),
      whatif: () => this.halt() && (session.whatIf() || stage.hint(whyNoOther(session))),
      recorded: () => this.halt() && (session.comeBack() || this.go(session.k - 1)),
      escape: () =>
        stage.panels.close() ||
        session.dismiss() ||
        stage.qr.close() ||
        (this.halt() && session.putBack()) ||
        session.comeBack(),
      where: () => this.lastChance(),
      reveal: () => {
        if (!session.isUnsealed) session.giveUp();
        this.shortest();
      },
      why: () => session.k > 0 && stage.panels.why(),
      possible: () => stage.panels.possible(),
      note: () => this.halt() && stage.panels.note(),
      text: () => stage.panels.text(),
      code: () => stage.qr.toggle(),
      save: () => this.halt() && stage.panels.save(),
      subjects: () => this.halt() && stage.panels.subjects(),
      limits: () => stage.panels.limits(),
      help: () => stage.panels.help(),
      larger: () => this.type(1),
      smaller: () => this.type(-1),
      full: () =>
        document.fullscreenElement ? document.exitFullscreen() : stage.root.requestFullscreen?.().catch(() => {}),
      blank: () => {
        stage.root.focus({ preventScroll: true }); // what is not seen loses the keyboard
        stage.root.classList.toggle("mm-blank");
      },
      view: ([name, isBeside]) => this.openView(name, isBeside),
    };
  }

  /** @param {number} k */
  go(k) {
    this.halt();
    this.session.go(k);
    return true;
  }

  /** @param {number} actor */
  choose(actor) {
    this.halt();
    const why = whyNot(this.session, actor);
    if (why) this.stage.hint(why);
    else this.session.choose(actor);
    return true;
  }

  /** @param {number} number */
  named(number) {
    this.halt();
    const run = this.session.offered()[number];
    if (run) this.session.open(run.schedule, run.kind === "moment" ? run.schedule.length : 0, true);
  }

  /** Go to the last step from which the promise could still be broken; the Driver's answer waits for the end. */
  lastChance() {
    const { film, path, k, goalBads, isSealed } = this.session;
    const why = isSealed && !lossOf(this.session) ? "g answers when the run has ended" : whyNoChance(this.session);
    if (why) this.stage.hint(why);
    else this.go(possibleUntil(film, path, k, goalBads));
  }

  /** Put a shortest run that breaks the promise on the stage, and play it. */
  shortest() {
    const { session } = this;
    const { film, goalBads, game } = session;
    if (game.never) {
      this.halt();
      if (!game.miss?.length) return undefined; // the caption says so
      session.keepPlace();
      session.open(game.miss, game.miss.length);
      return undefined;
    }
    const known = session.named.filter((run) => run.kind === "bad").map((run) => run.schedule);
    const isWanted = (/** @type {number} */ state) =>
      film.bads(state).some((bad) => !goalBads || goalBads.includes(bad));
    const searched = () => (film.head.complete ? shortestRun(film, isWanted) : null);
    const found = known.length ? known.reduce((best, run) => (run.length < best.length ? run : best)) : searched();
    this.halt();
    if (!found) return this.stage.hint(film.head.complete ? "no run breaks the promise" : "no such run is here");
    session.keepPlace();
    session.open(found, 0).then(() => session.before && session.playback.start());
    return undefined;
  }

  /** Stop playing, if it does. Always true. */
  halt() {
    return this.session.playback.halt();
  }

  /** Larger or smaller type. @param {number} way */
  type(way) {
    const at = ZOOMS.findIndex((each) => each >= this.session.zoom);
    this.session.set("zoom", ZOOMS[Math.max(0, Math.min(at + way, ZOOMS.length - 1))]);
  }

  /** Open a view, or put it beside the open one. @param {string} name @param {boolean} isBeside */
  openView(name, isBeside) {
    const { session } = this;
    session.dismiss();
    session.showsColumns = name === COLUMNS;
    if (session.showsColumns) return session.tell("pane");
    if (isBeside && name !== session.pane) return session.set("pinned", session.pinned.includes(name) ? [] : [name]);
    session.pinned = session.pinned.filter((each) => each !== name);
    return session.set("pane", name);
  }
}
