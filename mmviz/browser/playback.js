// Playing: one for all views of a stage, so that two of them do not go at double speed.

import { brokenIn } from "./story.js";

const PACE = 1400; // ms a step, at speed 1
const SOON = 250; // ms until the first one

export class Playback {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.speed = 1;
    this.stops = false; // where another actor goes on
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  get isOn() {
    return this.timer !== undefined;
  }

  start() {
    const { session } = this;
    if (session.k >= session.last) session.go(0);
    this.wait(SOON);
    session.tell("play");
  }

  /** @param {number} most ms until the next step */
  wait(most) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.step(), Math.min(most, PACE / this.speed));
  }

  step() {
    const { session } = this;
    session.go(session.k + 1);
    const { film, path, k, last } = session;
    const isSwitch = this.stops && k < last && path[k + 1].actor !== path[k].actor;
    if (k >= last || isSwitch || brokenIn(film, path, k) === k) this.halt();
    else this.wait(Number.POSITIVE_INFINITY);
  }

  /** Stop playing, if it does. Always true. */
  halt() {
    if (!this.isOn) return true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.session.tell("play");
    return true;
  }

  /** How fast it goes from the next step on. @param {number} speed */
  pace(speed) {
    this.speed = speed;
    this.session.tell("play");
  }

  /** Stop where another actor goes on, or not. */
  toggleStops() {
    this.stops = !this.stops;
    this.session.tell("play");
  }
}
