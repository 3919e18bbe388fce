// What the last step did, in words, and what to do next.

import { able, attribute, byLines, element, push, say } from "./dom.js";
import { lossOf, victoryOf } from "./game.js";
import { difference, failures, runAsText, spokenStep, stepName, stepSentence } from "./story.js";
import { spokenWindow, windowsUntil } from "./windows.js";

const MOMENT = 3_000; // ms that a hint stays
const QUIET = 1_500; // ms without a step, after which the last of many quick ones is spoken

/**
 * @param {import("./session.js").Session} session
 * @param {Record<string, () => void>} acts
 */
export function captionPane(session, acts) {
  const [name, sentence] = [element("strong", "mm-step"), element("span", "mm-sentence")];
  const [fault, loss, change, note] = [
    element("div", "mm-fault"),
    element("div", "mm-loss"),
    element("div", "mm-diff"),
    element("div", "mm-noted"),
  ];
  const said = element(
    "div",
    "mm-said",
    "",
    { role: "group", "aria-label": "this step" },
    element("div", "mm-line", "", {}, name, " ", sentence),
    fault,
    loss,
    change,
    note,
  );
  byLines(said);
  const status = element("div", "mm-status", "", { role: "status", "aria-live": "polite" });
  const make = (
    /** @type {string} */ kind,
    /** @type {string} */ words,
    /** @type {string} */ key,
    /** @type {string} */ label,
  ) => {
    const made = push(`mm-${kind}`, words, label, acts[kind]);
    made.append(" ", element("kbd", "", key, { "aria-hidden": "true" }));
    made.setAttribute("aria-keyshortcuts", key === "⌫" ? "Backspace" : key);
    return made;
  };
  const buttons = {
    why: make("why", "why", "y", "what this step depends on"),
    undo: make("undo", "undo", "u", "one step back; the run tried stays in the tree"),
    again: make("again", "again", "r", "back to the start"),
    whatif: make("whatif", "what if", "x", "what if another actor goes first"),
    possible: make("possible", "possible?", "p", "ask whether a state is possible"),
    note: make("note", "note", "n", "a note on this step"),
    reveal: make("reveal", "show", "w", "show the shortest run that breaks the promise"),
    where: make("where", "go there", "g", "the last step from which the promise could still be broken"),
    recorded: make("recorded", "back", "⌫", "back to the recorded run"),
  };
  const seat = element("div", "mm-acts", "", { role: "group", "aria-label": "what to do" }, ...Object.values(buttons));
  const node = element("div", "mm-caption", "", { "data-pane": "caption" }, said, seat);
  const moment = element("div", "mm-moment", "", { "aria-hidden": "true" });
  moment.hidden = true;
  const claims = session.film.head.claims !== false;
  let [told, scrolled] = ["", ""];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let quiet;
  const hush = () => {
    clearTimeout(timer);
    moment.hidden = true;
  };
  return {
    node,
    status,
    moment,
    hush,
    /** Say for a moment why a key did nothing. @param {string} words */
    hint(words) {
      hush();
      say(moment, words);
      clearTimeout(quiet);
      say(status, `${words}.`);
      moment.hidden = false;
      timer = setTimeout(hush, MOMENT);
    },
    /** @param {boolean} isLate the verdict is still to come @param {boolean} isQuick the next step may follow at once */
    draw(isLate, isQuick) {
      const { film, path, k, tree, head = film.head } = /** @type {any} */ (session);
      if (!k) {
        say(name, session.mode === "driver" ? "You are the scheduler." : `${head.title}.`);
        const keys = head.actors
          .map((/** @type {string} */ actor, /** @type {number} */ a) => `${a + 1}: ${actor}`)
          .join(", ");
        say(
          sentence,
          film.isSealed
            ? session.last
              ? "Press → for the first step."
              : "The question above is about this state."
            : session.mode === "driver" || !session.last
              ? `Click on the key of an actor, or press its digit, to let it step (${keys}). Undo keeps what you tried as a branch.`
              : head.subtitle || "Press → for the first step.",
        );
      } else {
        say(name, `${k}  ${stepName(film, path, k)}.`);
        say(sentence, stepSentence(film, path, k));
      }
      say(
        fault,
        isLate
          ? ""
          : failures(film, path, k)
              .map((words) => `✗ ${words}`)
              .join("  "),
      );
      const lost = isLate ? "" : lossOf(session);
      say(loss, lost);
      say(change, difference(film, path, k).join("   "));
      const kept = session.notes[session.noteKey()];
      say(note, kept ? `note: ${kept}` : "");
      const won = session.wonAt() === k ? victoryOf(session) : ""; // said once, in the step that wins
      const isGrowing = session.mode === "driver" && k === session.last;
      const spoken = spokenStep(film, path, k, isGrowing) + (isLate ? "" : ` ${lost || won}`).trimEnd();
      if (!isLate && spoken !== told) {
        told = spoken;
        hush();
        clearTimeout(quiet);
        if (isQuick) quiet = setTimeout(() => say(status, spoken), QUIET);
        else say(status, spoken);
      }
      able(buttons.why, k > 0);
      able(buttons.undo, k > 0);
      able(buttons.again, k > 0);
      able(buttons.whatif, k > 0 && film.enabled(path[k - 1].state).length > 1);
      able(buttons.recorded, !tree.isRecorded());
      able(buttons.possible, !film.isSealed);
      able(buttons.where, claims && !film.isSealed && (!session.isSealed || Boolean(lost)));
      able(buttons.reveal, claims && !film.isSealed);
      buttons.where.classList.toggle("mm-wanted", Boolean(lost));
      const gives = session.isSealed;
      const isAttack = Boolean(session.game.never);
      buttons.reveal.firstChild.data = isAttack ? "ask" : gives ? "give up" : "show";
      attribute(
        buttons.reveal,
        "title",
        isAttack
          ? "ask the search whether any run does this, and see the nearest miss"
          : gives
            ? "give up, and see the runs that break the promise"
            : "show the shortest run that breaks the promise",
      );
    },
    /** At rest: what is longer than its room can be reached by key. */
    settle() {
      if (scrolled === told) return;
      scrolled = told;
      attribute(said, "tabindex", said.scrollHeight > said.clientHeight + 1 ? 0 : null);
    },
  };
}

/** The run, and the other open views, as text. @param {import("./session.js").Session} session @param {[string, string][]} views */
export function twinText(session, views) {
  const notes = (/** @type {number} */ i) => session.notes[session.noteKey(i)] || "";
  const { film, path, k, isSealed } = session;
  const run = runAsText(film, path, k, notes);
  const windows = windowsUntil(film, path, k).filter(({ actor }) => actor >= 0 || !isSealed);
  const open = windows.length ? [`Windows up to step ${k}:`, ...windows.map((each) => `  ${spokenWindow(each)}`)] : [];
  return [run, ...(open.length ? [open.join("\n")] : []), ...views.map(([title, text]) => `${title}\n${text}`)].join(
    "\n\n",
  );
}
