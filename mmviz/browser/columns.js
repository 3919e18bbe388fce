// The code columns, which are the timeline: what ran has the number of its step, what comes next has the
// key that lets it go.

import { able, attribute, element, push, say } from "./dom.js";
import { rowName } from "./pointed.js";
import { turnOf } from "./chooser.js";
import { ranRows } from "./story.js";

const GUTTER = 38; // px beside the code at type 100 %
const HEAD_GUTTER = 14; // px beside the name of a function
const HEAD_TYPE = 11.5; // px
const OFTEN_TYPE = 11; // px
const SIDE_PADDING = 20; // px beside the name of an actor and what it waits for
const LEAST_SAID = 8; // letters
const ANY_STEP = "99"; // the longest number of a step that most cases have
const TYPE_SIZES = [12.5, 11]; // px: of a column all of whose code fits, and of one with long names
const END_PART = 0.42; // of the letters of elided words
const ADVANCE = 0.602; // width in em of the monospaced type
const LOWEST_ROW = 17; // px at type 100 %
const HIGHEST_ROW = 22;
const LEAST_ROWS = 2; // of an actor that never runs
const SEEN_ROWS = 3; // for which large type leaves room
const NAME_HIGH = 20; // px of the name of an actor
const STATE_HIGH = 28; // px of two lines on what it waits for
const HEAD_ROWS = 2; // rows that the name of an actor and the space about its column take
const ANY = "(…)"; // arguments that are not the same in every state

/** The letters of the longest line of a column. @param {{rows: any[]}} column */
export const columnLetters = ({ rows }) => Math.max(0, ...rows.map((row) => (row.text || "").length));

/** The px in which that many letters fit. @param {number} letters @param {number} type */
export const columnWidth = (letters, type) => Math.ceil((letters * TYPE_SIZES[0] * ADVANCE + GUTTER) * type);

/**
 * Words in at most `most` letters, cut in the middle, so that start and end can be read.
 * @param {string} words
 * @param {number} most
 */
export function elided(words, most) {
  const letters = [...words];
  if (letters.length <= most) return words;
  const kept = Math.max(2, most - 1);
  const end = Math.floor(kept * END_PART);
  return `${letters.slice(0, kept - end).join("")}…${letters.slice(letters.length - end).join("")}`;
}

/**
 * A line of code in at most `most` letters: whole, or without its arguments, or cut in the middle.
 * @param {string} text
 * @param {string} short without its arguments
 * @param {number} most
 */
export function fitted(text, short, most) {
  return text.length <= most ? text : elided(short || text, most);
}

/**
 * The line of a row, with the arguments with which it ran.
 * @param {{text: string, short: string}} row
 * @param {string} label of the step that ran; "" for none
 * @returns {[string, string]} whole, and without its arguments
 */
export function lineOf({ text, short }, label) {
  if (!label || !text.includes(ANY)) return [text, short];
  const word = /^(?:if|while) /.exec(text)?.[0] ?? "";
  return [word + label, label.split("(")[0]];
}

/**
 * What an actor may have to wait for in any state, in words.
 * @param {import("./film.js").Film} film
 * @param {number} actor
 */
function allWaits(film, actor) {
  const { actors } = film.head;
  const blocks = new Set(film.tables.states.map((state) => state[2][actor]).filter((block) => block >= 0));
  return [...blocks].map((number) => {
    const [, holders, reason] = film.tables.blocks[number];
    const by = holders.map((/** @type {number} */ holder) => actors[holder]).join(", ");
    return briefly(`${by ? `blocked by ${by}` : reason || "blocked"} since step ${ANY_STEP}`);
  });
}

/**
 * What an actor waits for without the call that waits, which stands in the row of the key.
 * @param {string} why
 */
export const briefly = (why) => why.replace(/^\S.* waits for (?:a change of )?/, "waits for ");

/**
 * One column. Every row has its place from the start; the button is one node that moves.
 * @param {import("./session.js").Session} session
 * @param {number} actor
 * @param {{choose: (actor: number) => void, go: (k: number) => void, about: (actor: number) => void,
 *   point: (what: import("./pointed.js").Pointed) => void}} acts
 */
