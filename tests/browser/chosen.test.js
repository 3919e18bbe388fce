// Fields and actors that the reader hid or brought into focus, on the small film.

import assert from "node:assert/strict";
import test from "node:test";
import { actorName, fieldOfMark } from "../../mmviz/browser/chosen.js";
import { session } from "./small.js";

/** @type {Mark[]} */
const MARKS = [
  { k: "slot", t: "text", c: "value", f: "slot", x: 0, y: 0, w: "page" },
  { k: "freed", t: "text", c: "value", s: "field:page.freed", x: 0, y: 0, w: "no" },
  { k: "arrow", t: "curve", c: "arrow", f: "slot", p: [] },
  { k: "arrow:tip", t: "poly", c: "arrow", p: [] },
  { k: "dock", t: "text", c: "label", s: "dock:writer", x: 0, y: 0, w: "writer" },
  { k: "step", t: "text", c: "past", s: "step:1", x: 0, y: 0, w: "1" },
  { k: "card", t: "rect", c: "card", x: 0, y: 0, w: 1, h: 1 },
];
const ALL = MARKS.map((mark) => mark.k);

/** The keys of the marks that are there, and of those that are dimmed. */
function shown({ hidden = [], focus = [] }) {
  const held = session({ hidden, focus });
  const marks = held.choice.of(MARKS, held.path);
  held.close();
  return [marks.map((mark) => mark.k), marks.filter((mark) => mark.o !== undefined).map((mark) => mark.k)];
}

test("a hidden field is left out with its arrow; one in focus dims the other fields, and nothing else", () => {
  assert.deepEqual(shown({}), [ALL, []]);
  assert.deepEqual(shown({ hidden: ["slot"] }), [["freed", "dock", "step", "card"], []]);
  assert.deepEqual(shown({ focus: ["page.freed"] }), [ALL, ["slot", "arrow", "arrow:tip"]]);
});

test("a hidden actor is left out with its steps", () => {
  assert.deepEqual(
    shown({ hidden: [actorName("writer")] })[0],
    ALL.filter((key) => key !== "dock"),
  );
  assert.deepEqual(
    shown({ hidden: [actorName("reader")] })[0],
    ALL.filter((key) => key !== "step"),
  );
});

test("with an actor in focus the others are dimmed, and the fields that it does not touch", () => {
  assert.deepEqual(shown({ focus: [actorName("writer")] }), [ALL, ["slot", "arrow", "arrow:tip", "step"]]);
  assert.deepEqual(shown({ focus: [actorName("reader")] }), [ALL, ["dock"]]);
});

test("the texts in the box of a hidden field or step go with it", () => {
  /** @type {Mark[]} */
  const row = [
    { k: "row", t: "rect", c: "clear", s: "field:slot", o: 0, x: 10, y: 10, w: 50, h: 20 },
    { k: "name", t: "text", c: "plain", s: "", x: 12, y: 24, w: "slot" },
    { k: "below", t: "text", c: "plain", s: "", x: 12, y: 44, w: "lock" },
  ];
  const held = session({ hidden: ["slot"] });
  assert.deepEqual(
    held.choice.of(row, held.path).map((mark) => mark.k),
    ["below"],
  );
  held.close();
});

test("what is said beside a hidden step goes with it, and what begins before its box", () => {
  /** @type {Mark[]} */
  const rows = [
    { k: "step:1", t: "rect", c: "past", s: "step:1", x: 50, y: 10, w: 200, h: 20 },
    { k: "other", t: "rect", c: "past", s: "", x: 400, y: 10, w: 200, h: 20 },
    { k: "number", t: "text", c: "quiet", s: "", x: 10, y: 24, w: "1" },
    { k: "name", t: "text", c: "past", s: "", x: 40, y: 24, w: "    1 reader read()" },
    { k: "said", t: "text", c: "plain", s: "", x: 270, y: 24, w: "sets slot" },
    { k: "here", t: "text", c: "plain", s: "", x: 360, y: 24, w: "here" },
    { k: "below", t: "text", c: "past", s: "", x: 60, y: 44, w: "2 writer write()" },
  ];
  const hiding = (/** @type {string[]} */ hidden) => {
    const held = session({ hidden });
    const kept = held.choice.of(rows, held.path).map((mark) => mark.k);
    held.close();
    return kept;
  };
  const actor = ["reader", "writer"].find((name) => !hiding([actorName(name)]).includes("step:1"));
  assert.ok(actor);
  assert.deepEqual(hiding([actorName(actor)]), ["other", "here", "below"]);
});

test("a choice follows what is hidden, and is made anew only then", () => {
  const held = session();
  const before = held.choice;
  assert.equal(held.choice, before);
  held.set("hidden", new Set([actorName("writer")]));
  assert.deepEqual([held.choice.isHidden(0), held.choice.isHidden(1), before.isHidden(1)], [false, true, false]);
  held.close();
});

test("a mark shows the field that it names, or that it stands for", () => {
  assert.deepEqual(MARKS.slice(0, 2).map(fieldOfMark), ["slot", "page.freed"]);
  assert.equal(fieldOfMark(MARKS[6]), undefined);
});
