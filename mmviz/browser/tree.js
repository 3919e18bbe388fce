// The tree of the runs tried, and the path through it that is on the stage. Plain data, no DOM.

/**
 * @typedef {{id: number, up: TreeNode | null, actor: number, state: number, move: number,
 *   kids: TreeNode[], depth: number, last: TreeNode | null}} TreeNode
 */

export class Tree {
  /** @param {import("./film.js").Film} film */
  constructor(film) {
    this.film = film;
    /** @type {TreeNode} */
    this.root = { id: 0, up: null, actor: -1, state: 0, move: -1, kids: [], depth: 0, last: null };
    this.nodes = [this.root];
    /** @type {TreeNode[]} from the root on; what lies beyond the cursor is still to come */
    this.path = [this.root];
    /** @type {TreeNode[]} the run to which Backspace returns */
    this.recorded = this.path;
    this.left = 0; // where the recorded run was left
  }

  /**
   * The node after a step of an actor: a known one, or a new one; null when the move is not here.
   * @param {TreeNode} node
   * @param {number} actor
   */
  grow(node, actor) {
    const known = node.kids.find((kid) => kid.actor === actor);
    if (known) return known;
    const move = this.film.move(node.state, actor);
    if (move === undefined) return null;
    const state = this.film.tables.moves[move][2];
    const made = { id: this.nodes.length, up: node, actor, state, move, kids: [], depth: node.depth + 1, last: null };
    this.nodes.push(made);
    node.kids.push(made);
    return made;
  }

  /**
   * Let an actor step after node `k` of the path. What was ahead stays ahead if it is the same step,
   * and stays in the tree if it is not. Return whether the actor can.
   * @param {number} k
   * @param {number} actor
   */
  choose(k, actor) {
    const made = this.grow(this.path[k], actor);
    if (!made) return false;
    if (this.path[k + 1] === made) return true;
    if (this.isRecorded()) this.left = k;
    this.path = this.through(made);
    return true;
  }

  /**
   * Put the path through a node, and on along the steps taken last from there. Return its depth.
   * @param {TreeNode} node
   */
  visit(node) {
    if (this.path[node.depth] !== node) {
      if (this.isRecorded()) this.left = Math.min(node.depth, this.fork(node));
      this.path = this.through(node);
    }
    return node.depth;
  }

  /** How many steps the way to a node shares with the path. @param {TreeNode} node */
  fork(node) {
    /** @type {TreeNode} */
    let at = node;
    while (at.up && this.path[at.depth] !== at) at = at.up;
    return at.depth;
  }

  /** @param {TreeNode} node */
  through(node) {
    /** @type {TreeNode[]} */
    const way = [];
    for (let at = /** @type {TreeNode | null} */ (node); at; at = at.up) way.unshift(at);
    way.forEach((at, i) => {
      if (i) way[i - 1].last = at;
    });
    for (let at = node.last; at; at = at.last) way.push(at);
    return way;
  }

  /** Whether the path is, or is a part of, or goes on from the recorded run. */
  isRecorded() {
    return this.recorded.every((node, i) => !this.path[i] || this.path[i] === node);
  }

  /** Make the path the run to which Backspace returns. */
  record() {
    this.recorded = this.path;
    this.left = 0;
  }

  /** Go back to the recorded run; return where it was left. */
  comeBack() {
    this.path = this.recorded;
    return Math.min(this.left, this.path.length - 1);
  }

  /**
   * Walk a schedule from the root, as far as the film has it. Return the last node reached.
   * @param {number[]} schedule
   */
  follow(schedule) {
    let node = this.root;
    for (const actor of schedule) {
      const next = this.grow(node, actor);
      if (!next) break;
      node = next;
    }
    return node;
  }

  /** The schedule of the path up to step `k`. @param {number} [k] */
  schedule(k = this.path.length - 1) {
    return this.path.slice(1, k + 1).map((node) => node.actor);
  }

  /** The schedule that leads to a node. @param {TreeNode} node */
  scheduleOf(node) {
    const said = [];
    for (let at = /** @type {TreeNode} */ (node); at.up; at = at.up) said.unshift(at.actor);
    return said;
  }

  /** The runs tried: the nodes at which a run ends so far, in the order in which they were begun. */
  leaves() {
    return this.nodes.filter((node) => node.up && !node.kids.length);
  }

  /** The leaf to which the path leads. */
  tip() {
    return this.path[this.path.length - 1];
  }

  /**
   * A lane for each node: the first kid goes on in the lane of its parent.
   * @returns {{lanes: number[], count: number}}
   */
  lanes() {
    const lanes = new Array(this.nodes.length).fill(0);
    let count = 0;
    const walk = [this.root];
    while (walk.length) {
      const node = /** @type {TreeNode} */ (walk.pop());
      node.kids.forEach((kid, i) => {
        lanes[kid.id] = i ? ++count : lanes[node.id];
      });
      walk.push(...[...node.kids].reverse());
    }
    return { lanes, count: count + 1 };
  }
}
