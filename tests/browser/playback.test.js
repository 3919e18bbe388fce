// Playing, with one view of the stage or with two.

import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { Deeds } from "../../mmviz/browser/deeds.js";
import { session } from "./small.js";

const STEP = 1400; // ms

/** What a person can do in one of the views. @param {any} shown */
const view = (shown) => new Deeds({ session: shown, root: null, panels: {}, hint() {} }).acts;

/** Let time pass; a timer that is set meanwhile counts from then. @param {number} ms */
function pass(ms) {
  for (let passed = 0; passed < ms; passed += 50) mock.timers.tick(50);
}

/** @param {(shown: any) => void} act */
function playing(act) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const shown = session();
  try {
    act(shown);
  } finally {
    shown.close();
    mock.timers.reset();
  }
}

test("a run is played to where the promise is broken, a step at a time", () =>
  playing((shown) => {
    view(shown).play();
    pass(250);
    assert.equal(shown.k, 1);
    pass(STEP);
    assert.equal(shown.k, 2);
    pass(10 * STEP);
    assert.equal(shown.k, 5);
    assert.equal(shown.playback.isOn, false);
  }));

test("in two views of one stage there is one playing: no double speed, and each can end it", () =>
  playing((shown) => {
    const [one, other] = [view(shown), view(shown)];
    const heard = [];
    shown.listen((what) => heard.push(what));
    one.play();
    assert.deepEqual(heard, ["play"], "the other view is told");
    pass(250 + STEP);
    assert.equal(shown.k, 2);
    other.play();
    assert.equal(shown.playback.isOn, false, "the other view pauses it");
    pass(10 * STEP);
    assert.equal(shown.k, 2);
    one.play();
    other.next();
    assert.deepEqual([shown.k, shown.playback.isOn], [3, false], "so does a step");
  }));

test("two that start at once go at one speed", () =>
  playing((shown) => {
    shown.playback.start();
    shown.playback.start();
    pass(250 + STEP);
    assert.equal(shown.k, 2);
  }));

test("playing stops where another actor goes on, if it is asked to, at the speed asked for", () =>
  playing((shown) => {
    const acts = view(shown);
    acts.stop();
    acts.speed(2);
    acts.play();
    pass(250 + STEP);
    assert.equal(shown.k, 3, "the reader's third step, before the writer's");
    pass(10 * STEP);
    assert.equal(shown.k, 3);
  }));

test("what is closed plays no more", () =>
  playing((shown) => {
    view(shown).play();
    shown.close();
    pass(10 * STEP);
    assert.equal(shown.k, 0);
  }));
