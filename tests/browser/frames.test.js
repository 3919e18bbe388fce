// Which frames of a view are asked for, and when.

import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { session } from "./small.js";

const MORE = 300; // ms
const KERNELS = 20; // frames that a kernel draws about the cursor

/** A session with a kernel that answers when told to. @param {any} [more] */
function asking(more = {}) {
  const asked = [];
  const shown = session({ pane: "locks", send: (message) => asked.push(message), ...more });
  /** Answer the question that was asked last. */
  const answer = async () => {
    const { id, k, schedule, name, around = KERNELS } = asked.at(-1);
    const first = Math.max(0, k - around);
    const count = Math.min(schedule.length, k + around) - first + 1;
    const frames = { name, first, size: [1, 1], marks: [{ k: "a" }], scenes: Array(count).fill([0]), twins: [] };
    shown.hear({ id, frames });
    await Promise.resolve();
    await Promise.resolve();
  };
  return { shown, asked, answer };
}

test("the frames about the cursor come first, the others once the reader rests", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { shown, asked, answer } = asking();
  assert.equal(shown.view("locks"), null);
  assert.equal(asked[0].around, 2);
  await answer();
  assert.deepEqual([...shown.view("locks").scenes.keys()], [0, 1, 2]);
  assert.equal(asked.length, 1, "another view may be opened first");
  mock.timers.tick(MORE);
  assert.equal(asked[1].around, undefined);
  await answer();
  assert.equal(shown.view("locks").scenes.size, 6);
  mock.timers.tick(10 * MORE);
  assert.equal(asked.length, 2);
  shown.close();
  mock.timers.reset();
});

test("more frames of a view that is open no longer are not asked for", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { shown, asked, answer } = asking();
  shown.view("locks");
  await answer();
  shown.view("locks");
  shown.pane = "timeline";
  mock.timers.tick(MORE);
  assert.equal(asked.length, 1);
  shown.close();
  mock.timers.reset();
});

test("after close nothing is asked any more", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { shown, asked, answer } = asking();
  shown.view("locks");
  await answer();
  shown.view("locks");
  shown.close();
  mock.timers.tick(10 * MORE);
  assert.equal(asked.length, 1);
  mock.timers.reset();
});

test("frames that a page brings need no kernel, along their run", () => {
  const shown = session({ pane: "locks" });
  const schedule = shown.tree.schedule();
  const scenes = Array(schedule.length + 1).fill([0]);
  const frames = [{ name: "locks", schedule, first: 0, size: [1, 1], marks: [{ k: "a" }], scenes, twins: ["text"] }];
  const alone = session({ pane: "locks", frames });
  assert.deepEqual(alone.view("locks")?.scenes.get(0), [{ k: "a" }]);
  assert.equal(alone.view("locks")?.twins.get(0), "text");
  assert.equal(alone.error, "");
  assert.equal(alone.view("causes"), null, "another view is not there");
  shown.close();
  alone.close();
});
