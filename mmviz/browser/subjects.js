// Every actor and every field of the picture as a list, for readers who do not point: each has the menu that a
// click on it has.

import { actorName } from "./chosen.js";
import { element, push } from "./dom.js";
import { oneStop, roving } from "./roving.js";

/**
 * @param {import("./session.js").Session} session
 * @param {{actor: (actor: number) => void, field: (field: string, words: string) => void,
 *   point: (what: import("./pointed.js").Pointed) => void}} acts
 * @returns {{node: HTMLElement, first: HTMLElement}}
 */
export function subjectList(session, acts) {
  const { film, path, k, hidden, focus } = session;
  const said = (/** @type {string} */ name) => (hidden.has(name) ? " (hidden)" : focus.has(name) ? " (only)" : "");
  const actors = film.head.actors.map((/** @type {string} */ name, /** @type {number} */ actor) => {
    const words = name + said(actorName(name));
    return push("mm-item", words, `${name}: hide, or bring into focus`, () => acts.actor(actor));
  });
  const fields = film.head.fields.map((/** @type {string} */ field, /** @type {number} */ i) => {
    const words = film.words(path[k].state, i);
    const made = push("mm-item mm-of-field", `${field} = ${words}${said(field)}`, `${field}: what to do with it`, () =>
      acts.field(field, words),
    );
    made.addEventListener("focus", () => acts.point({ fields: [field] }));
    return made;
  });
  const all = [...actors, ...fields];
  for (const actor of actors) actor.addEventListener("focus", () => acts.point({}));
  const group = (/** @type {string} */ label, /** @type {HTMLElement[]} */ items) =>
    element("div", "mm-choices", "", { role: "group", "aria-label": label }, element("strong", "", label), ...items);
  const node = element("div", "mm-subjects", "", {}, group("actors", actors), group("fields", fields));
  roving(node);
  oneStop(node, all[0]);
  return { node, first: all[0] };
}
