// Why a step broke the promise, from where on it had to, and why a key does nothing. No DOM.

import { brokenBy, brokenIn, possibleUntil, stepName, waiting } from "./story.js";

/**
 * @typedef {import("./film.js").Film} FilmOfCauses
 * @typedef {import("./tree.js").TreeNode} NodeOfCauses
 * @typedef {import("./session.js").Session} SessionOfCauses
 */

/**
 * Which step wrote each witness of the violation in step `k` last: one sentence, or none.
 * @param {FilmOfCauses} film @param {NodeOfCauses[]} path @param {number} k
 */
export function witnessed(film, path, k) {
  if (brokenBy(film, path, k) < 0) return [];
  const { state, move } = path[k];
  const fields = new Set([...film.tables.states[state][5], ...(move < 0 ? [] : film.moved(move).witnesses)]);
  const found = [...fields].map((field) => {
    let at = k;
    while (at > 0 && !film.moved(path[at].move).writes.includes(field)) at--;
    const [name, words] = [film.head.fields[field], film.words(state, field)];
    const wrote = () => `step ${at} (${stepName(film, path, at)}) wrote ${name}: ${words}`;
    return { at, said: at ? wrote() : `${name} has been ${words} since the start` };
  });
  if (!found.length) return [];
  found.sort((one, other) => one.at - other.at);
  const said = found.map((each) => each.said).join("; ");
  return [`${said.replace(/^step/, "Step")}.`];
}

/**
 * From which step on the violation was unavoidable; "" where the graph does not tell, or it is not so by step `k`.
 * @param {FilmOfCauses} film @param {NodeOfCauses[]} path @param {number} k
 */
export function certainty(film, path, k) {
  const broken = brokenIn(film, path, k);
  const bad = broken < 0 ? -1 : brokenBy(film, path, broken);
  const isSure = (/** @type {NodeOfCauses} */ node) =>
    [...(film.fates.get(node.state) || "")].some(
      (fate, each) => fate === "2" && (bad < 0 ? film.isBad(each) : each === bad),
    );
  const sure = path.slice(0, (broken < 0 ? k : broken) + 1).findIndex(isSure);
  if (sure === 0) return "The violation was unavoidable from the start.";
  if (sure > 0 && sure !== broken)
    return `From step ${sure} on the violation ${broken < 0 ? "is" : "was"} unavoidable.`;
  if (broken > 0 && bad >= 0 && film.fates.has(path[broken - 1].state))
    return `Step ${broken} decides it: until then another choice avoids the violation.`;
  return "";
}

/** Why an actor cannot step now; "" if it can, or where that is not known. @param {SessionOfCauses} session @param {number} actor */
export function whyNot(session, actor) {
  const { film, path, k } = session;
  const { state } = path[k];
  const name = film.head.actors[actor];
  if (!name || film.enabled(state).includes(actor)) return "";
  if (!film.next(state, actor)) return `${name} has finished`;
  const why = waiting(film, path, k, actor);
  return `${name} is ${why.startsWith("blocked") ? why : `blocked: ${why}`}`;
}

/** Why there is no other actor for the step just taken. @param {SessionOfCauses} session */
export function whyNoOther(session) {
  const { film, path, k, last } = session;
  if (k) return `nothing else could go in step ${k}`;
  const first = last ? path[1].actor : -1;
  const other = film.enabled(path[0].state).find((actor) => actor !== first);
  if (other === undefined) return "nothing else can go at step 0";
  return `At step 0 press ${other + 1} to let ${film.head.actors[other]} go first`;
}

/** Why there is no earlier step from which the promise could still be broken; "" if there is. @param {SessionOfCauses} session */
export function whyNoChance(session) {
  const { film, path, k, goalBads } = session;
  const broken = brokenIn(film, path, k, goalBads);
  if (broken >= 0) return broken ? `already broken in step ${broken}` : "broken from the start";
  const until = possibleUntil(film, path, k, goalBads);
  if (until === k) return `it can still be broken from step ${k}`;
  if (until >= 0) return "";
  return path.slice(0, k + 1).every((node) => film.fates.has(node.state))
    ? "from no step of this run can the promise be broken"
    : "it is not known from which step the promise could be broken";
}
