// What a path tells: pure functions of a film, a path and the cursor. No DOM.

export const SEALED = "whether it can step is sealed until the question is answered";

const MOST_TOLD = 4; // steps that a story goes back

/**
 * @typedef {import("./film.js").Film} FilmOf
 * @typedef {import("./tree.js").TreeNode} PathNode
 */

/**
 * The rows of an actor's column that ran: the last step at each, and how often it ran.
 * @param {FilmOf} film
 * @param {PathNode[]} path
 * @param {number} k
 * @param {number} actor
 */
export function ranRows(film, path, k, actor) {
  /** @type {Map<number, {last: number, times: number}>} */
  const rows = new Map();
  for (let i = 1; i <= k; i++) {
    if (path[i].actor !== actor) continue;
    const step = film.next(path[i - 1].state, actor);
    if (step) rows.set(step.row, { last: i, times: (rows.get(step.row)?.times || 0) + 1 });
  }
  return rows;
}

/**
 * The first step of the path, up to `k`, after which a promise is broken; -1 if it holds so far.
 * @param {FilmOf} film
 * @param {PathNode[]} path
 * @param {number} k
 * @param {number[] | null} [bads] which bad states count; by default all, and a deadlock
 */
export function brokenIn(film, path, k, bads = null) {
  const counts = (/** @type {number} */ bad) => (bads ? bads.includes(bad) : film.isBad(bad));
  for (let i = 0; i <= k && i < path.length; i++) {
    const { state, move } = path[i];
    if (film.bads(state).some(counts)) return i;
    if (move >= 0 && film.tables.moves[move][7].some(counts)) return i;
    if (!bads && film.end(state) === "deadlock") return i;
  }
  return -1;
}

/**
 * The number of a bad state that step `k` brought about; -1: none.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} k
 */
export function brokenBy(film, path, k) {
  const { state, move } = path[k];
  const complained = move < 0 ? [] : film.moved(move).bads;
  const before = k ? film.bads(path[k - 1].state) : [];
  const found = [...film.bads(state).filter((bad) => !before.includes(bad)), ...complained];
  return found.find((bad) => film.isBad(bad)) ?? -1;
}

/**
 * Since which step an actor is blocked: the last one in which a holder wrote what its guard reads.
 * @param {FilmOf} film
 * @param {PathNode[]} path
 * @param {number} k
 * @param {{reads: number[], holders: number[]}} block
 */
export function blockedSince(film, path, k, block) {
  for (let i = k; i > 0; i--) {
    if (block.holders.length && !block.holders.includes(path[i].actor)) continue;
    if (film.moved(path[i].move).writes.some((field) => block.reads.includes(field))) return i;
  }
  return 0;
}

/**
 * What an actor waits for, in words: "blocked by CPU0 since step 1".
 * @param {FilmOf} film
 * @param {PathNode[]} path
 * @param {number} k
 * @param {number} actor
 */
export function waiting(film, path, k, actor) {
  const block = film.block(path[k].state, actor);
  if (!block) return "";
  const by = block.holders.map((holder) => film.head.actors[holder]).join(", ");
  const since = blockedSince(film, path, k, block);
  const who = by ? `blocked by ${by}` : block.reason || "blocked";
  return since ? `${who} since step ${since}` : who;
}

/** @type {WeakMap<PathNode, {step: number, field: number}[]>} what a node depends on is a matter of the way to it */
const CAUSES = new WeakMap();

/**
 * The earlier steps whose writes step `i` saw: the last writer of each field that it read, and, where it
 * breaks the promise, of each witness.
 * @param {FilmOf} film
 * @param {PathNode[]} path
 * @param {number} i
 * @returns {{step: number, field: number}[]}
 */
export function causesOf(film, path, i) {
  if (i < 1 || !path[i]) return [];
  const known = CAUSES.get(path[i]);
  if (known) return known;
  const move = film.moved(path[i].move);
  const isBreak = brokenIn(film, path, i) === i;
  const looked = new Set([
    ...move.reads,
    ...(isBreak ? [...film.tables.states[path[i].state][5], ...move.witnesses] : []),
  ]);
  const found = [];
  for (const field of looked) {
    for (let j = i - 1; j > 0; j--) {
      if (!film.tables.moves[path[j].move][3].includes(field)) continue;
      found.push({ step: j, field });
      break;
    }
  }
  found.sort((one, other) => one.step - other.step);
  CAUSES.set(path[i], found);
  return found;
}

