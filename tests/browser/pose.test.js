import assert from "node:assert/strict";
import test from "node:test";
import { layer } from "../../mmviz/browser/marks.js";
import { DURATION, pose } from "../../mmviz/browser/pose.js";
import { group } from "./dom.js";
import { assertReaches } from "./motion.js";
import { chance, painter } from "./pictures.js";

const rect = (k, x, more = {}) => ({ k, t: "rect", c: "card", x, y: 0, w: 40, h: 20, ...more });
const text = (k, x, w, more = {}) => ({ k, t: "text", c: "value", x, y: 100, w, ...more });
const arrow = (k, p) => ({ k, t: "curve", c: "arrow", p });
const cue = (more = {}) => ({ line: [0, 0], writes: [], reads: [], ...more });
const find = (marks, k) => marks.find((m) => m.k === k);
const side = (p, i, j) => Math.hypot(p[i] - p[j], p[i + 1] - p[j + 1]);

test("a motion begins in the first picture and ends in the second", () => {
  const random = chance(3);
  const paint = painter(random);
  for (let round = 0; round < 300; round++) {
    const writes = Array.from({ length: round % 7 }, (_, i) => [`field k${(round + i) % 24}`, "page 7"]);
    assertReaches(paint(), paint(), cue({ writes, reads: ["field k1", "field k2"] }));
  }
});

test("no mark jumps", () => {
  const paint = painter(chance(11));
  const frames = 240;
  for (let round = 0; round < 20; round++) {
    const [a, b] = [paint(), paint()];
    const step = cue({ writes: [["field k3", "D"]] });
    let last = pose(a, b, step, 0);
    for (let i = 1; i <= frames; i++) {
      const marks = pose(a, b, step, i / frames);
      const before = new Map(last.map((m) => [m.k, m]));
      for (const m of marks) {
        const was = before.get(m.k);
        if (!was || was.t !== m.t || m.t === "text" || was.p?.length !== m.p?.length) continue;
        const [now, then] = [m, was].map((one) => one.p ?? [one.x, one.y]);
        now.forEach((at, j) => {
          assert.ok(Math.abs(at - then[j]) < 25, `${m.k} (${m.t}) at ${i / frames}`);
        });
      }
      last = marks;
    }
  }
});

test("a motion can be drawn at every moment, in the order of one of its pictures", () => {
  const paint = painter(chance(5));
  const draw = layer(group());
  for (let round = 0; round < 40; round++) {
    const [a, b] = [paint(), paint()];
    for (const u of [0.01, 0.2, 0.41, 0.43, 0.6, 0.8, 0.99]) {
      const marks = pose(a, b, cue({ writes: [["field k3", "D"]] }), u);
      draw(marks);
      const shown = marks.map((m) => m.k);
      const base = (u < 0.42 ? a : b).map((m) => m.k).filter((k) => shown.includes(k));
      const known = new Set(base);
      assert.deepEqual(
        shown.filter((k) => known.has(k)),
        base,
      );
    }
  }
});

test("a token carries the value from its line to the field, then the field turns over", () => {
  const a = [rect("box", 300, { c: "cell", f: "refs", w: 60 }), text("words", 310, "1", { f: "refs" })];
  const b = [
    rect("box", 300, { c: "cell", f: "refs", w: 60, l: "now" }),
    text("words", 310, "2", { f: "refs", l: "now" }),
  ];
  const at = (u) => pose(a, b, cue({ writes: [["refs", "2"]] }), u);
  const pill = (u) => {
    const m = find(at(u), "token:refs");
    return m && m.x + m.w / 2;
  };
  assert.equal(pill(0), undefined);
  assert.ok(pill(0.1) < pill(0.2) && pill(0.2) < pill(0.3));
  assert.ok(Math.abs(pill(0.41) - 330) < 1);
  assert.equal(find(at(0.2), "token:refs:words").w, "2");
  assert.equal(pill(0.6), undefined);
  assert.deepEqual(
    [0.41, 0.43].map((u) => find(at(u), "words").w),
    ["1", "2"],
  );
  assert.deepEqual(
    [0.41, 0.43].map((u) => find(at(u), "box").l),
    [undefined, "now"],
  );
  assert.ok(find(at(0.42), "words").flip < 0.1);
  assert.equal(find(at(0.29), "words").flip, 1);
  assert.equal(find(at(0.6), "words").flip, 1);
});

test("lights of the step before go out before the new value lands; red stays until then", () => {
  const a = [rect("one", 0, { c: "cell", l: "now" }), rect("two", 0, { c: "cell", l: "now bad" })];
  const b = [rect("one", 0, { c: "cell" }), rect("two", 0, { c: "cell" })];
  const lights = (u) => pose(a, b, cue(), u).map((m) => m.l ?? "");
  assert.deepEqual(lights(0.05), ["now", "now bad"]);
  assert.deepEqual(lights(0.2), ["", "bad"]);
  assert.deepEqual(lights(0.5), ["", ""]);
});

test("a step that only reads sends dots that come back", () => {
  const a = [text("words", 300, "2", { f: "refs" }), text("other", 300, "2", { f: "b" })];
  const at = (u) => pose(a, a, cue({ reads: ["refs", "hidden"] }), u).filter((m) => m.k.startsWith("token:"));
  const place = (u) => at(u)[0].x;
  assert.equal(at(0.3).length, 1);
  assert.equal(at(0.3)[0].t, "dot");
  assert.ok(place(0.1) < place(0.3) && place(0.3) < place(0.45) && place(0.45) > place(0.7));
  assert.deepEqual([at(0), at(1)], [[], []]);
  const wrote = pose(a, a, cue({ reads: ["refs"], writes: [["b", "3"]] }), 0.2);
  assert.deepEqual(
    wrote.map((m) => m.k).filter((k) => k.startsWith("token")),
    ["token:b", "token:b:words"],
  );
});

