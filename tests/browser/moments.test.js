// What an address names in a case: a run, or a step.

import assert from "node:assert/strict";
import test from "node:test";

import { visitMoment } from "../../mmviz/browser/moments.js";

const RUNS = [
  { name: "use after free of mm: shortest", schedule: [1], sealed: false },
  { name: "use after free: fewest preemptions", schedule: [2], sealed: false },
  { name: "use after free: shortest", schedule: [3], sealed: false },
  { name: "the thread's own run", schedule: [4], sealed: false },
  { name: "safe run", schedule: [5], sealed: true },
];

/** @param {string} written */
function visited(written) {
  /** @type {any[]} */
  const did = [];
  const session = /** @type {any} */ ({
    named: RUNS,
    open: (/** @type {number[]} */ schedule) => did.push(schedule[0]),
    go: (/** @type {number} */ k) => did.push(`step ${k}`),
    complain: (/** @type {string} */ words) => did.push(words),
  });
  visitMoment(session, written);
  return did;
}

test("a run is named by all of its name, by a bad state, or by its beginning", () => {
  assert.deepEqual(visited("use_after_free:_shortest"), [3]);
  assert.deepEqual(visited("use_after_free"), [2]);
  assert.deepEqual(visited("The%20thread's"), [4]);
  assert.deepEqual(visited("7"), ["step 7"]);
  assert.deepEqual(visited(""), []);
});

test("what names no run is told, and a run that is still sealed is not shown", () => {
  for (const written of ["safe_run", "no such", "%E0%A4%A", "-1"]) {
    const [said, ...more] = visited(written);
    assert.match(said, /^No run is called/);
    assert.deepEqual(more, []);
  }
});
