// What is lit when the reader points at something, on the small film.

import assert from "node:assert/strict";
import test from "node:test";
import { isSame, pointed, rowsOfLine } from "../../mmviz/browser/pointed.js";
import { session, smallFilm } from "./small.js";

const READER_USES = 4; // the row of use(page)
const LINE = "line:writer:reader.py:7";

/** @param {number} k @param {any} what */
function lit(k, what) {
  const film = smallFilm();
  film.head.columns[1].rows[0].line = "reader.py:7";
  const shown = session({ film });
  shown.go(k);
  const hot = pointed(shown, what);
  shown.close();
  return Object.fromEntries(Object.entries(hot).map(([name, all]) => [name, [...all]]));
}

test("a step lights what it wrote, its row and its line of code", () => {
  assert.deepEqual(lit(5, { steps: [4] }), {
    steps: [4],
    fields: ["page.freed"],
    rows: ["1 0"],
    lines: [LINE],
  });
});

test("a row that ran lights its steps, also those still to come; one that did not, what it may write", () => {
  assert.deepEqual(lit(0, { rows: [[1, 0]] }), lit(5, { steps: [4] }));
  assert.deepEqual(lit(0, { rows: [[0, READER_USES]] }).steps, [5]);
  const film = smallFilm();
  const shown = session({ film, at: { runs: [[]], run: 0, k: 0, n: 1 } });
  const hot = pointed(shown, { rows: [[1, 0]] });
  shown.close();
  assert.deepEqual([[...hot.steps], [...hot.fields], [...hot.rows]], [[], ["page.freed"], ["1 0"]]);
});

test("a field lights the steps that wrote it so far, and their rows, but no other field", () => {
  assert.deepEqual(lit(3, { fields: ["lock.owner"] }), {
    steps: [1, 3],
    fields: ["lock.owner"],
    rows: ["0 1", "0 3"],
    lines: [],
  });
  assert.deepEqual(lit(1, { fields: ["lock.owner"] }).steps, [1]);
});

test("a line of the source leads back to its row", () => {
  const shown = session();
  shown.film.head.columns[1].rows[0].line = "reader.py:7";
  assert.deepEqual(rowsOfLine(shown.film, LINE), [[1, 0]]);
  assert.deepEqual(rowsOfLine(shown.film, "line:reader:reader.py:7"), [], "another actor's");
  assert.deepEqual(rowsOfLine(shown.film, "field:slot"), []);
  assert.ok(isSame(pointed(shown, {}), pointed(shown, { steps: [0] })));
  assert.ok(!isSame(pointed(shown, {}), pointed(shown, { steps: [1] })));
  shown.close();
});