export function codeColumn(session, actor, acts) {
  const { head } = session.film;
  const name = head.actors[actor];
  const kind = (head.devices || [])[actor] && !(head.environment || [])[actor] ? "background" : "";
  const heading = push("mm-name", name, `${name}: hide, or bring into focus`, () => acts.about(actor));
  if (kind) heading.append(" ", element("span", "mm-kind", kind));
  const list = element("div", "mm-rows", "", { role: "group", "aria-label": `code of ${name}` });
  const state = element("div", "mm-state");
  const title = element("div", "mm-who", "", {}, heading, state);
  const node = element("div", "mm-column", "", { "data-actor": name }, title, list);
  const hasMoves = session.film.tables.moves.some((move) => move[1] === actor);
  node.style.setProperty("--mm-count", String(hasMoves ? head.columns[actor].rows.length : LEAST_ROWS));
  const rows = head.columns[actor].rows.map((/** @type {any} */ row) => {
    if (row.head)
      return {
        row,
        node: element("div", "mm-row mm-row-head", row.head, { title: row.head }),
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
      node: element("div", "mm-row", "", { "data-line": row.full || row.text }, number, code, often),
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
  let [view, high, shown, letters] = [0, HIGHEST_ROW, -1, Infinity];
  let [told, brief] = ["", (/** @type {string} */ why) => why];
  const lettersIn = (/** @type {number} */ wide, /** @type {number} */ size) => Math.floor(wide / size / ADVANCE);

  const rowOf = (/** @type {EventTarget | null} */ target) =>
    rows.findIndex((/** @type {any} */ row) => row.node.contains(target));
  list.addEventListener("click", (/** @type {Event} */ event) => {
    const at = ran.get(rowOf(event.target));
    if (at) acts.go(at.last);
  });
  list.addEventListener("pointerover", (/** @type {Event} */ event) => {
    const next = session.film.next(session.path[session.k].state, actor)?.row ?? -1;
    const row = choose.contains(/** @type {Node} */ (event.target)) ? next : rowOf(event.target);
    acts.point(rows[row]?.code ? { rows: [[actor, row]] } : {});
  });
  list.addEventListener("pointerleave", () => acts.point({}));

  // Where the list is scrolled to is kept here: to ask for it after a change would cost a layout.
  let scrolled = 0;
  list.addEventListener("scroll", () => {
    scrolled = list.scrollTop;
  });
  const follow = (/** @type {number} */ index) => {
    if (index < 0 || index === shown) return;
    shown = index;
    const [top, bottom] = [index * high, (index + 1) * high];
    const about = view >= 3 * high ? high : 0; // one more row is seen
    let to = Math.round(scrolled / high) * high;
    if (top < to + about) to = top - about;
    else if (bottom > to + view - about) to = bottom + about - view;
    to = Math.max(0, Math.min(to, rows.length * high - view));
    if (to === scrolled) return;
    list.scrollTop = to;
    scrolled = to;
  };

  /** Beside the name, or on as many lines of its own as it ever needs. @param {number} zoom */
  const fitState = (zoom) => {
    const pen = document.createElement("canvas").getContext("2d");
    const style = getComputedStyle(state);
    if (pen) pen.font = `${style.fontSize} ${style.fontFamily}`;
    const long = (/** @type {string} */ words) => pen?.measureText(words).width ?? 0;
    const most = Math.max(...["finished", ...allWaits(session.film, actor)].map(long)) + 2;
    const room = title.clientWidth - SIDE_PADDING * zoom;
    node.classList.toggle("mm-beside", most + heading.scrollWidth < room);
    const isTwo = most > room && node.clientHeight >= (NAME_HIGH + STATE_HIGH + LOWEST_ROW) * zoom;
    node.classList.toggle("mm-two-lines", isTwo);
    const linesOf = (/** @type {string} */ words) => {
      let [lines, at] = [1, 0];
      for (const word of words.split(" ")) {
        const wide = long(`${word} `);
        if (at && at + wide > room) [lines, at] = [lines + 1, 0];
        at += wide;
        if (at > room + long(" ")) [lines, at] = [lines + 1, at - room];
      }
      return lines;
    };
    // The step since when it waits is never cut.
    brief = (why) => {
      const [, what = why, since = ""] = /^(.*?)( since step \d+)?$/s.exec(briefly(why)) ?? [];
      let most = what.length;
      while (most > LEAST_SAID && linesOf(elided(what, most) + since) > (isTwo ? 2 : 1)) most--;
      return elided(what, most) + since;
    };
  };

  return {
    node,
    rows: rows.length,
    /** Where the row of a step stands on the screen. @param {number} row */
    place: (row) => (rows[row] ? rows[row].node.getBoundingClientRect() : title.getBoundingClientRect()),
    /** Fit rows and type to the room; once a layout, never once a step. @param {number} type */
    fit(type) {
      const least = NAME_HIGH + STATE_HIGH + SEEN_ROWS * LOWEST_ROW;
      const zoom = Math.min(type, Math.max(1, node.clientHeight / least));
      for (const part of [title, list]) part.style.setProperty("--px", `${zoom}px`);
      fitState(zoom);
      told = "";
      list.style.marginBottom = "";
      const room = list.clientHeight;
      const seen = Math.max(1, Math.min(rows.length, Math.floor(room / zoom / LOWEST_ROW)));
      high = Math.max(1, Math.min(Math.floor(room / seen), Math.round(HIGHEST_ROW * zoom)));
      view = Math.max(1, Math.floor(room / high)) * high;
      list.style.marginBottom = `${Math.max(0, room - view)}px`;
      node.style.setProperty("--mm-row", `${high}px`);
      const wide = list.clientWidth / zoom;
      const isSmall = columnLetters(head.columns[actor]) > lettersIn(wide - GUTTER, TYPE_SIZES[0]);
      node.classList.toggle("mm-small", isSmall);
      letters = lettersIn(wide - GUTTER, TYPE_SIZES[isSmall ? 1 : 0]);
      for (const each of rows) {
        if (each.row.head) say(each.node, elided(each.row.head, lettersIn(wide - HEAD_GUTTER, HEAD_TYPE)));
        each.was = "";
      }
      attribute(list, "tabindex", list.scrollHeight > list.clientHeight + 1 ? 0 : null);
      shown = -1;
    },
    /** Show step `k`; `hot` are rows that the reader points at. @param {Set<string>} hot */
    draw(hot) {
      const { film, path, k } = session;
      const { next, can, isBlocked, why, label, tip } = turnOf(session, actor);
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
        const said = `mm-row${isNow ? " mm-now" : ""}${did ? " mm-ran" : ""}${isNext && isBlocked ? " mm-blocked" : ""}${hot.has(rowName(actor, i)) ? " mm-hot" : ""}`;
        const ranAs = did ? (film.next(path[did.last - 1].state, actor)?.label ?? "") : "";
        const all = `${said}|${number}|${often}|${isNext}|${ranAs}`;
        if (row.was === all) return;
        row.was = all;
        row.node.className = said;
        const taken = often ? Math.ceil((often.length * OFTEN_TYPE) / TYPE_SIZES[1]) + 1 : 0;
        say(row.code, fitted(...lineOf(row.row, ranAs), letters - taken));
        say(row.number, isNext ? "" : number);
        say(row.often, often);
      });
      if (next) choose.style.top = `calc(var(--mm-row) * ${next.row})`;
      choose.classList.toggle("mm-done", !next);
      choose.classList.toggle("mm-can", can);
      choose.classList.toggle("mm-lit", isLast && Boolean(next) && ran.get(next?.row ?? -1)?.last === k);
      say(sign, can ? String(actor + 1) : next ? "▸" : "");
      attribute(choose, "aria-label", label);
      attribute(choose, "title", tip);
      able(choose, can);
      const said = next ? why : "finished";
      if (said !== told) {
        told = said;
        say(state, brief(said));
        attribute(state, "title", said);
      }
      node.classList.toggle("mm-finished", !next);
      node.classList.toggle("mm-hidden", session.choice.isHidden(actor));
      node.classList.toggle("mm-dimmed", session.choice.isDim(actor));
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
