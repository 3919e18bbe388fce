// A small film, made by hand: a reader takes a pointer and uses it, a writer frees what it points at.
// The reader breaks the promise when it uses the pointer after the free; a lock keeps the writer out.

import { Film } from "../../mmviz/browser/film.js";
import { Session } from "../../mmviz/browser/session.js";

const FIELDS = ["slot", "page.freed", "lock.owner"];
const WORDS = [["page"], ["no", "yes"], ["none", "reader"]];
// Reader: lock, take, unlock, use. Writer: free (needs the lock), done.
const READER = ["lock()", "take(page)", "unlock()", "use(page)"];

/** The states are (steps of the reader, whether the writer has freed). @param {{complete?: boolean}} [options] */
export function smallFilm({ complete = true } = {}) {
  const tables = {
    values: [],
    steps: [],
    blocks: [],
    variants: [],
    says: [],
    states: [],
    moves: [],
    opened: [],
    fates: [],
  };
  for (const [field, all] of WORDS.entries()) for (const words of all) tables.values.push([field, words]);
  for (const [row, label] of READER.entries()) tables.steps.push([row + 1, label, `${label}.`, "mm/memory.c", ""]);
  tables.steps.push([0, "free(page)", "Free the page.", "", "The page goes back."]);
  tables.blocks.push([[2], [0], "free(page) waits: held by reader"]);
  tables.says.push("The reader uses a page that has been freed");
  const isLocked = (r) => r === 1 || r === 2;
  const number = (r, freed) => 2 * r + (freed ? 1 : 0);
  for (let at = 0; at < 10; at++) {
    const [r, freed] = [at >> 1, at % 2 === 1];
    const [isBlocked, end] = [isLocked(r) && !freed, r === 4 && freed ? "done" : ""];
    const values = [0, freed ? 2 : 1, isLocked(r) ? 4 : 3];
    tables.states.push([values, [r < 4 ? r : -1, freed ? -1 : 4], [-1, isBlocked ? 0 : -1], [], [], [], end]);
    tables.fates.push([at, freed && r === 3 ? "2" : !freed && r < 4 ? "1" : "0"]);
    tables.opened.push(at);
    if (r < 4) {
      const isBad = r === 3 && freed;
      const deed = [
        r === 0 || r === 2 ? [2] : [],
        [[2], [0], [2], [1]][r],
        -1,
        isBad ? [0] : [],
        isBad ? [0] : [],
        isBad ? [1] : [],
      ];
      tables.moves.push([at, 0, number(r + 1, freed), ...deed]);
    }
    if (!freed && !isBlocked) tables.moves.push([at, 1, number(r, true), [1], [2], -1, [], [], []]);
  }
  const head = {
    race: "small/reader",
    case: "Small",
    title: "A page is freed under its reader",
    subtitle: "as shipped",
    memory: "sequentially consistent",
    limits: "",
    promise: "No freed page is used.",
    kept: "",
    goal: "Break it.",
    actors: ["reader", "writer"],
    devices: [false, false],
    environment: [false, false],
    fields: FIELDS,
    bads: [{ name: "use_after_free", words: "use after free", sentence: "A freed page is used" }],
    views: [{ name: "memory", title: "Memory", there: true }],
    columns: [
      { rows: [{ head: "read" }, ...READER.map((text) => ({ text, short: text, full: text }))] },
      { rows: [{ text: "free(page)", short: "free", full: "free(page)" }] },
    ],
    complete,
    most: 2000,
    size: [100, 100],
  };
  return { head, tables };
}

export const film = () => new Film(smallFilm());

/** A session on the small film. @param {Partial<import("../../mmviz/browser/session.js").Source>} [more] */
export const session = (more = {}) =>
  new Session({ film: smallFilm(), at: { runs: [[0, 0, 0, 1, 0]], run: 0, k: 0, n: 1 }, ...more });

/** The film cut down to its first states and moves, and the piece that brings the rest. @param {number} states @param {number} moves */
export function pieces(states, moves) {
  const whole = smallFilm({ complete: false });
  const first = structuredClone(whole);
  const rest = { tables: {}, from: {} };
  for (const [name, count] of [
    ["states", states],
    ["moves", moves],
    ["opened", 0],
    ["fates", 0],
  ]) {
    first.tables[name] = whole.tables[name].slice(0, count);
    rest.tables[name] = whole.tables[name].slice(count);
    rest.from[name] = count;
  }
  return { first, rest };
}
