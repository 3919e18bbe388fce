// Windows: the stretches of a run in which an actor holds a lock, in which what a call began is open, and in
// which the violation is possible or unavoidable. Pure functions, no DOM.

import { brokenIn } from "./story.js";

// A function that begins something, and the endings of the one that ends it.
const CALL = /^(.+)_(start|begin|register|disable|save)$/;
/** @type {Record<string, string[]>} */
const ENDS = {
  start: ["end"],
  begin: ["end", "retry"],
  register: ["unregister"],
  disable: ["enable"],
  save: ["restore"],
};
const HELD = /^(.+)\.(owner|locked|writer|readers)$/;
/** @type {Record<string, string>} */
const HOW = { writer: " for writing", readers: " for reading" };

/**
 * A window, from the step that opens it to the one that closes it, or the last of the run. Step 0 is the start.
 * `actor` is -1 for what is no actor's; `depth` tells in how many windows of the same actor it begins.
 * @typedef {{kind: "held" | "call" | "possible" | "sure", actor: number, from: number, to: number, isOpen: boolean,
 *   words: string, depth?: number}} Stretch
 */

/** The actors that a value names, if it names nothing else: "CPU0", "{CPU0, CPU1}". @param {string} words @param {string[]} actors */
export function namedActors(words, actors) {
  const names = words.replace(/^[({]|[)}]$/g, "").split(", ");
  return names.every((name) => actors.includes(name)) ? [...new Set(names)] : [];
}

/** @param {string} name of an actor @param {string} field */
function holding(name, field) {
  const [, lock, how] = HELD.exec(field) ?? [];
  return lock ? `${name} holds ${lock}${HOW[how] ?? ""}` : `${name} in ${field}`;
}

/**
 * Who holds what: the fields whose value names actors.
 * @param {import("./film.js").Film} film @param {import("./tree.js").TreeNode[]} path
 * @returns {Stretch[]}
 */
function held(film, path) {
  const { actors, fields } = film.head;
  const last = path.length - 1;
  /** @type {Stretch[]} */
  const found = [];
  /** @type {Map<string, Stretch>} */
  const open = new Map();
  const change = (/** @type {number} */ field, /** @type {string[]} */ now, /** @type {number} */ at) => {
    for (const name of actors) {
      const key = `${field} ${name}`;
      const known = open.get(key);
      if (known && !now.includes(name)) {
        Object.assign(known, { to: at, isOpen: false });
        open.delete(key);
      } else if (!known && now.includes(name)) {
        const words = holding(name, fields[field]);
        const made = { kind: "held", actor: actors.indexOf(name), from: at, to: last, isOpen: true, words };
        open.set(key, /** @type {Stretch} */ (made));
        found.push(/** @type {Stretch} */ (made));
      }
    }
  };
  for (const field of fields.keys()) change(field, namedActors(film.words(0, field), actors), 0);
  for (let i = 1; i <= last; i++)
    for (const field of film.moved(path[i].move).writes)
      change(field, namedActors(film.words(path[i].state, field), actors), i);
  return found;
}

/**
 * What a call of an actor began and another ends. Without an end it is open until its actor has finished.
 * @param {import("./film.js").Film} film @param {import("./tree.js").TreeNode[]} path
 * @returns {Stretch[]}
 */
function calls(film, path) {
  const { actors, columns } = film.head;
  const last = path.length - 1;
  /** @type {Stretch[]} */
  const found = [];
  /** @type {{actor: number, ends: string[], made: Stretch}[]} */
  let open = [];
  for (let i = 1; i <= last; i++) {
    const { actor } = path[i];
    const name = (film.next(path[i - 1].state, actor)?.label ?? "").split("(")[0];
    const begun = open.findLast((each) => each.actor === actor && each.ends.includes(name));
    if (begun) {
      Object.assign(begun.made, { to: i, isOpen: false });
      open = open.filter((each) => each !== begun);
    }
    const [, stem, word] = CALL.exec(name) ?? [];
    const all = (ENDS[word] ?? []).map((end) => `${stem}_${end}`);
    const ends = all.filter((end) => columns[actor].rows.some((/** @type {any} */ row) => row.short === end));
    if (ends.length && !film.moved(path[i].move).answer.startsWith("-")) {
      const words = `${actors[actor]} is between ${name}() and ${ends.join("() or ")}()`;
      /** @type {Stretch} */
      const made = { kind: "call", actor, from: i, to: last, isOpen: true, words };
      found.push(made);
      open.push({ actor, ends, made });
    }
    if (film.next(path[i].state, actor)) continue;
    for (const each of open) if (each.actor === actor) Object.assign(each.made, { to: i, isOpen: false });
    open = open.filter((each) => each.actor !== actor);
  }
  return found;
}

/**
 * Where the violation can or must still come, up to the step that brings it.
 * @param {import("./film.js").Film} film @param {import("./tree.js").TreeNode[]} path
 * @returns {Stretch[]}
 */
function fated(film, path) {
  const last = path.length - 1;
  const broken = brokenIn(film, path, last);
  const kindOf = (/** @type {number} */ i) => {
    const fates = [...(film.fates.get(path[i].state) ?? "")].filter((_, bad) => film.isBad(bad));
    return fates.includes("2") ? "sure" : fates.includes("1") ? "possible" : "";
  };
  /** @type {Stretch[]} */
  const found = [];
  for (let i = 0; i <= (broken < 0 ? last : broken - 1); i++) {
    const kind = kindOf(i);
    const before = found[found.length - 1];
    if (kind && before?.kind === kind && before.to === i - 1) before.to = i;
    else if (kind) {
      const words = `the violation is ${kind === "sure" ? "unavoidable" : "possible"}`;
      found.push({ kind, actor: -1, from: i, to: i, isOpen: false, words });
    }
  }
  return found;
}

/** @type {WeakMap<import("./tree.js").TreeNode, {fates: number, found: Stretch[]}>} by the last node of a path */
const KNOWN = new WeakMap();

/**
 * The windows of a whole path, each in the order of its first step.
 * @param {import("./film.js").Film} film @param {import("./tree.js").TreeNode[]} path
 */
export function windowsOf(film, path) {
  const tip = path[path.length - 1];
  const known = KNOWN.get(tip);
  if (known && known.fates === film.fates.size) return known.found;
  const found = [...held(film, path), ...calls(film, path), ...fated(film, path)];
  found.sort((one, other) => one.from - other.from || other.to - one.to);
  /** @type {Stretch[]} */
  let open = [];
  for (const each of found) {
    open = open.filter((other) => other.to >= each.from);
    each.depth = open.filter((other) => other.actor === each.actor).length;
    open.push(each);
  }
  KNOWN.set(tip, { fates: film.fates.size, found });
  return found;
}

/**
 * The windows that are there at step `k`: what is still to come is left out, and what closes later is open.
 * @param {import("./film.js").Film} film @param {import("./tree.js").TreeNode[]} path @param {number} k
 */
export function windowsUntil(film, path, k) {
  return windowsOf(film, path)
    .filter((each) => each.from <= k)
    .map((each) => (each.to > k ? { ...each, to: k, isOpen: true } : each));
}

/** "CPU0 holds mmap_lock for reading: steps 1 to 6" @param {Stretch} stretch */
export function spokenWindow({ words, from, to, isOpen }) {
  if (isOpen) return `${words}: since ${from ? `step ${from}` : "the start"}`;
  if (from === to) return `${words}: ${from ? `after step ${from}` : "at the start"}`;
  return `${words}: ${from ? `steps ${from}` : "the start"} to ${from ? to : `step ${to}`}`;
}
