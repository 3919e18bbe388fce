// The promise, and the goal of a Driver, on one row.

import { attribute, byLines, element, push, say } from "./dom.js";
import { victoryOf } from "./game.js";
import { brokenIn } from "./story.js";

const ONE_LINE = [16, 14.5, 13]; // px
const TWO_LINES = [13, 12];
const LEAST = 11.3;
const RAGGED = 0.15; // of a line that is lost where it breaks

/**
 * A goal, the sentence of each bad state that it only names, and the promise.
 * @param {string} goal
 * @param {{words: string, sentence: string}[]} bads
 * @param {string} promise
 */
export function goalInFull(goal, bads, promise) {
  const named = bads.filter(({ words, sentence }) => goal.includes(words) && !goal.includes(sentence));
  return [goal, ...named.map(({ words, sentence }) => `${words}: ${sentence}`), `Promise: ${promise}`].join("\n");
}

/**
 * @param {import("./session.js").Session} session
 * @param {Record<string, () => void>} acts
 */
export function promisePane(session, acts) {
  const { head } = session.film;
  const isDriver = session.mode === "driver";
  const claims = head.claims !== false; // of a diagram that was only drawn, nothing is claimed
  const [sign, words, verdict] = [
    element("span", "mm-sign", "", { "aria-hidden": "true" }),
    element("span", "mm-words", "", {
      role: "group",
      "aria-label": isDriver ? "goal and promise" : claims ? "promise" : "nothing is claimed",
    }),
    element("span", "mm-verdict"),
  ];
  byLines(words);
  const memory = push("mm-memory", head.memory || "memory model", "what this model leaves out", acts.limits);
  const full = push("mm-full", "", "full screen (f)", acts.full);
  full.append(element("span", "mm-corners", "", { "aria-hidden": "true" }));
  const help = push("mm-help", "?", "list the keys", acts.help);
  const node = element("div", "mm-promise", "", { "data-pane": "promise" }, sign, words, verdict, memory, full, help);
  const promise = head.promise || head.kept || head.title;
  const goal = isDriver ? session.game.goal || head.goal : "";
  const texts = [goal || promise, promise];
  const titles = new Map([
    [goal, goalInFull(goal, head.bads, promise)],
    [promise, claims ? `Promise: ${promise}` : promise],
  ]);
  /** What is longer than its room can be scrolled by key. */
  const reach = () => {
    const isLong = words.scrollWidth > words.clientWidth + 1 || words.scrollHeight > words.clientHeight + 1;
    attribute(words, "tabindex", isLong ? 0 : null);
  };
  return {
    node,
    /** One size for the whole case. @param {number} zoom */
    fit(zoom) {
      const pen = document.createElement("canvas").getContext("2d");
      const family = getComputedStyle(node).fontFamily;
      const room = words.clientWidth - 4;
      const fits = (/** @type {number} */ size, /** @type {number} */ lines) => {
        if (!pen) return true;
        pen.font = `700 ${size * zoom}px ${family}`;
        return texts.every((text) => pen.measureText(text).width < room * (lines === 1 ? 1 : lines - RAGGED));
      };
      const one = ONE_LINE.find((size) => fits(size, 1));
      node.classList.toggle("mm-two-lines", !one);
      words.style.fontSize = `${(one ?? TWO_LINES.find((size) => fits(size, 2)) ?? LEAST) * zoom}px`;
      reach();
    },
    /** @param {boolean} isLate the verdict is still to come */
    draw(isLate) {
      const { film, path, k } = session;
      const broken = brokenIn(film, path, isLate ? k - 1 : k);
      const won = isDriver && !isLate ? session.wonAt() : -1;
      const isBroken = broken >= 0;
      node.classList.toggle("mm-broken", isBroken);
      node.classList.toggle("mm-won", won >= 0);
      say(sign, isBroken ? "✗" : isDriver && won < 0 ? "▸" : claims ? "✓" : "");
      const said = won >= 0 ? victoryOf(session) : isBroken || !goal ? promise : goal;
      if (words.textContent !== said) {
        say(words, said);
        reach();
      }
      attribute(words, "title", titles.get(said) ?? said);
      say(
        verdict,
        isBroken ? (broken ? `broken in step ${broken}` : "broken at the start") : claims ? "holds so far" : "",
      );
    },
  };
}
