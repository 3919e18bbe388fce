// What is hidden at home and shown elsewhere is seen on its way, there and back.

import assert from "node:assert/strict";
import test from "node:test";
import { pose } from "../../mmviz/browser/pose.js";
import { assertReaches } from "./motion.js";

const CUE = { line: null, writes: [], reads: [] };
const pill = (x, c) => ({ k: "call:CPU0:box", t: "rect", c, s: "", x, y: 0, w: 80, h: 18, rx: 4, rot: 0 });
const HOME = [{ ...pill(0, "clear"), o: 0 }];
const AWAY = [pill(300, "message")];

/** @param {any[]} from @param {any[]} to @param {number} u */
const at = (from, to, u) => pose(from, to, CUE, u).find((m) => m.k === "call:CPU0:box");

test("a message is seen before it is half-way, and until it is back", () => {
  for (const [from, to] of [
    [HOME, AWAY],
    [AWAY, HOME],
  ]) {
    const half = at(from, to, 0.73);
    assert.equal(half.c, "message");
    assert.equal(half.o, 1);
    assert.ok(half.x > 100 && half.x < 200, `half-way is ${half.x}`);
  }
});

test("at both ends the pictures are as they are", () => {
  for (const [from, to] of [
    [HOME, AWAY],
    [AWAY, HOME],
  ]) {
    assertReaches(from, to, CUE);
  }
});
