import assert from "node:assert/strict";
import test from "node:test";
import { layer, lit, on, tip } from "../../mmviz/browser/marks.js";
import { pose } from "../../mmviz/browser/pose.js";
import { group, touched } from "./dom.js";
import { chance, painter } from "./pictures.js";

const fresh = (marks) => {
  const root = group();
  layer(root)(marks);
  return root.innerHTML;
};

const rect = (k, more = {}) => ({ k, t: "rect", c: "card", x: 1, y: 2, w: 30, h: 20, ...more });
const text = (k, more = {}) => ({ k, t: "text", c: "value", x: 1, y: 2, w: "none", ...more });
const cue = (more = {}) => ({ now: new Set(), read: new Set(), bad: new Set(), ...more });

test("nodes at rest are the same whichever way they came about", () => {
  const random = chance(7);
  const paint = painter(random);
  for (let round = 0; round < 60; round++) {
    const [a, b, c] = [paint(), paint(), paint()];
    const wanted = fresh(b);
    const step = { line: [0, 0], writes: [[`field k${round % 24}`, "D"]], reads: [] };
    const ways = {
      "step by step": [a, b],
      "from nothing": [[], b],
      "backwards, in motion": [c, pose(b, c, step, 0.8), pose(b, c, step, 0.3), b],
      interrupted: [a, pose(a, c, step, 0.2), pose(a, b, step, 0.43), pose(a, b, step, 0.9), b],
      "far away and back": [b, c, a, pose(a, b, step, 0.5), c, b],
    };
    for (const [name, pictures] of Object.entries(ways)) {
      const root = group();
      const draw = layer(root);
      for (const marks of pictures) draw(marks);
      assert.equal(root.innerHTML, wanted, name);
    }
  }
});

test("a mark has its role, field, subject and key; a witness says so last", () => {
  const m = rect("a:box", { s: "object:a", f: "a.refs", l: "now bad", rot: 5 });
  assert.equal(
    fresh([m]),
    '<rect data-key="a:box" data-field="a.refs" data-subject="object:a" class="mm-card is-now is-bad" x="1" y="2" ' +
      'width="30" height="20" rx="0" transform="rotate(5 16 12)" opacity="1" data-witness="1"></rect>',
  );
  assert.equal(
    fresh([text("w", { w: "a < b", b: 1 })]),
    '<text data-key="w" class="mm-value is-bold" x="1" y="2" transform="" opacity="1">a < b</text>',
  );
});

test("all types are drawn, flows and what has opacity 0 are not", () => {
  const p = [0, 0, 10, 0, 20, 5, 30, 5];
  const marks = [
    { k: "c", t: "curve", c: "arrow", p },
    { k: "g", t: "glow", c: "glow", p },
    { k: "l", t: "line", c: "rule", p: p.slice(0, 4) },
    { k: "p", t: "poly", c: "arrow", p: p.slice(0, 6) },
    { k: "d", t: "dot", c: "dma", x: 1, y: 2, r: 3 },
    { k: "f", t: "flow", c: "dma", p, end: "pass" },
    rect("r", { o: 0 }),
  ];
  const said = fresh(marks);
  assert.equal(said.split("\n").length, 5);
  assert.match(said, /<path data-key="c" class="mm-arrow" d="M0 0C10 0 20 5 30 5" opacity="1">/);
  assert.match(said, /<polyline data-key="l" class="mm-rule" points="0,0 10,0"/);
  assert.match(said, /<polygon data-key="p"/);
  assert.match(said, /<circle data-key="d" class="mm-dma" cx="1" cy="2" r="3"/);
});

test("a doubled key throws, and what was drawn stays", () => {
  const root = group();
  const draw = layer(root);
  draw([rect("a"), rect("b")]);
  const before = root.innerHTML;
  assert.throws(() => draw([rect("c"), rect("a"), text("c")]), /two marks have the key "c"/);
  assert.equal(root.innerHTML, before);
});

test("another type, field or subject under one key is a new node", () => {
  const root = group();
  const draw = layer(root);
  const kinds = [rect("a"), text("a"), rect("a", { f: "x" }), rect("a", { f: "x", s: "y" }), rect("a")];
  for (const m of kinds) {
    const marks = [rect("b"), m, rect("c")];
    draw(marks);
    assert.equal(root.innerHTML, fresh(marks));
  }
});

test("only what differs is touched", () => {
  const root = group();
  const draw = layer(root);
  const marks = Array.from({ length: 50 }, (_, i) => rect(`k${i}`));
  draw(marks);
  touched.count = 0;
  draw(marks.map((m) => ({ ...m })));
  assert.equal(touched.count, 0);
  draw(marks.map((m, i) => (i === 9 ? { ...m, x: 5 } : m)));
  assert.equal(touched.count, 1);
});

test("a step lights the fields that it wrote and read, a violation its witnesses", () => {
  const marks = [
    rect("box", { c: "cell", f: "a" }),
    text("words", { f: "a" }),
    rect("other", { c: "cell", f: "b" }),
    { k: "go", t: "curve", c: "arrow", f: "a", p: [0, 0, 1, 0, 2, 0, 3, 0] },
    { k: "go:tip", t: "poly", c: "arrow", p: [0, 0, 1, 0, 2, 0] },
    { k: "go:glow", t: "glow", c: "glow", p: [0, 0, 1, 0, 2, 0, 3, 0] },
    rect("card"),
  ];
  const lights = (found) => Object.fromEntries(found.map((m) => [m.k, m.l ?? ""]));
  const both = lit(marks, cue({ now: new Set(["a"]), bad: new Set(["a"]), read: new Set(["a", "b"]) }));
  const wanted = { box: "now bad", words: "now bad", other: "read", go: "now bad", "go:tip": "now bad", card: "" };
  assert.deepEqual(lights(both), { ...wanted, "go:glow": "" });
  assert.equal(both[5].o, 1);
  assert.equal(both[6], marks[6]);
  assert.equal(lit(marks, cue({ bad: new Set(["a"]) }))[5].o, 0);
  assert.equal(marks[0].l, undefined);
});

test("a glow of no points is never drawn", () => {
  const marks = lit([{ k: "go:glow", t: "glow", c: "glow", f: "a", p: [] }], cue({ now: new Set(["a"]) }));
  assert.equal(fresh(marks), "");
});

test("a point on a path and the head at its end", () => {
  const p = [0, 0, 10, 0, 20, 0, 30, 0, 40, 0, 50, 0, 60, 0];
  assert.deepEqual(on(p, 0), [0, 0]);
  assert.deepEqual(on(p, 0.5), [30, 0]);
  assert.deepEqual(on(p, 1), [60, 0]);
  assert.deepEqual(tip(p, 10), [60, 0, 50, 5, 50, -5]);
});
