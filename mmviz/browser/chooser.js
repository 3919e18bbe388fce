// The keys that let an actor step, in a row: where a narrow Driver has the code columns as a tab.

import { able, attribute, element, say } from "./dom.js";
import { SEALED, waiting } from "./story.js";

/**
 * Whether an actor can step now, and what its key is called.
 * @param {import("./session.js").Session} session
 * @param {number} actor
 */
export function turnOf(session, actor) {
  const { film, path, k } = session;
  const at = path[k].state;
  const name = film.head.actors[actor];
  const next = film.next(at, actor);
  const can = film.enabled(at).includes(actor);
  const why = waiting(film, path, k, actor);
  const label = !next
    ? `${name} has finished`
    : can
      ? `${actor + 1}: ${name}: ${next.label}`
      : `${name}: ${next.label}: ${why || (film.isSealed ? SEALED : "cannot step")}`;
  const tip = can ? `${next?.label} (key ${actor + 1})` : (film.block(at, actor)?.reason ?? label);
  const isBlocked = Boolean(next) && !can && !film.isSealed;
  return { next, can, isBlocked, why, label, tip };
}

/**
 * @param {import("./session.js").Session} session
 * @param {{choose: (actor: number) => void}} acts
 */
export function chooserRow(session, acts) {
  const keys = session.film.head.actors.map((/** @type {string} */ name, /** @type {number} */ actor) => {
    const words = element("span", "mm-turn");
    const sign = element("span", "mm-sign", String(actor + 1));
    const node = element("button", "mm-choose", "", { type: "button", "data-actor": name }, sign, " ", words);
    node.addEventListener("click", () => acts.choose(actor));
    return { node, words, name };
  });
  const node = element(
    "div",
    "mm-chooser",
    "",
    { role: "group", "aria-label": "which actor steps" },
    ...keys.map((/** @type {any} */ key) => key.node),
  );
  return {
    node,
    draw() {
      for (const [actor, { node: key, words, name }] of keys.entries()) {
        const { next, can, tip } = turnOf(session, actor);
        say(words, next ? `${name}: ${next.label}` : `${name} has finished`);
        key.classList.toggle("mm-can", can);
        attribute(key, "title", tip);
        able(key, can);
      }
    },
  };
}
