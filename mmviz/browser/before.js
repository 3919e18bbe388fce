// The runs tried on a stage outlive it: when its cell is run again, perhaps after a restart of the kernel, the
// next stage of the same case in that cell offers them.

import { spokenSchedule } from "./controls.js";

const CELL = ".jp-Cell, .cell"; // of a notebook
const MOST_BEFORE = 20; // runs, the last ones

/** @typedef {import("./session.js").Session} Session */

/** By cell, and then by case. @type {WeakMap<Element, Map<string, number[][]>>} */
const BEFORE = new WeakMap();

/** What the runs of two stages must have in common. @param {Session} session */
function caseOf({ film: { head }, mode }) {
  return JSON.stringify([head.race, head.case, head.actors, mode]);
}

/** Keep the runs tried on a stage that goes away. @param {Element} cell @param {Session} session */
export function keepRuns(cell, session) {
  const tried = session.tree.leaves().map((leaf) => session.tree.scheduleOf(leaf));
  const known = new Set([...tried, ...session.named.map((run) => run.schedule)].map(String));
  const before = session.kept.map((run) => run.schedule).filter((schedule) => !known.has(String(schedule)));
  const all = BEFORE.get(cell) || new Map();
  all.set(caseOf(session), [...before, ...tried].slice(-MOST_BEFORE));
  BEFORE.set(cell, all);
}

/**
 * Offer the runs tried on the stage before. Return what keeps those of this stage when it goes away.
 * @param {HTMLElement} el
 * @param {Session} session
 * @returns {() => void}
 */
export function offerRuns(el, session) {
  /** @type {Element | null} */
  let cell = null;
  const watched = new IntersectionObserver(() => {
    cell = el.closest(CELL); // none while the output is still on its way to the page
    if (!cell) return;
    watched.disconnect();
    const known = new Set([session.tree.schedule(), ...session.named.map((run) => run.schedule)].map(String));
    const before = (BEFORE.get(cell)?.get(caseOf(session)) || []).filter((schedule) => !known.has(String(schedule)));
    if (!before.length) return;
    session.kept = before.map((schedule) => ({
      name: `before: ${spokenSchedule(schedule, session.film.head.actors)}`,
      schedule,
      kind: "named",
    }));
    session.tell("step");
  });
  watched.observe(el);
  return () => {
    watched.disconnect();
    if (cell) keepRuns(cell, session);
  };
}
