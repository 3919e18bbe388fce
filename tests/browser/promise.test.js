// What stands on the row of the promise, and in its title.

import assert from "node:assert/strict";
import test from "node:test";
import { goalInFull } from "../../mmviz/browser/promise.js";

const BADS = [
  { words: "use after free", sentence: "A freed page is used" },
  { words: "page is leaked", sentence: "The page is never freed" },
  { words: "page is freed twice", sentence: "A page is freed that is free" },
];

test("a goal of several bad states has the sentence of each in its title, and the promise", () => {
  const goal = "Make one of these happen: use after free or page is leaked";
  assert.deepEqual(goalInFull(goal, BADS, "No freed page is used.").split("\n"), [
    goal,
    "use after free: A freed page is used",
    "page is leaked: The page is never freed",
    "Promise: No freed page is used.",
  ]);
});

test("a goal that is a sentence is not repeated", () => {
  const goal = "Make this happen: A freed page is used";
  const bads = [{ words: "page is used", sentence: "A freed page is used" }];
  assert.equal(goalInFull(goal, bads, "P."), `${goal}\nPromise: P.`);
});