test("several writes are staggered, and all end in time", () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const before = names.map((n, i) => text(n, 20 * i, "1", { f: n }));
  const after = names.map((n, i) => text(n, 20 * i, "2", { f: n, y: 200 }));
  const at = (u) => pose(before, after, cue({ writes: names.map((n) => [n, "2"]) }), u);
  const said = at(0.48)
    .filter((m) => !m.k.startsWith("token"))
    .map((m) => m.w)
    .join("");
  assert.match(said, /^2+1+$/);
  assert.ok(at(0.6).every((m) => m.t === "rect" || m.w === "2"));
});

test("without a line, or with long values, tokens stay in bounds", () => {
  const a = [text("words", 300, "", { f: "refs" })];
  const writes = [["refs", "x".repeat(200)]];
  assert.equal(pose(a, a, cue({ line: null, writes }), 0.2).length, 1);
  const pill = find(pose(a, a, cue({ writes }), 0.2), "token:refs");
  assert.ok(pill.w < 220);
});

test("what follows moves after the turn; a tile turns as it falls", () => {
  const a = [rect("tile", 0, { rot: 0 })];
  const b = [rect("tile", 10, { rot: 20, c: "ghost" })];
  const at = (u) => find(pose(a, b, cue(), u), "tile");
  assert.deepEqual([at(0.44).x, at(0.44).rot, at(0.44).c], [0, 0, "ghost"]);
  assert.ok(at(0.7).rot > 5 && at(0.7).rot < 15);
});

test("an arrow swings with its head, which stays a triangle at its end", () => {
  const head = (x, y, dx, dy) => [x, y, x - dx, y - dy + 4, x - dx, y - dy - 4];
  const a = [arrow("go", [0, 0, 40, 0, 60, 0, 100, 0]), { k: "go:tip", t: "poly", c: "arrow", p: head(100, 0, 9, 0) }];
  const down = [0, 0, 0, 40, 0, 60, 0, 100];
  const b = [arrow("go", down), { k: "go:tip", t: "poly", c: "arrow", p: [0, 100, -4, 91, 4, 91] }];
  for (const u of [0.5, 0.6, 0.7, 0.8, 0.9]) {
    const marks = pose(a, b, cue(), u);
    const [body, tip] = [find(marks, "go").p, find(marks, "go:tip").p];
    assert.ok(Math.hypot(body[6] - tip[0], body[7] - tip[1]) < 1e-6);
    assert.ok(Math.abs(side(tip, 2, 4) - 8) < 0.01);
    assert.ok(Math.abs(side(tip, 0, 2) - Math.hypot(9, 4)) < 0.01);
  }
});

test("an arrow grows from its first point, and shrinks to it", () => {
  const p = [10, 10, 40, 10, 60, 50, 100, 50];
  const whole = [
    { k: "go:glow", t: "glow", c: "glow", p },
    arrow("go", p),
    { k: "go:tip", t: "poly", c: "arrow", p: [100, 50, 91, 54, 91, 46] },
  ];
  for (const [a, b, us] of [
    [[], whole, [0.6, 0.7, 0.8, 0.9]],
    [whole, [], [0.7, 0.65, 0.6, 0.5]],
  ]) {
    const lengths = us.map((u) => {
      const body = find(pose(a, b, cue(), u), "go");
      assert.deepEqual(body.p.slice(0, 2), [10, 10]);
      return side(body.p, 0, 6);
    });
    assert.deepEqual(
      lengths,
      [...lengths].sort((x, y) => x - y),
    );
    assert.ok(lengths[0] < 60 && lengths[3] > 60);
    const tip = find(pose(a, b, cue(), us[1]), "go:tip").p;
    const body = find(pose(a, b, cue(), us[1]), "go").p;
    assert.ok(side([...tip.slice(0, 2), ...body.slice(6)], 0, 2) < 1e-6);
  }
  assert.deepEqual(pose([], whole, cue(), 0.3), []);
});

test("marks of other types or other points under one key fade one after the other", () => {
  const a = [rect("a", 0), arrow("go", [0, 0, 1, 0, 2, 0, 3, 0])];
  const b = [text("a", 0, "D"), arrow("go", [0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0])];
  const draw = layer(group());
  for (let u = 0; u <= 1; u += 1 / 32) draw(pose(a, b, cue(), u));
  assert.deepEqual(
    [0.4, 0.5].map((u) => find(pose(a, b, cue(), u), "a").t),
    ["rect", "text"],
  );
  assert.ok(find(pose(a, b, cue(), 0.4), "a").o < 0.2);
});

test("a centred value stays centred when its words get longer", () => {
  const centred = (w) => text("v", 100 - (w.length * 7.93) / 2, w);
  const middles = [0.1, 0.4, 0.5, 0.7, 0.9].map((u) => {
    const m = find(pose([centred("D")], [centred("domain V")], cue(), u), "v");
    return m.x + (m.w.length * 7.93) / 2;
  });
  for (const at of middles) assert.ok(Math.abs(at - 100) < 1e-6);
});

test("a step back takes less time than a step", () => {
  assert.ok(DURATION.back < DURATION.on && DURATION.on <= 400 && DURATION.back >= 200);
});
