// The film of a case: its graph, with a picture of each state. Tables that only grow; numbers
// point into them. See mmviz/scene/film.py for what the rows are.

import { lit } from "./marks.js";

const TABLES = ["values", "steps", "blocks", "variants", "says", "states", "moves", "opened", "fates"];
const PICTURES_KEPT = 600;
const NO_FATE = "0";

/**
 * @typedef {{from: number, actor: number, to: number, writes: number[], reads: number[], answer: string,
 *   log: string[], bads: number[], witnesses: number[]}} Move
 * @typedef {{row: number, label: string, doc: string, cite: string, said: string}} Step
 */

export class Film {
  /** @param {string | any} first the first piece: `{head, tables}`, or its JSON */
  constructor(first) {
    const piece = typeof first === "string" ? JSON.parse(first) : first;
    this.head = piece.head;
    /** @type {Record<string, any[]>} */
    this.tables = Object.fromEntries(TABLES.map((name) => [name, []]));
    /** @type {(number | undefined)[][]} the number of the move of each actor, by state */
    this.outs = [];
    this.opened = new Set();
    /** @type {Map<number, string>} */
    this.fates = new Map();
    /** @type {Map<string, Mark[]>} */
    this.pictures = new Map();
    /** @type {Map<string, number>} */
    this.numbers = new Map(this.head.fields.map((/** @type {string} */ path, /** @type {number} */ i) => [path, i]));
    this.merge(piece);
  }

  /**
   * Add the rows of a piece. Rows that are here already are left alone.
   * @param {any} piece
   */
  merge(piece) {
    if (piece.head && piece.head !== this.head) Object.assign(this.head, piece.head);
    const before = {
      moves: this.tables.moves.length,
      opened: this.tables.opened.length,
      fates: this.tables.fates.length,
    };
    for (const name of TABLES) {
      const rows = piece.tables?.[name] || [];
      const [first, table] = [piece.from?.[name] || 0, this.tables[name]];
      if (first > table.length) throw new Error(`rows ${table.length} to ${first - 1} of "${name}" are missing`);
      for (let i = table.length - first; i < rows.length; i++) table.push(rows[i]);
    }
    const { moves, opened, fates, states } = this.tables;
    while (this.outs.length < states.length) this.outs.push([]);
    for (let i = before.moves; i < moves.length; i++) this.outs[moves[i][0]][moves[i][1]] = i;
    for (let i = before.opened; i < opened.length; i++) this.opened.add(opened[i]);
    for (let i = before.fates; i < fates.length; i++) this.fates.set(fates[i][0], fates[i][1]);
  }

  /** The whole film as one first piece, to be stored. */
  toJSON() {
    return { head: this.head, tables: this.tables };
  }

  /**
   * Whether every move out of a state is here.
   * @param {number} state
   */
  isOpen(state) {
    return this.head.complete || this.opened.has(state);
  }

  /**
   * The number of the move of an actor out of a state; undefined: there is none, or it is not here.
   * @param {number} state
   * @param {number} actor
   */
  move(state, actor) {
    return this.outs[state][actor];
  }

  /**
   * @param {number} number of a row of `moves`
   * @returns {Move}
   */
  moved(number) {
    const [from, actor, to, writes, reads, answer, log, bads, witnesses] = this.tables.moves[number];
    return {
      from,
      actor,
      to,
      writes,
      reads,
      bads,
      witnesses,
      answer: answer < 0 ? "" : this.tables.says[answer],
      log: log.map((/** @type {number} */ i) => this.tables.says[i]),
    };
  }

  /** Whether a question is asked at the end of the run, and what comes next is not here. */
  get isSealed() {
    return this.head.sealed === true;
  }

  /**
   * The actors that can go in a state, as the state itself says; of a sealed film, those that went.
   * @param {number} state
   * @returns {number[]}
   */
  enabled(state) {
    if (this.isSealed) return this.outs[state].flatMap((move, actor) => (move === undefined ? [] : [actor]));
    const [, steps, blocks] = this.tables.states[state];
    return steps.flatMap((/** @type {number} */ step, /** @type {number} */ actor) =>
      step >= 0 && blocks[actor] < 0 ? [actor] : [],
    );
  }

  /**
   * The step at which an actor waits, or null when it has finished.
   * @param {number} state
   * @param {number} actor
   * @returns {Step | null}
   */
  next(state, actor) {
    const number = this.tables.states[state][1][actor];
    if (number < 0) return null;
    const [row, label, doc, cite, said] = this.tables.steps[number];
    return { row, label, doc, cite, said };
  }

  /**
   * Why an actor cannot go, or null.
   * @param {number} state
   * @param {number} actor
   * @returns {{reads: number[], holders: number[], reason: string} | null}
   */
  block(state, actor) {
    const number = this.tables.states[state][2][actor];
    if (number < 0) return null;
    const [reads, holders, reason] = this.tables.blocks[number];
    return { reads, holders, reason };
  }

  /** @param {number} state @returns {number[]} the bad states that hold in it */
  bads(state) {
    return this.tables.states[state][3];
  }

  /** Whether a bad state breaks the promise; others are only a goal of the reader's own. @param {number} bad */
  isBad(bad) {
    return !this.head.bads[bad]?.goal;
  }

  /** @param {number} state @returns {string} "", "done", "deadlock" or "stopped" */
  end(state) {
    return this.tables.states[state][6] || "";
  }

  /**
   * A value in words.
   * @param {number} state
   * @param {number} field
   * @returns {string}
   */
  words(state, field) {
    return this.tables.values[this.tables.states[state][0][field]][1];
  }

  /** The numbers of the fields that have more than one value in the film. */
  changing() {
    const counts = new Map();
    for (const [field] of this.tables.values) counts.set(field, (counts.get(field) || 0) + 1);
    return [...counts].flatMap(([field, count]) => (count > 1 ? [field] : [])).sort((one, other) => one - other);
  }

  /**
   * Whether one of these bad states can still come: null where that is not known.
   * @param {number} state
   * @param {number[] | null} bads null: any
   */
  isPossible(state, bads) {
    const fate = this.fates.get(state);
    if (fate === undefined) return null;
    return bads ? bads.some((bad) => (fate[bad] || NO_FATE) !== NO_FATE) : [...fate].some((one) => one !== NO_FATE);
  }

  /**
   * The picture of a state after a move (or at the start), lit by that move.
   * @param {number} state
   * @param {number} move -1 at the start
   * @returns {Mark[]}
   */
  picture(state, move) {
    const key = `${state} ${move}`;
    const known = this.pictures.get(key);
    if (known) return known;
    const [, , , , parts, witnesses] = this.tables.states[state];
    const marks = parts.flatMap((/** @type {number} */ variant) => this.tables.variants[variant][1]);
    const did = move < 0 ? { writes: [], reads: [], witnesses: [] } : this.moved(move);
    const paths = (/** @type {number[]} */ numbers) => new Set(numbers.map((i) => this.head.fields[i]));
    const made = lit(marks, {
      now: paths(did.writes),
      read: paths(did.reads),
      bad: paths([...witnesses, ...did.witnesses]),
    });
    if (this.pictures.size >= PICTURES_KEPT) this.pictures.clear();
    this.pictures.set(key, made);
    return made;
  }
}
