// What the reader does, and what the stage takes back, on the small film.

import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { certainty, whyNoChance, whyNoOther, whyNot, witnessed } from "../../mmviz/browser/causes.js";
import { victoryOf } from "../../mmviz/browser/game.js";
import { Kernel } from "../../mmviz/browser/kernel.js";
import { pieces, session } from "./small.js";

const STORY = [0, 0, 0, 1, 0];
const driver = () => session({ mode: "driver", at: { runs: [[]], run: 0, k: 0, n: 1 } });
const of = (shown) => shown.tree.schedule();

/** @param {any} shown @param {(shown: any) => any} act */
async function closing(shown, act) {
  try {
    await act(shown);
  } finally {
    shown.close();
  }
}

test("a run is the reader's own when he chose each of its steps", () =>
  closing(driver(), async (shown) => {
    for (const actor of STORY) shown.choose(actor);
    assert.match(victoryOf(shown), /^You broke it in 5 steps/);
    await shown.open(STORY, 5);
    assert.match(victoryOf(shown), /^You broke it/, "it was his before it was shown");
  }));

test("a run that was shown is not the reader's own, nor what he repeats of it", () =>
  closing(driver(), async (shown) => {
    shown.choose(0);
    shown.keepPlace();
    await shown.open(STORY, 5);
    assert.match(victoryOf(shown), /^This run breaks it in 5 steps/);
    shown.go(0);
    for (const actor of STORY) shown.choose(actor);
    assert.match(victoryOf(shown), /^This run breaks it/);
    shown.go(0);
    for (const actor of [0, 0, 0]) shown.choose(actor);
    assert.equal(shown.isOwn(3), false, "the third step had been shown");
  }));

test("Esc goes back to where the reader was before a run was shown, whichever run that is", async () => {
  await closing(driver(), async (shown) => {
    for (const actor of [0, 0]) shown.choose(actor);
    shown.keepPlace();
    await shown.open(STORY, 0);
    shown.go(4);
    assert.equal(shown.putBack(), true);
    assert.deepEqual([of(shown), shown.k], [[0, 0], 2]);
    assert.equal(shown.putBack(), false);
  });
  await closing(session(), async (shown) => {
    shown.go(3);
    shown.keepPlace();
    await shown.open(STORY, 0);
    shown.keepPlace(); // asked twice: the first place counts
    await shown.open(STORY, 0);
    assert.equal(shown.putBack(), true);
    assert.deepEqual([of(shown), shown.k], [STORY, 3]);
  });
});

test("a step that the reader chooses ends the showing", () =>
  closing(driver(), async (shown) => {
    shown.keepPlace();
    await shown.open(STORY, 0);
    shown.choose(1);
    assert.equal(shown.putBack(), false);
    assert.equal(of(shown)[0], 1);
  }));

test("Backspace after a what-if goes to the run and the step where it was left", () => {
  for (const shown of [session(), driver()]) {
    if (shown.mode === "driver") for (const actor of STORY) shown.choose(actor);
    shown.go(1);
    assert.equal(shown.whatIf(), true);
    assert.deepEqual(of(shown), [1]);
    shown.choose(0);
    assert.equal(shown.comeBack(), true);
    assert.deepEqual([of(shown), shown.k], [STORY, 1]);
    assert.equal(shown.comeBack(), false);
    shown.close();
  }
});

test("it is said why a key does nothing", () =>
  closing(session(), (shown) => {
    assert.equal(whyNoOther(shown), "At step 0 press 2 to let writer go first");
    assert.equal(whyNot(shown, 1), "");
    assert.equal(whyNoChance(shown), "it can still be broken from step 0");
    shown.go(2);
    assert.equal(whyNoOther(shown), "nothing else could go in step 2");
    assert.equal(whyNot(shown, 1), "writer is blocked by reader since step 1");
    shown.go(5);
    assert.equal(whyNot(shown, 0), "reader has finished");
    assert.equal(whyNoChance(shown), "already broken in step 5");
  }));

test("the reasons name the last writer of each witness, and from where the violation was unavoidable", () =>
  closing(session(), ({ film, path }) => {
    assert.deepEqual(witnessed(film, path, 5), ["Step 4 (writer: free(page)) wrote page.freed: yes."]);
    assert.deepEqual(witnessed(film, path, 4), []);
    assert.equal(certainty(film, path, 3), "");
    assert.equal(certainty(film, path, 4), "From step 4 on the violation is unavoidable.");
    assert.equal(certainty(film, path, 5), "From step 4 on the violation was unavoidable.");
    film.fates.set(path[4].state, "1");
    assert.equal(certainty(film, path, 5), "Step 5 decides it: until then another choice avoids the violation.");
  }));

test("a run that is still being fetched does not come once the reader has gone back", async () => {
  const { first, rest } = pieces(2, 0);
  const asked = [];
  const shown = session({
    film: first,
    mode: "driver",
    at: { runs: [[]], run: 0, k: 0, n: 1 },
    send: (message) => asked.push(message),
  });
  await closing(shown, async () => {
    shown.keepPlace();
    const opened = shown.open(STORY, 0);
    assert.equal(shown.putBack(), true);
    for (const { id } of asked) shown.hear({ id, piece: rest });
    assert.equal(await opened, false);
    assert.deepEqual(of(shown), []);
  });
});

test("an answer that comes too late tells that the kernel is back, and what it brought is kept", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const asked = [];
    const kernel = new Kernel((message) => asked.push(message));
    const failed = assert.rejects(kernel.ask({ ask: "view" }), /does not answer/);
    mock.timers.tick(10_000);
    await failed;
    const [{ id }] = asked;
    assert.equal(kernel.hear({ id, frames: {} }), true);
    assert.equal(kernel.hear({ id, error: "wrong" }), false);
    assert.equal(kernel.hear({ id: null, piece: {} }), false);
    assert.equal(kernel.hear({ id: id + 1 }), false); // a question of another page
  } finally {
    mock.timers.reset();
  }
});

test("a stage that opens after a question offers the case's runs once one has gone wrong, or is asked for", () =>
  closing(session({ named: [{ name: "its own", schedule: STORY, sealed: true, kind: "bad" }] }), (shown) => {
    assert.equal(shown.mode, "player");
    assert.deepEqual(shown.offered(), []);
    shown.go(4);
    assert.deepEqual(shown.offered(), [], "nothing has gone wrong yet");
    shown.go(5);
    assert.deepEqual(
      shown.offered().map((each) => each.name),
      ["its own"],
    );
    shown.go(0);
    assert.equal(shown.offered().length, 1, "what was seen stays seen");
  }));

test("a kernel that has gone is not waited for", async () => {
  const asked = [];
  const kernel = new Kernel(
    (message) => asked.push(message),
    () => false,
  );
  await assert.rejects(kernel.ask({ ask: "view" }), /does not answer/);
  assert.deepEqual(asked, []);
});
