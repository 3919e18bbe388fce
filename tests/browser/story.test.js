import assert from "node:assert/strict";
import test from "node:test";
import * as story from "../../mmviz/browser/story.js";
import { Tree } from "../../mmviz/browser/tree.js";
import { film } from "./small.js";

const walk = (schedule) => {
  const shown = film();
  const tree = new Tree(shown);
  tree.visit(tree.follow(schedule));
  return { shown, tree, path: tree.path };
};

test("a row that ran has the number of its last step, and how often", () => {
  const { shown, path } = walk([0, 0, 0, 1, 0]);
  assert.deepEqual(
    [...story.ranRows(shown, path, 5, 0)],
    [
      [1, { last: 1, times: 1 }],
      [2, { last: 2, times: 1 }],
      [3, { last: 3, times: 1 }],
      [4, { last: 5, times: 1 }],
    ],
  );
  assert.deepEqual([...story.ranRows(shown, path, 2, 1)], []);
});

test("a promise is broken in the step that complains, for the bad states that count", () => {
  const { shown, path } = walk([0, 0, 0, 1, 0]);
  assert.equal(story.brokenIn(shown, path, 4), -1);
  assert.equal(story.brokenIn(shown, path, 5), 5);
  assert.equal(story.brokenIn(shown, path, 5, [7]), -1);
  assert.deepEqual(story.failures(shown, path, 5), ["The reader uses a page that has been freed."]);
  assert.deepEqual(story.failures(shown, path, 4), []);
});

test("an actor is blocked since the holder last wrote what the guard reads", () => {
  const { shown, path } = walk([0, 0]);
  assert.equal(story.waiting(shown, path, 2, 1), "blocked by reader since step 1");
  assert.equal(story.waiting(shown, path, 0, 1), "");
  assert.equal(story.waiting(shown, path, 2, 0), "");
});

test("a step depends on the last writers of what it read", () => {
  const { shown, path } = walk([0, 0, 0, 1, 0]);
  assert.deepEqual(story.causesOf(shown, path, 4), [{ step: 3, field: 2 }]);
  assert.deepEqual(story.causesOf(shown, path, 5), [{ step: 4, field: 1 }]);
  assert.deepEqual(story.causesOf(shown, path, 2), []);
  assert.match(story.reasons(shown, path, 5).join(" "), /step 4 \(writer: free\(page\)\), which wrote page\.freed/);
  assert.doesNotMatch(story.reasons(shown, path, 5).join(" "), /unavoidable/, "that is told by causes.js");
  for (let k = 1; k < 6; k++) assert.doesNotMatch(story.reasons(shown, path, k).join(" "), /Nothing/);
});

test("a difference has the old and the new value; a step that only read says what", () => {
  const { shown, path } = walk([0, 0, 0, 1, 0]);
  assert.deepEqual(story.difference(shown, path, 1), ["lock.owner: none → reader"]);
  assert.deepEqual(story.difference(shown, path, 2), ["slot: page, read"]);
  assert.deepEqual(story.difference(shown, path, 0), []);
  const { fields } = shown.head;
  shown.head.fields = fields.map((name) => (name === "slot" ? "page" : name));
  assert.deepEqual(story.difference(shown, path, 2), [], "an object that stands for itself says nothing");
  shown.head.fields = fields;
});

test("a preemption takes the turn from an actor that could go on", () => {
  const { shown, path } = walk([0, 0, 0, 1, 0]);
  assert.equal(story.preemptions(shown, path, 3), 0);
  assert.equal(story.preemptions(shown, path, 5), 1);
});

test("a win was possible until the fates say no", () => {
  const { shown, path } = walk([0, 0, 0, 0, 1]);
  assert.equal(story.possibleUntil(shown, path, 5, null), 3);
  assert.equal(story.possibleUntil(shown, path, 5, [0]), 3);
});

test("a shortest run is found by breadth; a state that every run passes is told from one that can be avoided", () => {
  const shown = film();
  const freed = (state) => shown.words(state, 1) === "yes";
  assert.deepEqual(story.shortestRun(shown, freed), [1]);
  assert.equal(
    story.shortestRun(shown, () => false),
    null,
  );
  assert.equal(story.canAvoid(shown, freed), false);
  assert.equal(
    story.canAvoid(shown, (state) => shown.words(state, 2) === "reader"),
    false,
  );
  assert.equal(
    story.canAvoid(shown, (state) => freed(state) && shown.words(state, 2) === "reader"),
    true,
  );
});

test("the run as text has each step once, its changes, and what it broke", () => {
  const { shown, path } = walk([0, 0, 0, 1, 0]);
  const text = story.runAsText(shown, path, 4, (i) => (i === 2 ? "look here" : ""));
  for (const said of [
    "▸ 4  writer: free(page)",
    "lock.owner: none → reader",
    "✗ The reader uses a page",
    "note: look here",
    "Next can go: reader.",
  ]) {
    assert.ok(text.includes(said), said);
  }
  assert.match(story.spokenStep(shown, path, 4), /^Step 4 of 5: writer: free\(page\)\. The page goes back\.$/);
});
