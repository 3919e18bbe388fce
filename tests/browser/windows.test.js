// Locks held, calls that are open, and what is still possible, on the small film.

import assert from "node:assert/strict";
import test from "node:test";
import { Film } from "../../mmviz/browser/film.js";
import { Tree } from "../../mmviz/browser/tree.js";
import { namedActors, spokenWindow, windowsUntil } from "../../mmviz/browser/windows.js";
import { smallFilm } from "./small.js";

/** What the windows say at step `k` of a run. */
const said = (schedule, k, film = new Film(smallFilm())) => {
  const tree = new Tree(film);
  tree.visit(tree.follow(schedule));
  return windowsUntil(film, tree.path, k).map(spokenWindow);
};

test("a lock is held from the step that takes it to the one that drops it, and the violation is possible until it is certain", () => {
  assert.deepEqual(said([0, 0, 0, 1, 0], 5), [
    "the violation is possible: the start to step 3",
    "reader holds lock: steps 1 to 3",
    "the violation is unavoidable: after step 4",
  ]);
});

test("what is still to come is left out, and what closes later is open", () => {
  assert.deepEqual(said([0, 0, 0, 1, 0], 0), ["the violation is possible: since the start"]);
  assert.deepEqual(said([0, 0, 0, 1, 0], 2), [
    "the violation is possible: since the start",
    "reader holds lock: since step 1",
  ]);
});

test("a window ends where it is drawn to: at step k, as long as it is open", () => {
  const film = new Film(smallFilm());
  const tree = new Tree(film);
  tree.visit(tree.follow([0, 0, 0, 1, 0]));
  const spans = (/** @type {number} */ k) =>
    windowsUntil(film, tree.path, k).map(({ kind, from, to }) => [kind, from, to]);
  assert.deepEqual(spans(2), [
    ["possible", 0, 2],
    ["held", 1, 2],
  ]);
  assert.deepEqual(spans(5), [
    ["possible", 0, 3],
    ["held", 1, 3],
    ["sure", 4, 4],
  ]);
});

test("a value names actors when it names nothing else", () => {
  const actors = ["CPU0", "CPU1"];
  assert.deepEqual(namedActors("{CPU1, CPU0}", actors), ["CPU1", "CPU0"]);
  assert.deepEqual(namedActors("(CPU0, CPU0)", actors), ["CPU0"]);
  for (const words of ["none", "{(CPU0, CPU1)}", "CPU0 reads", "{CPU0, page 7}", ""])
    assert.deepEqual(namedActors(words, actors), [], words);
});

test("what a call begins is open until its end; without one in the code of the actor it is no window", () => {
  const renamed = (from, to) => {
    const film = smallFilm();
    for (const [row, name] of [
      [0, from],
      [1, to],
    ]) {
      film.tables.steps[row][1] = `${name}(range)`;
      film.head.columns[0].rows[row + 1].short = name;
    }
    film.tables.values[4][1] = "taken"; // the lock names no actor
    return new Film(film);
  };
  const calls = (from, to) => said([0, 0, 0, 0], 4, renamed(from, to)).filter((words) => words.includes("between"));

  assert.deepEqual(calls("range_start", "range_end"), [
    "reader is between range_start() and range_end(): steps 1 to 2",
  ]);
  assert.deepEqual(calls("read_begin", "read_retry"), [
    "reader is between read_begin() and read_retry(): steps 1 to 2",
  ]);
  assert.deepEqual(calls("range_start", "other_end"), []);
});
