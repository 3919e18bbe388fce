// A film that ends with a question, and a fix that no run breaks.

import assert from "node:assert/strict";
import test from "node:test";
import { turnOf } from "../../mmviz/browser/chooser.js";
import { isHopeless, lossOf, scoreOf } from "../../mmviz/browser/game.js";
import { runAsText } from "../../mmviz/browser/story.js";
import { session, smallFilm } from "./small.js";

/** The small film up to two steps of the reader, as Python seals it. */
function sealed() {
  const { head, tables } = smallFilm({ complete: false });
  const states = [0, 2, 4].map((at) => tables.states[at]);
  for (const state of states) state[2] = [-1, -1];
  const moves = tables.moves.filter(([from, actor]) => actor === 0 && from < 4 && from % 2 === 0);
  const numbered = moves.map(([from, actor, to, ...deed]) => [from / 2, actor, to / 2, ...deed]);
  const cut = { ...tables, states, moves: numbered, blocks: [], opened: [0, 1, 2], fates: [] };
  return { head: { ...head, sealed: true }, tables: cut };
}

test("a sealed film does not say who can go, and asks for nothing", () => {
  const asked = [];
  const shown = session({
    film: sealed(),
    at: { runs: [[0, 0]], run: 0, k: 2 },
    send: (message) => asked.push(message),
  });
  assert.deepEqual(shown.film.enabled(shown.path[2].state), []);
  for (const actor of [0, 1]) {
    const { can, isBlocked, why, label } = turnOf(shown, actor);
    assert.deepEqual([can, isBlocked, why], [false, false, ""]);
    assert.match(label, /sealed until the question is answered$/);
    shown.choose(actor);
  }
  assert.equal(shown.k, 2);
  assert.equal(scoreOf(shown), "");
  const text = runAsText(shown.film, shown.path, 2);
  assert.match(text, /sealed until the question is answered\.$/);
  assert.doesNotMatch(text, /blocked|Next can go/);
  assert.deepEqual(asked, []);
  shown.go(0);
  assert.deepEqual(shown.film.enabled(shown.path[0].state), [0], "the step that was taken");
  shown.close();
});

test("of a fix that no run breaks the reader is told when he asks, or after five runs to their end", () => {
  const never = "The search covered all 9 states: no run reaches this.";
  const open = (game) => session({ mode: "driver", at: { runs: [[]], run: 0, k: 0 }, game });
  const game = { goal: "Attack this fix", bads: [7], best: -1, preemptions: -1, never, miss: [0, 0] };
  const asks = open(game);
  assert.equal(lossOf(asks), "");
  asks.giveUp();
  assert.equal(lossOf(asks), never);
  const tries = open(game);
  const runs = [
    [1, 0, 0, 0, 0],
    [0, 0, 0, 1, 0],
    [0, 0, 0, 0, 1],
  ];
  for (const run of runs) {
    tries.go(0);
    for (const actor of run) tries.choose(actor);
    assert.match(lossOf(tries), /^This run kept the promise/);
  }
  assert.equal(isHopeless(tries), false);
  const many = { tree: { leaves: () => Array(5).fill(tries.tree.tip()) }, film: tries.film, isSealed: true };
  assert.equal(isHopeless({ ...many, mode: "driver", game }), true);
  assert.equal(isHopeless({ ...many, mode: "driver", game: { ...game, never: "" } }), false);
  assert.equal(isHopeless({ ...many, mode: "player", game }), false);
  for (const shown of [asks, tries]) shown.close();
});
