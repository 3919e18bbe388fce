// The code columns, which are the timeline: what ran has the number of its step, what comes next has the
// key that lets it go.

import { attribute, element, say } from "./dom.js";
import { ranRows, waiting } from "./story.js";

const GUTTER = 36; // px beside the code at type 100 %
const TYPE_SIZES = [12.5, 11]; // px: of a column all of whose code fits, and of one with long names
const ADVANCE = 0.602; // width in em of the monospaced type
const LOWEST_ROW = 17; // px at type 100 %
const HIGHEST_ROW = 22;
const HEAD_ROWS = 2; // rows that the name of an actor and the space about its column take

/**
 * One column. Every row has its place from the start; the button is one node that moves.
 * @param {import("./session.js").Session} session
 * @param {number} actor
 * @param {{choose: (actor: number) => void, go: (k: number) => void, point: (steps: number[], fields: string[]) => void}} acts
 */
export function codeColumn(session, actor, acts) {
  const { head } = session.film;
  const name = head.actors[actor];
  const kind = (head.devices || [])[actor] && !(head.environment || [])[actor] ? "background" : "";
  const title = element("div", "mm-who", "", {}, element("span", "", name), element("span", "mm-kind", kind));
  const list = element("div", "mm-rows", "", { role: "group", "aria-label": `code of ${name}` });
  const state = element("div", "mm-state");
  const node = element("section", "mm-column", "", { "data-actor": name }, title, list, state);
  const rows = head.columns[actor].rows.map((/** @type {any} */ row) => {
    if (row.head)
      return {
        row,
        node: element("div", "mm-row mm-row-head", row.head),
        code: null,
        number: null,
        often: null,
        was: "",
      };
    const [number, code, often] = [
      element("span", "mm-number"),
      element("span", "mm-code", row.text),
      element("span", "mm-often"),
    ];
    return {
      row,
      node: element("div", "mm-row", "", { title: row.full || row.text }, number, code, often),
      number,
      code,
      often,
      was: "",
    };
  });
  const sign = element("span", "mm-sign");
  const choose = element("button", "mm-choose", "", { type: "button", "data-actor": name }, sign);
  choose.addEventListener("click", () => acts.choose(actor));
  list.append(...rows.map((/** @type {any} */ row) => row.node), choose);
  /** @type {Map<number, {last: number, times: number}>} */
  let ran = new Map();
  let [view, high, shown] = [0, HIGHEST_ROW, -1];

  const rowOf = (/** @type {EventTarget | null} */ target) =>
    rows.findIndex((/** @type {any} */ row) => row.node.contains(target));
  list.addEventListener("click", (/** @type {Event} */ event) => {
    const at = ran.get(rowOf(event.target));
    if (at) acts.go(at.last);
  });
  list.addEventListener("pointerover", (/** @type {Event} */ event) => {
    const at = ran.get(rowOf(event.target));
    acts.point(at ? [at.last] : [], []);
  });
  list.addEventListener("pointerleave", () => acts.point([], []));

  // Where the list is scrolled to is kept here: to ask for it after a change would cost a layout.
  let scrolled = 0;
  list.addEventListener("scroll", () => {
    scrolled = list.scrollTop;
  });
  const follow = (/** @type {number} */ index) => {
    if (index < 0 || index === shown) return;
    shown = index;
    const [top, bottom] = [index * high, (index + 1) * high];
    let to = scrolled;
    if (top < scrolled + high) to = Math.max(0, top - high);
    else if (bottom > scrolled + view - high)
      to = Math.min(Math.ceil((bottom + high - view) / high), rows.length) * high;
    to = Math.max(0, Math.min(to, rows.length * high - view));
    if (to === scrolled) return;
    list.scrollTop = to;
    scrolled = to;
  };

  return {
    node,
    rows: rows.length,
    /** Where the row of a step stands on the screen. @param {number} row */
    place: (row) => (rows[row] ? rows[row].node.getBoundingClientRect() : title.getBoundingClientRect()),
    /** Fit rows and type to the room; once a layout, never once a step. @param {number} zoom */
    fit(zoom) {
      view = list.clientHeight;
      high = Math.round(Math.max(LOWEST_ROW, Math.min(HIGHEST_ROW, view / zoom / Math.max(1, rows.length))) * zoom);
      node.style.setProperty("--mm-row", `${high}px`);
      const letters = (/** @type {number} */ size) => Math.floor((list.clientWidth / zoom - GUTTER) / size / ADVANCE);
      const most = Math.max(0, ...rows.map((/** @type {any} */ { row }) => (row.text || "").length));
      const isSmall = most > letters(TYPE_SIZES[0]);
      node.classList.toggle("mm-small", isSmall);
      const room = letters(TYPE_SIZES[isSmall ? 1 : 0]);
      for (const { row, code } of rows) if (code) say(code, row.text.length > room && row.short ? row.short : row.text);
      attribute(list, "tabindex", list.scrollHeight > list.clientHeight + 1 ? 0 : null);
      shown = -1;
    },
    /** Show step `k`; `hot` are steps that the reader points at. @param {Set<number>} hot */
    draw(hot) {
      const { film, path, k } = session;
      const at = path[k].state;
      const next = film.next(at, actor);
      const can = film.enabled(at).includes(actor);
      ran = ranRows(film, path, k, actor);
      const isLast = k > 0 && path[k].actor === actor;
      rows.forEach((/** @type {any} */ row, /** @type {number} */ i) => {
        if (!row.code) return;
        const did = ran.get(i);
        const [isNow, isNext] = [isLast && did?.last === k, next?.row === i];
        const number = did ? String(did.last) : "";
        const often = [isNext && did ? `ran ${number}` : "", did && did.times > 1 ? `×${did.times}` : ""]
          .filter(Boolean)
          .join(" ");
        const said = `mm-row${isNow ? " mm-now" : ""}${did ? " mm-ran" : ""}${isNext && !can ? " mm-blocked" : ""}${did && hot.has(did.last) ? " mm-hot" : ""}`;
        const all = `${said}|${number}|${often}|${isNext}`;
        if (row.was === all) return;
        row.was = all;
        row.node.className = said;
        say(row.number, isNext ? "" : number);
        say(row.often, often);
      });
      if (next) choose.style.top = `calc(var(--mm-row) * ${next.row})`;
      choose.classList.toggle("mm-gone", !next);
      choose.classList.toggle("mm-can", can);
      say(sign, can ? String(actor + 1) : "▸");
      const why = waiting(film, path, k, actor);
      const label = !next
        ? `${name} has finished`
        : can
          ? `${actor + 1}: ${name}: ${next.label}`
          : `${name}: ${next.label}: ${why || "cannot step"}`;
      attribute(choose, "aria-label", label);
      attribute(choose, "title", can ? `${next?.label} (key ${actor + 1})` : (film.block(at, actor)?.reason ?? label));
      if (choose.disabled === can) {
        if (!can && choose === document.activeElement) node.closest(".mm-stage").focus({ preventScroll: true });
        choose.disabled = !can;
      }
      say(state, next ? why : "finished");
      attribute(state, "title", state.textContent);
      node.classList.toggle("mm-finished", !next);
      const last = isLast ? (film.next(path[k - 1].state, actor)?.row ?? -1) : -1;
      follow(next ? next.row : last);
      if (last >= 0) follow(last);
    },
  };
}

/**
 * The actors of the left and of the right side, in their order, so that neither side is much higher.
 * @param {number[]} rows of each actor's column
 * @returns {[number[], number[]]}
 */
export function sides(rows) {
  const all = [...rows.keys()];
  const high = (/** @type {number[]} */ some) => some.reduce((sum, actor) => sum + rows[actor] + HEAD_ROWS, 0);
  let best = 1;
  for (let at = 1; at < all.length; at++) {
    const most = (/** @type {number} */ i) => Math.max(high(all.slice(0, i)), high(all.slice(i)));
    if (most(at) < most(best)) best = at;
  }
  return [all.slice(0, best), all.slice(best)];
}
