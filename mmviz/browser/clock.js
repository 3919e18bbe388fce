// The clock of the stage is one number. `p` runs towards `k`, the step that the reader asked for: whole
// numbers are rest, 3.4 is 40 % through step 4. So nothing is queued and nothing needs to be cancelled.

import { DURATION } from "./pose.js";

const LONGEST_FRAME = 40; // ms: after a pause of the page the motion goes on, it does not jump
const TICK = 30; // ms between frames at rest; a full pipeline of frames would delay a key by two frames
const FAR = 0.75; // how much faster several steps are crossed, times their number
const MOST_STEPS = 12; // that are crossed; of a longer way only the last step is shown

export class Clock {
  /**
   * @param {(p: number, isMoving: boolean) => void} paint
   * @param {() => boolean} flows whether something moves at rest, too
   */
  constructor(paint, flows) {
    this.paint = paint;
    this.flows = flows;
    this.p = 0;
    this.k = 0;
    this.before = 0; // the time of the last frame
    this.frame = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.haste = 1;
    this.isSeen = true;
    this.isClosed = false;
    this.tick = this.tick.bind(this);
  }

  /**
   * Ask for step `k`. What the path shares with the one before ends at step `shared`.
   * @param {number} k
   * @param {number} shared
   * @param {boolean} isJump
   */
  to(k, shared, isJump) {
    this.k = k;
    this.p = isJump || !this.isSeen ? k : Math.min(this.p, shared);
    if (Math.abs(k - this.p) > MOST_STEPS) this.p = k - Math.sign(k - this.p);
    this.haste = Math.max(1, Math.abs(k - this.p) > 1.05 ? Math.abs(k - this.p) * FAR : 1);
    this.wake();
  }

  /** Move on by the time since the last frame. @param {number} now */
  advance(now) {
    const passed = Math.max(0, Math.min(LONGEST_FRAME, now - this.before)); // a frame's time can lie before a key's
    this.before = now;
    if (this.p === this.k) return;
    const way = this.k > this.p ? 1 : -1;
    const pace = (way > 0 ? 1 / DURATION.on : 1 / DURATION.back) * this.haste;
    const to = this.p + way * passed * pace;
    this.p = way > 0 ? Math.min(this.k, to) : Math.max(this.k, to);
  }

  get isMoving() {
    return this.p !== this.k;
  }

  /** Whether the last step has done more than half of its motion: then the verdict turns. */
  get isLate() {
    return this.k - this.p > 0.5;
  }

  wake() {
    this.rest();
    if (this.isClosed) return;
    this.before = performance.now();
    this.frame = requestAnimationFrame(this.tick);
  }

  rest() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }

  /** @param {number} now */
  tick(now) {
    this.advance(now);
    this.paint(this.p, this.isMoving);
    if (this.isClosed || !this.isSeen) return;
    if (this.isMoving) this.frame = requestAnimationFrame(this.tick);
    else if (this.flows()) {
      this.timer = setTimeout(() => {
        this.frame = requestAnimationFrame(this.tick);
      }, TICK);
    }
  }

  /** The stage came into view, or went out of it. @param {boolean} isSeen */
  see(isSeen) {
    if (isSeen === this.isSeen) return;
    this.isSeen = isSeen;
    if (isSeen) this.wake();
    else {
      this.rest();
      this.p = this.k;
      this.paint(this.p, false);
    }
  }

  close() {
    this.isClosed = true;
    this.rest();
  }
}
