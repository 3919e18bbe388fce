// The Driver's goal, and the question "is this possible?".

import { element, push, say } from "./dom.js";
import { canAvoid, possibleUntil, shortestRun } from "./story.js";

const TRIES = 5; // runs to their end, after which the reader is told that no run breaks the promise
const times = (/** @type {number} */ n) => (n === 1 ? "1 preemption" : `${n} preemptions`);

/** Said when the goal is reached. @param {import("./session.js").Session} session */
export function victoryOf(session) {
  const { won, preemptions } = session.score();
  const { best = -1, preemptions: calmest = -1 } = session.game;
  const steps = won === 1 ? "1 step" : `${won} steps`;
  const who = session.isOwn(won) ? "You broke it" : "This run breaks it";
  const yours = won ? `${who} in ${steps} with ${times(preemptions)}.` : "It is broken from the start.";
  const known = [best >= 0 ? `shortest run: ${best}` : "", calmest >= 0 ? `fewest preemptions: ${calmest}` : ""];
  const scores = known.filter(Boolean).join("; ");
  return scores ? `${yours} ${scores[0].toUpperCase()}${scores.slice(1)}.` : yours;
}

/** Whether the reader attacks what no run breaks, and is to be told so: asked for, or after enough tries. @param {import("./session.js").Session} session */
export function isHopeless(session) {
  if (session.mode !== "driver" || !session.game.never) return false;
  const { film, tree } = session;
  const isOver = (/** @type {number} */ state) => film.end(state) !== "" || !film.enabled(state).length;
  return !session.isSealed || tree.leaves().filter((leaf) => isOver(leaf.state)).length >= TRIES;
}

/** Said when the run has ended, or gone on for all its steps, without a win; "" otherwise. @param {import("./session.js").Session} session */
export function lossOf(session) {
  if (session.mode !== "driver" || session.wonAt() >= 0) return "";
  if (isHopeless(session)) return session.game.never;
  const { film, path, k } = session;
  if (!film.end(path[k].state) && film.enabled(path[k].state).length) return "";
  if (!k) return "";
  const until = possibleUntil(film, path, k, session.goalBads);
  const kept = "This run kept the promise";
  if (until === k && film.enabled(path[k].state).length) return "";
  if (until === 0) return `${kept}; it could be broken from the start only.`;
  if (until > 0) return `${kept}; it could still be broken until step ${until}.`;
  return film.fates.size ? `${kept}.` : `${kept}: no actor can step any more.`;
}

/** Best, yours, preemptions, runs tried. @param {import("./session.js").Session} session */
export function scoreOf(session) {
  const { tree, game, k } = session;
  if (session.film.isSealed) return "";
  const tried = Math.max(1, tree.leaves().length);
  const all = `${tried} ${tried === 1 ? "run" : "runs"} tried`;
  const { won, preemptions } = session.score();
  const switches = k ? `${times(preemptions)} · ` : "";
  if (session.mode !== "driver") return `${switches}${all}`;
  const best = !session.isSealed && game.best >= 0 ? `best ${game.best} · ` : "";
  return `${won >= 0 ? `yours ${won} · ` : ""}${best}${switches}${all}`;
}

/**
 * The box that asks whether a state is possible: a predicate, or values clicked in the picture. The browser
 * answers from a complete film; anything else is a question to the kernel.
 * @param {import("./session.js").Session} session
 * @param {{open: (schedule: number[]) => void, close: () => void}} acts
 */
