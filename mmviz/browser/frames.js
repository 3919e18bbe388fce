// The frames of the views that the kernel draws: those about the cursor first, more once the reader rests.

const FIRST_FRAMES = 2; // frames before and after the cursor that are asked for when a view is opened
const FRAMES_AHEAD = 4; // frames before and after the cursor that are to be here
const BEFORE_MORE = 300; // ms until more are asked for: another view may be opened first

/** @typedef {{size: number[], scenes: Map<number, any[]>, twins: Map<number, string>}} Held */

export class Frames {
  /** @param {import("./session.js").Session} session @param {any[]} [stored] frames that a page brings with it */
  constructor(session, stored = []) {
    this.session = session;
    /** @type {Map<string, Held>} by view and schedule */
    this.held = new Map();
    this.isAsking = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    for (const each of stored) this.keep(`${each.name} ${each.schedule.join()}`, each);
  }

  /** What is here of a view along the path, or null after asking. @param {string} name */
  view(name) {
    const { k, last } = this.session;
    const key = this.key(name);
    const known = this.held.get(key);
    const isHere = (/** @type {number} */ i) => known?.scenes.has(Math.max(0, Math.min(i, last)));
    if (!isHere(k)) this.want(name, known ? undefined : FIRST_FRAMES);
    else if (!isHere(k - FRAMES_AHEAD) || !isHere(k + FRAMES_AHEAD))
      this.timer ??= setTimeout(() => this.widen(name, key), BEFORE_MORE);
    return known || null;
  }

  /** @param {string} name */
  key(name) {
    return `${name} ${this.session.tree.schedule().join()}`;
  }

  /** Ask for more frames, if the view is still open on this run. @param {string} name @param {string} key */
  widen(name, key) {
    const { pane, pinned } = this.session;
    this.timer = undefined;
    if ([pane, ...pinned].includes(name) && this.key(name) === key) this.want(name);
    else this.session.tell("frames"); // another view may lack some
  }

  /** @param {string} name @param {number} [around] how many before and after the cursor; undefined: as the kernel likes */
  async want(name, around) {
    const { session } = this;
    if (this.isAsking || session.isSilent) return;
    this.isAsking = true;
    const [key, schedule] = [this.key(name), session.tree.schedule()];
    try {
      const { frames } = await session.ask({ ask: "view", name, schedule, k: session.k, around });
      this.keep(key, frames);
      this.isAsking = false;
      session.tell("frames");
    } catch (error) {
      this.isAsking = false;
      session.isSilent = true;
      session.complain(/** @type {Error} */ (error).message);
    }
  }

  /** Keep frames of a view and a run. @param {string} key @param {any} frames as the kernel sends them */
  keep(key, frames) {
    const held = this.held.get(key) || { size: frames.size, scenes: new Map(), twins: new Map() };
    const scenes = frames.scenes.map((/** @type {number[]} */ scene) => scene.map((i) => frames.marks[i]));
    for (const [i, scene] of scenes.entries()) held.scenes.set(frames.first + i, scene);
    for (const [i, twin] of (frames.twins || []).entries()) held.twins.set(frames.first + i, twin);
    this.held.set(key, held);
  }

  /** What is held belongs to another film. */
  forget() {
    this.held.clear();
  }

  close() {
    clearTimeout(this.timer);
  }
}
