import assert from "node:assert/strict";
import test from "node:test";
import { balls } from "../../mmviz/browser/balls.js";
import { pose } from "../../mmviz/browser/pose.js";
import { chance, painter } from "./pictures.js";

const flow = (end, more = {}) => ({
  k: "way",
  t: "flow",
  c: "dma",
  p: [0, 0, 100, 0, 200, 0, 300, 0],
  end,
  at: 1,
  ...more,
});
const TIMES = Array.from({ length: 400 }, (_, i) => i * 13.7);
const seen = (mark) => TIMES.flatMap((T) => balls([mark], T));

test("balls are pure in the time, each with a key of its own", () => {
  const marks = [flow("pass"), flow("fall", { k: "other", c: "cpu" })];
  for (const T of [0, 1234.5, -50, 1e7]) {
    const made = balls(marks, T);
    assert.deepEqual(made, balls(marks, T));
    assert.equal(new Set(made.map((m) => m.k)).size, made.length);
    assert.ok(made.length >= 4 && made.every((m) => m.t === "dot"));
  }
  assert.notDeepEqual(balls(marks, 100), balls(marks, 200));
});

test("numbers are finite and near the path, at rest and in motion", () => {
  const paint = painter(chance(13));
  const cue = { line: [0, 0], writes: [], reads: [] };
  for (let round = 0; round < 40; round++) {
    const [a, b] = [paint(), paint()];
    for (const u of [0, 0.3, 0.43, 0.6, 0.9, 1]) {
      for (const m of balls(pose(a, b, cue, u), round * 997)) {
        assert.ok([m.x, m.y, m.r, m.o].every(Number.isFinite), m.k);
        assert.ok(m.x > -160 && m.x < 760 && m.y > -160 && m.y < 800, `${m.k}: ${m.x}, ${m.y}`);
        assert.ok(m.o > 0 && m.o <= 1);
      }
    }
  }
});

test("an access that passes runs to the end", () => {
  const made = seen(flow("pass"));
  assert.ok(Math.max(...made.map((m) => m.x)) > 299 && Math.max(...made.map((m) => m.x)) < 320);
  assert.ok(made.every((m) => m.c === "dma" && m.y === 0));
});

test("an access that bounces gets as far as the barrier and falls back", () => {
  const made = seen(flow("bounce", { at: 0.5, c: "cpu" }));
  assert.ok(Math.max(...made.map((m) => m.x)) <= 150.01);
  const low = made.filter((m) => m.y > 10);
  assert.ok(low.length && low.every((m) => m.x < 150 && m.x > 100 && m.c === "cpu"));
});

test("an access into freed memory turns red and falls no further than into it", () => {
  const made = seen(flow("fall", { at: 0.8 }));
  for (const m of made) assert.equal(m.c, m.x < 239.9 ? "dma" : m.x > 240.1 ? "bad" : m.c);
  const low = Math.max(...made.map((m) => m.y)) - 10;
  assert.ok(low > 12 && low <= 28, `${low}`);
  assert.ok(Math.max(...made.map((m) => m.x)) <= 240 + 28);
});

test("there are none on a path that is not there", () => {
  assert.deepEqual(balls([flow("pass", { p: [0, 0, 1, 0, 2, 0, 3, 0] })], 5), []);
  assert.deepEqual(balls([flow("pass", { p: [] })], 5), []);
  assert.deepEqual(balls([flow("pass", { o: 0 })], 5), []);
  const cue = { line: null, writes: [], reads: [] };
  assert.deepEqual(balls(pose([], [flow("pass")], cue, 0.2), 5), []);
});

test("a short path has few balls, a long one several", () => {
  const path = (length) => flow("pass", { p: [0, 0, 1, 0, length - 1, 0, length, 0] });
  const most = (length) => Math.max(...TIMES.map((T) => balls([path(length)], T).length));
  assert.ok(most(40) <= 2 && most(300) >= 3);
});

test("a path that grows carries its balls along, and they keep their speed", () => {
  const place = (length, T) => balls([flow("pass", { p: [0, 0, length / 3, 0, length / 2, 0, length, 0] })], T)[0]?.x;
  for (let T = 1e6; T < 1e6 + 3000; T += 50) {
    const [a, b] = [place(200, T), place(202, T)];
    if (a < 190 && b < 190) assert.ok(Math.abs(a - b) < 4, `${a} ${b}`);
  }
});

test("a ball stays where it is when its path changes its end", () => {
  const places = (end) =>
    balls([flow(end)], 777)
      .map((m) => [m.k, m.x])
      .filter(([, x]) => x < 290);
  assert.deepEqual(
    places("pass"),
    places("fall").filter(([, x]) => x < 290),
  );
});
