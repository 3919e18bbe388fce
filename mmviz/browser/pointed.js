// What is lit when the reader points at a step, a field or a line of code: the same thing wherever it stands. No DOM.

import { written } from "./story.js";

/**
 * Rows are "actor row" of the columns, lines the subjects of marks in the view of the code.
 * @typedef {{steps: Set<number>, fields: Set<string>, rows: Set<string>, lines: Set<string>}} Hot
 * @typedef {{steps?: number[], fields?: string[], rows?: [number, number][]}} Pointed
 */

/** @param {number} actor @param {number} row */
export const rowName = (actor, row) => `${actor} ${row}`;

/** The subject of the marks of a line of code. @param {string} actor @param {string} line */
const lineName = (actor, line) => `line:${actor}:${line}`;

/**
 * The rows whose line of code a mark shows.
 * @param {import("./film.js").Film} film @param {string} subject
 * @returns {[number, number][]}
 */
export function rowsOfLine(film, subject) {
  if (!subject.startsWith("line:")) return [];
  const { actors, columns } = film.head;
  return columns.flatMap((/** @type {any} */ { rows }, /** @type {number} */ actor) =>
    rows.flatMap((/** @type {any} */ { line }, /** @type {number} */ row) =>
      line && lineName(actors[actor], line) === subject ? [[actor, row]] : [],
    ),
  );
}

/**
 * The fields that a line of code writes in any state.
 * @param {import("./film.js").Film} film @param {number} actor @param {number} row
 */
function everWritten(film, actor, row) {
  const { moves } = film.tables;
  const fields = moves.flatMap((move) =>
    move[1] === actor && film.next(move[0], actor)?.row === row ? /** @type {number[]} */ (move[3]) : [],
  );
  return fields.map((field) => film.head.fields[field]);
}

/**
 * A step lights the fields that it wrote and its line; a field the steps that wrote it, up to step `k`; a line the
 * steps in which it ran or, if it has not run, the fields that it may write.
 * @param {{film: import("./film.js").Film, path: import("./tree.js").TreeNode[], k: number}} session
 * @param {Pointed} what
 * @returns {Hot}
 */
export function pointed({ film, path, k }, { steps = [], fields = [], rows = [] }) {
  const rowOf = (/** @type {number} */ i) => film.next(path[i - 1].state, path[i].actor)?.row ?? -1;
  const ran = rows.map(([actor, row]) =>
    [...path.keys()].filter((i) => i > 0 && path[i].actor === actor && rowOf(i) === row),
  );
  const did = [...steps.filter((i) => i > 0 && path[i]), ...ran.flat()];
  const hot = { steps: new Set(did), fields: new Set(fields), rows: new Set(), lines: new Set() };
  for (const i of did) for (const [field] of written(film, path, i)) hot.fields.add(field);
  for (const [i, [actor, row]] of rows.entries()) {
    hot.rows.add(rowName(actor, row));
    if (!ran[i].length) for (const field of everWritten(film, actor, row)) hot.fields.add(field);
  }
  for (let i = 1; i <= k && fields.length; i++)
    if (written(film, path, i).some(([field]) => fields.includes(field))) hot.steps.add(i);
  for (const i of hot.steps) hot.rows.add(rowName(path[i].actor, rowOf(i)));
  for (const name of hot.rows) {
    const [actor, row] = name.split(" ").map(Number);
    const line = film.head.columns[actor].rows[row]?.line;
    if (line) hot.lines.add(lineName(film.head.actors[actor], line));
  }
  return hot;
}

/** Whether both light the same. @param {Hot} one @param {Hot} other */
export function isSame(one, other) {
  const said = (/** @type {Hot} */ { steps, fields, rows }) => [...steps, "", ...fields, "", ...rows].join();
  return said(one) === said(other);
}
