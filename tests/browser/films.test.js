// The films of real cases: tests/test_browser.py writes them and names their folder.

import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import { balls } from "../../mmviz/browser/balls.js";
import { Film } from "../../mmviz/browser/film.js";
import { layer } from "../../mmviz/browser/marks.js";
import { pose } from "../../mmviz/browser/pose.js";
import { group } from "./dom.js";
import { assertReaches } from "./motion.js";

const folder = process.env.MMVIZ_FILMS;
const names = folder ? fs.readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
const MOST = 250; // moves of a film, evenly chosen

for (const name of names) {
  const film = new Film(fs.readFileSync(`${folder}/${name}`, "utf8"));
  const { moves, states } = film.tables;
  const into = new Map([[0, -1]]);
  moves.forEach((move, number) => {
    if (!into.has(move[2])) into.set(move[2], number);
  });

  test(`${name}: every motion begins and ends in the pictures, and has a token for each value`, () => {
    assert.ok(moves.length > 0 && states.length > 1);
    const draw = layer(group());
    const every = Math.max(1, Math.floor(moves.length / MOST));
    let sent = 0;
    for (let number = 0; number < moves.length; number += every) {
      const { from, to, writes, reads } = film.moved(number);
      const [a, b] = [film.picture(from, into.get(from)), film.picture(to, number)];
      const path = (field) => film.head.fields[field];
      const cue = {
        line: [-20, 100],
        writes: writes.map((field) => [path(field), film.words(to, field)]),
        reads: reads.map(path),
      };
      assertReaches(a, b, cue);
      for (const u of [0.3, 0.44, 0.7]) {
        const marks = pose(a, b, cue, u);
        draw(marks);
        draw(balls(marks, number * 100));
        sent += marks.filter((m) => m.k.startsWith("token:")).length;
      }
      draw(b);
    }
    assert.ok(sent > 0);
  });

  test(`${name}: an arrow has its head at its end, and its first point where it was`, () => {
    for (const [, marks] of film.tables.variants) {
      const known = new Map(marks.map((m) => [m.k, m]));
      for (const m of marks) {
        if ("p" in m) assert.ok(m.p.every(Number.isFinite), m.k);
        if (!m.k.endsWith(":tip")) continue;
        const body = known.get(m.k.slice(0, -4));
        assert.ok(body && Math.hypot(body.p.at(-2) - m.p[0], body.p.at(-1) - m.p[1]) < 12, m.k);
      }
    }
  });
}
