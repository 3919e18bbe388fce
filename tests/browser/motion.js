import assert from "node:assert/strict";
import { layer } from "../../mmviz/browser/marks.js";
import { pose } from "../../mmviz/browser/pose.js";
import { group } from "./dom.js";

const drawn = (marks) => {
  const root = group();
  layer(root)(marks);
  return root.innerHTML;
};

const flows = (marks) =>
  marks.filter((m) => m.t === "flow" && m.o !== 0).map(({ k, p, end, at, c }) => ({ k, p, end, at, c }));

/** At 0 a motion shows the first picture, at 1 the second, to the byte; flows included. */
export function assertReaches(a, b, cue) {
  for (const [u, picture] of [
    [0, a],
    [1, b],
  ]) {
    const marks = pose(a, b, cue, u);
    assert.equal(drawn(marks), drawn(picture));
    assert.deepEqual(flows(marks), flows(picture));
  }
}
