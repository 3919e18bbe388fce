// What leaves a page: names, links, and answers that bring a file.

import assert from "node:assert/strict";
import test from "node:test";
import { stillBalls } from "../../mmviz/browser/balls.js";
import { nameOf } from "../../mmviz/browser/files.js";
import { Kernel } from "../../mmviz/browser/kernel.js";
import { codeOf, freest } from "../../mmviz/browser/qr.js";
import { lineOfPython, linkGiven } from "../../mmviz/browser/save_menu.js";
import { spokenStep } from "../../mmviz/browser/story.js";
import { session } from "./small.js";

const LINKS = { "0,0,0,1,0": ["start", "one", "two"] };
const open = (more = {}) => session({ at: { runs: [[0, 0, 0, 1, 0]], run: 0, k: 2, n: 1 }, ...more });

/** @param {any} shown @param {(shown: any) => any} act */
async function closing(shown, act) {
  try {
    await act(shown);
  } finally {
    shown.close();
  }
}

test("a page hands out the link that it was given for the moment shown, and for no other", () =>
  closing(open({ links: LINKS }), (shown) => {
    assert.equal(linkGiven(shown), "two");
    shown.go(4);
    assert.equal(linkGiven(shown), "", "step 4 has none");
    shown.go(0);
    shown.choose(1);
    assert.equal(linkGiven(shown), "", "another run");
  }));

test("a page without Python has the code of its first moment, and says what to do at any other", () =>
  closing(open({ links: LINKS, qr: { link: "two", size: 9, path: "M0" } }), (shown) =>
    codeOf(shown)
      .then(({ path }) => assert.equal(path, "M0"))
      .then(() => {
        shown.go(1);
        return assert.rejects(codeOf(shown), /has the link of it$/);
      })
      .then(() => {
        shown.go(0);
        shown.choose(1);
        return assert.rejects(codeOf(shown), /has a line of Python for it$/);
      }),
  ));

test("why a page has no code at all is said as Python says it", () =>
  closing(open({ qr: { lacks: "a link names a case of the catalogue" } }), (shown) =>
    assert.rejects(codeOf(shown), /^Error: a link names a case of the catalogue$/),
  ));

test("the code asked for is that of the moment shown", () => {
  const asked = [];
  return closing(open({ send: (message) => asked.push(message) }), (shown) => {
    const code = codeOf(shown);
    shown.hear({ id: asked[0].id, link: "l", qr: { size: 9, path: "M1" } });
    assert.deepEqual([asked[0].schedule, asked[0].k], [[0, 0, 0, 1, 0], 2]);
    return code.then(({ path }) => assert.equal(path, "M1"));
  });
});

test("the code lies where it covers least", () => {
  const room = { left: 100, top: 0, width: 400, height: 300 };
  const mark = (left, top, right, bottom) => ({ left, top, right, bottom });
  assert.deepEqual(freest(room, [100, 100], []), [396, 196], "else at the lower right");
  assert.deepEqual(freest(room, [100, 100], [mark(390, 190, 500, 300)]), [104, 196]);
  const below = mark(100, 150, 500, 300);
  assert.deepEqual(freest(room, [100, 100], [below, mark(300, 0, 500, 150)]), [104, 4]);
});

test("without a link there is a line of Python, but not for a case of the reader's own", async () => {
  await closing(open({ links: LINKS }), (shown) =>
    assert.match(lineOfPython(shown), /^mmviz\.Player\("[^"]+", "reader\*3 writer reader", case="[^"]+", start=2\)$/),
  );
  await closing(open({ links: LINKS, mode: "driver" }), (shown) =>
    assert.match(lineOfPython(shown), /^mmviz\.Driver\("[^"]+", "reader\*3 writer reader", case="[^"]+"\)$/),
  );
  await closing(open(), (shown) => assert.equal(lineOfPython(shown), ""));
});

test("a file is called after the case, and a picture after its step, in letters that every disk takes", () =>
  closing(open(), (shown) => {
    shown.film.head.race = "thread/a race";
    shown.film.head.case = "../../etc: <b>";
    assert.equal(nameOf(shown, "svg"), "a-race--etc-b--step2.svg");
    assert.equal(nameOf(shown, "txt"), "a-race--etc-b-.txt");
    assert.equal(nameOf(shown, "text"), "a-race--etc-b--step2-text.txt", "which is no diagram");
  }));

test("an answer brings its file, and a question has its own patience", async () => {
  const sent = [];
  const kernel = new Kernel((message) => sent.push(message));
  const asked = kernel.ask({ ask: "save" }, 60_000);
  const bytes = new DataView(new ArrayBuffer(2));
  assert.equal(kernel.hear({ id: sent[0].id, saved: { form: "svg" }, bytes }), true);
  assert.equal((await asked).bytes, bytes);
  await assert.rejects(kernel.ask({ ask: "save" }, 5), /does not answer/);
  kernel.close();
});

test("where nothing moves, no ball stands on a word", () => {
  const flow = { k: "f", t: "flow", c: "dma", p: [0, 50, 100, 50, 200, 50, 300, 50], end: "pass", at: 1 };
  const words = { k: "w", t: "text", c: "value", x: 80, y: 54, w: "  01234567890123456789" };
  const all = stillBalls([flow]);
  const clear = stillBalls([flow, words]);
  assert.ok(clear.length > 0 && clear.length <= all.length);
  const [from, to] = [80 + 2 * 7.93, 80 + 22 * 7.93]; // wider than balls are apart
  for (const dot of clear) assert.ok(dot.x + dot.r < from || dot.x - dot.r > to, `${dot.x} is on the word`);
  assert.deepEqual(stillBalls([flow, { ...words, o: 0 }]), all, "a word that is not drawn hides nothing");
});

test("while a run grows, its last step is not said to be the last of so many", () =>
  closing(open(), ({ film, path }) => {
    assert.match(spokenStep(film, path, 4), /^Step 4 of 5: /);
    assert.match(spokenStep(film, path, 5, true), /^Step 5: /);
  }));