/** "CPU1: iommu_domain_free(V)" @param {FilmOf} film @param {PathNode[]} path @param {number} i */
export function stepName(film, path, i) {
  const step = film.next(path[i - 1].state, path[i].actor);
  const { answer } = film.moved(path[i].move);
  return `${film.head.actors[path[i].actor]}: ${step ? step.label : "…"}${answer ? ` → ${answer}` : ""}`;
}

/**
 * The authored sentence of step `i`, with what the step found out.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} i
 */
export function stepSentence(film, path, i) {
  const step = film.next(path[i - 1].state, path[i].actor);
  return step ? step.said || step.doc : "";
}

/**
 * What step `i` broke: sentences, each once. Complaints of the step first, then bad states that hold now
 * and did not before, then an end at which no actor can step.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} i
 */
export function failures(film, path, i) {
  const { state, move } = path[i];
  const before = i ? film.bads(path[i - 1].state) : [];
  const did = move >= 0 ? film.moved(move) : null;
  const names = [
    ...film.bads(state).filter((bad) => !before.includes(bad) && film.isBad(bad)),
    ...(did && !did.log.length ? did.bads : []),
  ];
  const said = [
    ...(did ? did.log : []),
    ...names.map((bad) => film.head.bads[bad].sentence || film.head.bads[bad].words),
  ];
  if (film.end(state) === "deadlock") {
    const stuck = film.head.actors.filter(
      (/** @type {string} */ _, /** @type {number} */ a) => film.next(state, a) && film.block(state, a),
    );
    said.push(
      `Deadlock: no actor can step, and ${stuck.join(", ")} ${stuck.length === 1 ? "has" : "have"} not finished.`,
    );
  }
  return [...new Set(said.map(stopped))];
}

/** With a full stop, if it has no other end. @param {string} sentence */
const stopped = (sentence) => (/[.!?:…]$/.test(sentence) ? sentence : `${sentence}.`);

/**
 * What step `i` wrote: [path, old, new], in words.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} i
 * @returns {[string, string, string][]}
 */
export function written(film, path, i) {
  if (i < 1) return [];
  const [old, now] = [path[i - 1].state, path[i].state];
  return film
    .moved(path[i].move)
    .writes.map((field) => [film.head.fields[field], film.words(old, field), film.words(now, field)]);
}

/** @param {FilmOf} film @param {PathNode[]} path @param {number} i */
export function difference(film, path, i) {
  const writes = written(film, path, i).map(([field, old, now]) =>
    old === now ? `${field}: ${now}, written again` : `${field}: ${old} → ${now}`,
  );
  if (writes.length) return writes;
  const reads = i < 1 ? [] : film.moved(path[i].move).reads;
  return reads
    .map((field) => [film.head.fields[field], film.words(path[i].state, field)])
    .filter(([field, words]) => field !== words) // an object that stands for itself
    .map(([field, words]) => `${field}: ${words}, read`);
}

/**
 * How often the turn was taken from an actor that could go on.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} k
 */
export function preemptions(film, path, k) {
  let count = 0;
  for (let i = 2; i <= k; i++) {
    const before = path[i - 1].actor;
    if (path[i].actor !== before && film.enabled(path[i - 1].state).includes(before)) count++;
  }
  return count;
}

/**
 * The last step up to `k` from which one of the bad states could still come; -1 if it never could, or
 * where that is not known.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} k @param {number[] | null} bads
 */
export function possibleUntil(film, path, k, bads) {
  for (let i = k; i >= 0; i--) if (film.isPossible(path[i].state, bads)) return i;
  return -1;
}

/**
 * One sentence for the live line.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} k
 * @param {boolean} [isGrowing] whether the run ends here because the reader has chosen no further step yet
 */
export function spokenStep(film, path, k, isGrowing = false) {
  const last = path.length - 1;
  if (!k) return `The start of ${film.head.title}. ${last ? `${last} steps.` : ""}`.trim();
  const sentence = stepSentence(film, path, k);
  const broken = failures(film, path, k).map((said) => ` ✗ ${said}`);
  return `Step ${k}${isGrowing ? "" : ` of ${last}`}: ${stepName(film, path, k)}. ${sentence}${broken.join("")}`;
}

/**
 * The whole run as text, one step a paragraph.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} k the step shown, marked with ▸
 * @param {(i: number) => string} [note]
 */
