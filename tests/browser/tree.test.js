import assert from "node:assert/strict";
import test from "node:test";
import { Film } from "../../mmviz/browser/film.js";
import { meaningOf } from "../../mmviz/browser/keys.js";
import { sides } from "../../mmviz/browser/columns.js";
import { lossOf, scoreOf, victoryOf } from "../../mmviz/browser/game.js";
import { pieces, session, smallFilm } from "./small.js";

test("a choice that was made before is not made again, and what was tried stays", () => {
  const shown = session();
  shown.go(3);
  shown.choose(0);
  assert.deepEqual([shown.k, shown.tree.schedule()], [4, [0, 0, 0, 0]]);
  assert.equal(shown.tree.leaves().length, 2);
  shown.go(3);
  shown.choose(1);
  assert.deepEqual(shown.tree.schedule(), [0, 0, 0, 1, 0], "what followed is ahead again");
  assert.equal(shown.tree.leaves().length, 2);
  shown.close();
});

test("the recorded run is come back to where it was left", () => {
  const shown = session();
  shown.go(3);
  assert.equal(shown.comeBack(), false);
  shown.choose(0);
  shown.choose(1);
  assert.equal(shown.comeBack(), true);
  assert.deepEqual([shown.k, shown.tree.schedule()], [3, [0, 0, 0, 1, 0]]);
  shown.close();
});

test("what if: the step just taken is given to another actor that can go", () => {
  const shown = session();
  shown.go(4);
  assert.equal(shown.whatIf(), true);
  assert.deepEqual([shown.k, shown.tree.schedule(4)], [4, [0, 0, 0, 0]]);
  assert.equal(shown.whatIf(), true);
  assert.deepEqual(shown.tree.schedule(4), [0, 0, 0, 1]);
  shown.go(2);
  assert.equal(shown.whatIf(), false, "the writer is locked out");
  shown.close();
});

test("an actor that is blocked or does not exist cannot be chosen", () => {
  const shown = session();
  shown.go(1);
  for (const actor of [1, 2, -1, 9]) shown.choose(actor);
  assert.equal(shown.k, 1);
  shown.close();
});

test("lanes: the first kid goes on in its parent's, another gets its own", () => {
  const shown = session();
  shown.go(0);
  shown.choose(1);
  shown.go(0);
  shown.choose(0);
  const { lanes, count } = shown.tree.lanes();
  assert.equal(count, 2);
  assert.equal(new Set(shown.tree.path.map((node) => lanes[node.id])).size, 1);
  shown.close();
});

test("pieces add what is missing, twice the same adds nothing, and a gap is refused", () => {
  const { first, rest } = pieces(3, 2);
  const film = new Film(first);
  film.merge(rest);
  const whole = smallFilm();
  assert.deepEqual(film.tables, whole.tables);
  film.merge(rest);
  assert.deepEqual(film.tables, whole.tables);
  assert.throws(() => new Film(first).merge({ tables: { states: [[]] }, from: { states: 9 } }), /missing/);
});

test("of the keys pressed while the kernel is asked, one choice is made when it answers", async () => {
  const { first, rest } = pieces(1, 0);
  const asked = [];
  const shown = session({ film: first, at: { runs: [[]], run: 0, k: 0 }, send: (message) => asked.push(message) });
  for (let i = 0; i < 50; i++) shown.choose(i % 2);
  assert.deepEqual(asked, [{ ask: "open", state: 0, id: 1 }]);
  shown.hear({ id: 1, piece: rest });
  await new Promise(setImmediate);
  assert.deepEqual([shown.k, shown.tree.schedule()], [1, [1]]);
  shown.close();
});

test("a kernel that cannot be asked is said in words, and playing goes on", async () => {
  const { first } = pieces(3, 1);
  const send = () => {
    throw new Error("Cannot send");
  };
  const shown = session({ film: first, at: { runs: [[0]], run: 0, k: 0 }, send });
  await new Promise(setImmediate);
  assert.match(shown.error, /kernel does not answer/);
  shown.go(1);
  assert.equal(shown.k, 1);
  const alone = session({ film: first, at: { runs: [[0]], run: 0, k: 0 } });
  await new Promise(setImmediate);
  assert.match(alone.error, /no kernel/);
  alone.close();
  shown.close();
});

test("the cursor is written back at rest, once", async () => {
  const kept = [];
  const shown = session({ keep: (name, value) => name !== "k" && kept.push([name, value]) });
  for (let i = 1; i <= 5; i++) shown.go(i);
  assert.deepEqual(kept, []);
  shown.rest();
  shown.rest();
  assert.deepEqual(kept, [["at", { runs: [[0, 0, 0, 1, 0]], run: 0, k: 5, by: "browser", n: 2 }]]);
  shown.close();
});

test("the seal holds until the Driver has won or given up", () => {
  const named = [{ name: "the answer", schedule: [0, 0, 0, 1, 0], sealed: true, kind: "bad" }];
  const game = { goal: "Break it.", bads: [0], best: 5, preemptions: 1 };
  const play = (schedule) => {
    const shown = session({ mode: "driver", at: { runs: [[]], run: 0, k: 0 }, named, game });
    for (const actor of schedule) shown.choose(actor);
    return shown;
  };
  const lost = play([0, 0, 0, 0, 1]);
  assert.deepEqual([lost.offered(), lost.isSealed], [[], true]);
  assert.match(lossOf(lost), /could still be broken until step 3/);
  assert.doesNotMatch(scoreOf(lost), /best/);
  lost.giveUp();
  assert.equal(lost.offered().length, 1);
  const won = play([0, 0, 0, 1, 0]);
  assert.deepEqual([won.wonAt(), won.isSealed, won.offered().length, lossOf(won)], [5, false, 1, ""]);
  assert.equal(victoryOf(won), "You broke it in 5 steps with 1 preemption. Shortest run: 5; fewest preemptions: 1.");
  assert.match(scoreOf(won), /yours 5 · best 5/);
  for (const shown of [lost, won]) shown.close();
});

test("only the stage's keys mean something", () => {
  const key = (name, more = {}) => meaningOf({ key: name, code: "", target: { tagName: "SECTION" }, ...more }, 2, 1);
  assert.deepEqual(key("1"), ["choose", 0]);
  assert.equal(key("3"), null);
  assert.deepEqual(key("!", { code: "Digit1", shiftKey: true }), ["named", 0]);
  assert.equal(key("@", { code: "Digit2", shiftKey: true }), null);
  for (const name of ["Tab", "Enter", "a", "d", "z", "m", "F5"]) assert.equal(key(name), null, name);
  assert.equal(key("ArrowRight", { ctrlKey: true }), null);
  assert.equal(key(" ", { target: { tagName: "BUTTON" } }), null);
  assert.equal(key("x", { target: { tagName: "INPUT", type: "text" } }), null);
  assert.deepEqual(key("ArrowLeft", { target: { tagName: "INPUT", type: "range" } }), ["back", 0]);
  assert.deepEqual(key("Escape", { target: { tagName: "TEXTAREA" } }), ["escape", 0]);
});

test("the sides share the actors in their order, neither much higher", () => {
  assert.deepEqual(sides([8, 12]), [[0], [1]]);
  assert.deepEqual(sides([5]), [[0], []]);
  assert.deepEqual(sides([5, 14, 9, 6, 2]), [
    [0, 1],
    [2, 3, 4],
  ]);
});