export function possibleBox(session, acts) {
  const { film } = session;
  /** @type {Map<number, number>} value ids by field */
  const wanted = new Map();
  const chips = element("div", "mm-wanted-values", "", { "aria-label": "wanted values", role: "group" });
  const text = element("input", "mm-predicate", "", {
    type: "text",
    "aria-label": "a condition on the state, in Python",
    placeholder: `a condition, such as ${film.head.fields[film.changing()[0]]} == …, or click on values in the picture`,
    spellcheck: "false",
  });
  const field = element("select", "mm-field", "", { "aria-label": "field" });
  const value = element("select", "mm-value", "", { "aria-label": "value" });
  const answer = element("div", "mm-answer", "", { role: "status", "aria-live": "polite" });
  const there = push("mm-go-there", "go there", "put this run on the stage", () => acts.open(run));
  there.hidden = true;
  /** @type {number[]} */
  let run = [];
  let asked = 0; // a later question, or a change of it, makes an answer that is still to come void
  let isChosen = false; // whether field or value was chosen since the last "+"

  const fields = () => {
    const before = field.value;
    const options = film.changing().map((i) => element("option", "", film.head.fields[i], { value: String(i) }));
    field.replaceChildren(...options);
    if (before) field.value = before;
  };
  const values = () => {
    const ids = film.tables.values.flatMap((/** @type {any} */ row, /** @type {number} */ id) =>
      row[0] === Number(field.value) ? [id] : [],
    );
    value.replaceChildren(...ids.map((id) => element("option", "", film.tables.values[id][1], { value: String(id) })));
    const now = film.tables.states[session.path[session.k].state][0][Number(field.value)];
    value.value = String(now);
  };
  const draw = () => {
    chips.replaceChildren(
      ...[...wanted].map(([at, id]) => {
        const words = `${film.head.fields[at]} = ${film.tables.values[id][1]}`;
        return push("mm-wanted-value", `${words} ×`, `take away: ${words}`, () => {
          wanted.delete(at);
          forget();
          draw();
          text.focus({ preventScroll: true });
        });
      }),
    );
  };
  const tell = (/** @type {string} */ verdict, /** @type {string} */ words, /** @type {number[] | null} */ found) => {
    answer.dataset.verdict = verdict;
    say(answer, words);
    run = found || [];
    there.hidden = !found;
  };
  const forget = () => {
    asked++;
    tell("", "", null);
  };
  /** What the question is about: the values added, and the one that the selects show. @param {boolean} isAlone */
  const question = (isAlone) => {
    const all = new Map(wanted);
    if (isChosen || isAlone) all.set(Number(field.value), Number(value.value));
    return all;
  };
  const here = (/** @type {Map<number, number>} */ values) => {
    const isWanted = (/** @type {number} */ state) =>
      [...values].every(([at, id]) => film.tables.states[state][0][at] === id);
    const found = shortestRun(film, isWanted);
    if (!found) return tell("never", "Never: no run reaches such a state. The search covered the whole model.", null);
    const steps = found.length === 1 ? "1 step" : `${found.length} steps`;
    return canAvoid(film, isWanted)
      ? tell("sometimes", `Sometimes: a shortest run takes ${steps}.`, found)
      : tell("always", `Always: every run that ends passes such a state; a shortest way there takes ${steps}.`, found);
  };
  const asking = async () => {
    const mine = ++asked;
    const predicate = text.value.trim();
    const values = question(!predicate && !wanted.size);
    if (!predicate && film.head.complete) return here(values);
    tell("", "…", null);
    const fields = Object.fromEntries(values);
    const want = predicate ? { predicate, ...(values.size ? { fields } : {}) } : { fields };
    try {
      const { found } = await session.ask({ ask: "possible", want });
      if (mine !== asked) return undefined;
      const words =
        found.text ||
        { never: "Never.", sometimes: "Sometimes.", always: "Always." }[/** @type {"never"} */ (found.verdict)] ||
        "";
      return tell(
        found.verdict,
        words,
        found.verdict === "never" || found.verdict === "error" ? null : found.schedule || null,
      );
    } catch (error) {
      if (mine !== asked) return undefined;
      return tell("error", /** @type {Error} */ (error).message, null);
    }
  };
  const ask = push("mm-ask", "ask", "ask", asking);
  const add = push("mm-add", "+ add", "add this value, to ask for several at once", () => {
    wanted.set(Number(field.value), Number(value.value));
    isChosen = false;
    forget();
    draw();
  });
  const choose = () => {
    isChosen = true;
    forget();
  };
  field.addEventListener("change", () => {
    values();
    choose();
  });
  value.addEventListener("change", choose);
  text.addEventListener("input", forget);
  text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") asking();
  });
  const node = element(
    "div",
    "mm-possible",
    "",
    {},
    element(
      "div",
      "mm-question",
      "",
      {},
      element("strong", "", "Is this possible?"),
      text,
      field,
      element("span", "", "="),
      value,
      add,
      ask,
    ),
    element("div", "mm-question", "", {}, chips, answer, there),
  );
  return {
    node,
    focus() {
      fields();
      values();
      text.focus({ preventScroll: true });
    },
    /** Add the value that a field has now. @param {string} path */
    add(path) {
      const at = film.numbers.get(path);
      if (at === undefined) return;
      wanted.set(at, film.tables.states[session.path[session.k].state][0][at]);
      forget();
      draw();
    },
  };
}