export function runAsText(film, path, k, note = () => "") {
  const { head } = film;
  const promise = head.claims === false ? head.promise : `Promise: ${head.promise}`;
  const lines = [`${head.race}: ${head.title}`, promise, ""];
  for (let i = 0; i < path.length; i++) {
    const mark = i === k ? "▸" : " ";
    if (!i) lines.push(`${mark} 0  start`);
    else lines.push(`${mark}${String(i).padStart(2)}  ${stepName(film, path, i)}`);
    const sentence = i ? stepSentence(film, path, i) : "";
    if (sentence) lines.push(`      ${sentence}`);
    if (i) for (const change of difference(film, path, i)) lines.push(`      ${change}`);
    for (const failure of failures(film, path, i)) lines.push(`    ✗ ${failure}`);
    if (note(i)) lines.push(`      note: ${note(i)}`);
  }
  lines.push("", `The state after step ${k}:`);
  for (const i of film.changing()) lines.push(`  ${head.fields[i]}: ${film.words(path[k].state, i)}`);
  if (film.isSealed) return [...lines, "", "What comes next is sealed until the question is answered."].join("\n");
  const can = film.enabled(path[k].state).map((actor) => head.actors[actor]);
  lines.push("", can.length ? `Next can go: ${can.join(", ")}.` : "No actor can step.");
  for (let a = 0; a < head.actors.length; a++) {
    const why = waiting(film, path, k, a);
    if (why) lines.push(`${head.actors[a]} is ${why.startsWith("blocked") ? why : `blocked: ${why}`}.`);
  }
  return lines.join("\n");
}

/**
 * The steps before `k` that saw what another actor had written, the last ones, in their order.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} k
 */
function story(film, path, k) {
  const told = [];
  for (let i = k - 1; i > 0 && told.length < MOST_TOLD; i--) {
    for (const { step, field } of causesOf(film, path, i)) {
      if (path[step].actor === path[i].actor) continue;
      const [reader, writer] = [stepName(film, path, i), stepName(film, path, step)];
      told.unshift(
        `Before it, step ${i} (${reader}) saw ${film.head.fields[field]} as step ${step} (${writer}) had left it.`,
      );
    }
  }
  return told.slice(-MOST_TOLD);
}

/**
 * Why step `k` came out as it did: which earlier steps wrote what it read.
 * @param {FilmOf} film @param {PathNode[]} path @param {number} k
 */
export function reasons(film, path, k) {
  if (!k) return ["No step has run."];
  const { head } = film;
  const step = film.next(path[k - 1].state, path[k].actor);
  const said = step?.doc ? [step.doc] : [];
  if (step?.cite) said.push(`Source: ${step.cite}`);
  /** @type {Map<number, string[]>} */
  const by = new Map();
  for (const { step: at, field } of causesOf(film, path, k)) by.set(at, [...(by.get(at) || []), head.fields[field]]);
  for (const [at, fields] of by)
    said.push(`It depends on step ${at} (${stepName(film, path, at)}), which wrote ${fields.join(", ")}.`);
  if (brokenIn(film, path, k) === k) said.push(...story(film, path, k));
  return said.length ? said : ["It depends on no earlier step of this run."];
}

/**
 * The shortest run to a state with these values, by breadth-first search over a complete film.
 * @param {FilmOf} film
 * @param {(state: number) => boolean} isWanted
 * @returns {number[] | null} null: no run reaches one
 */
export function shortestRun(film, isWanted) {
  /** @type {Map<number, [number, number]>} */
  const came = new Map([[0, [-1, -1]]]);
  let edge = [0];
  const back = (/** @type {number} */ state) => {
    const run = [];
    for (let at = state; at; at = /** @type {[number, number]} */ (came.get(at))[0])
      run.unshift(/** @type {[number, number]} */ (came.get(at))[1]);
    return run;
  };
  while (edge.length) {
    /** @type {number[]} */
    const next = [];
    for (const state of edge) {
      if (isWanted(state)) return back(state);
      film.outs[state].forEach((move, actor) => {
        const to = move === undefined ? 0 : film.tables.moves[move][2];
        if (came.has(to)) return;
        came.set(to, [state, actor]);
        next.push(to);
      });
    }
    edge = next;
  }
  return null;
}

/**
 * Whether a run can end without ever passing a wanted state (in a complete film).
 * @param {FilmOf} film
 * @param {(state: number) => boolean} isWanted
 */
export function canAvoid(film, isWanted) {
  const seen = new Set(isWanted(0) ? [] : [0]);
  for (const state of seen) {
    const moves = film.outs[state].filter((move) => move !== undefined);
    if (!moves.length) return true;
    for (const move of moves)
      if (!isWanted(film.tables.moves[/** @type {number} */ (move)][2]))
        seen.add(film.tables.moves[/** @type {number} */ (move)][2]);
  }
  return false;
}
