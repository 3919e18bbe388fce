// What the reader hid or brought into focus: fields, and whole actors. No DOM.

import { arrowOf } from "./marks.js";

const ACTOR = "actor:"; // before the name of an actor, among the paths of fields
const FIELD = "field:";
const DIMMED = 0.22;
const OF_ACTOR = /^(?:actor|dock):(.*)$/;

/** Under which name an actor is hidden or in focus. @param {string} name */
export const actorName = (name) => ACTOR + name;

/** The step that a mark with this subject stands for; 0: none. @param {string} subject */
export const stepOf = (subject) => Number(/^step:(\d+)$/.exec(subject)?.[1] ?? 0);

/** The path of the field that a mark shows; undefined: none. @param {Mark} mark */
export const fieldOfMark = (mark) => mark.f ?? (mark.s?.startsWith(FIELD) ? mark.s.slice(FIELD.length) : undefined);

export const ADVANCE_OF_TYPE = 7.93; // px of a letter at scale 1

/** Where the words of a text begin and end. @param {TextMark} text */
const reachOf = ({ x, w }) => [
  x + (w.length - w.trimStart().length) * ADVANCE_OF_TYPE,
  x + w.trimEnd().length * ADVANCE_OF_TYPE,
];

/** Whether the line of a text goes through a box. @param {TextMark} text @param {RectMark} box */
const isBeside = ({ y }, box) => y >= box.y && y <= box.y + box.h;

/** Whether a text begins in a box. @param {TextMark} text @param {RectMark} box */
const isInside = (text, box) => {
  const [x] = reachOf(text);
  return isBeside(text, box) && x >= box.x && x <= box.x + box.w;
};

/** The box on the line of a text that is nearest to it, if any. @param {TextMark} text @param {RectMark[]} boxes */
function nearest(text, boxes) {
  const [from, to] = reachOf(text);
  const away = (/** @type {RectMark} */ { x, w }) => Math.max(0, x - to, from - x - w);
  const [first, ...others] = boxes.filter((box) => isBeside(text, box));
  return first && others.reduce((best, box) => (away(box) < away(best) ? box : best), first);
}

/**
 * The fields that the steps of an actor read or write.
 * @param {import("./film.js").Film} film @param {number} actor
 */
function touched(film, actor) {
  const numbers = film.tables.moves.flatMap((move) => (move[1] === actor ? [...move[3], ...move[4]] : []));
  return [...new Set(numbers)].map((number) => film.head.fields[number]);
}

/** A choice of fields and actors. With an actor in focus, the fields that it reads or writes are, too. */
export class Choice {
  /**
   * @param {import("./film.js").Film} film
   * @param {Set<string>} hidden
   * @param {Set<string>} focus
   */
  constructor(film, hidden, focus) {
    this.hidden = hidden;
    this.actors = film.head.actors;
    this.inFocus = this.actors.map((/** @type {string} */ name) => focus.has(actorName(name)));
    this.isOfActors = this.inFocus.includes(true);
    this.fields = new Set(focus);
    for (const actor of this.actors.keys())
      if (this.inFocus[actor]) for (const field of touched(film, actor)) this.fields.add(field);
    this.isAll = !hidden.size && !focus.size;
  }

  /** @param {number} actor */
  isHidden(actor) {
    return this.hidden.has(actorName(this.actors[actor]));
  }

  /** Whether an actor is out of focus. @param {number} actor */
  isDim(actor) {
    return this.isOfActors && !this.inFocus[actor];
  }

  /** The actor that a mark stands for; -1: none. @param {Mark} mark @param {{actor: number}[]} path */
  actorOf(mark, path) {
    const subject = mark.s ?? "";
    const name = OF_ACTOR.exec(subject)?.[1];
    if (name !== undefined) return this.actors.indexOf(name);
    return path[stepOf(subject)]?.actor ?? -1;
  }

  /**
   * The marks without what is hidden, and with what is out of focus dimmed.
   * @param {Mark[]} marks
   * @param {{actor: number}[]} path of the steps that marks stand for
   * @returns {Mark[]}
   */
  of(marks, path) {
    if (this.isAll) return marks;
    const fields = new Map(marks.map((mark) => [mark.k, fieldOfMark(mark)]));
    /** @type {(RectMark & {opacity: number})[]} boxes whose texts have no key of their own */
    const boxes = [];
    const all = marks.filter((mark) => mark.t === "rect");
    const opacities = marks.map((mark) => {
      const field = fields.get(mark.k) ?? fields.get(arrowOf(mark.k));
      const opacity = field === undefined ? this.ofActor(this.actorOf(mark, path)) : this.ofField(field);
      if (mark.t === "rect" && opacity < 1) boxes.push({ ...mark, opacity });
      return opacity;
    });
    return marks.flatMap((mark, i) => {
      const isLoose = mark.t === "text" && !mark.s && mark.f === undefined;
      const home = (/** @type {TextMark} */ text) => {
        const near = boxes.length ? nearest(text, all) : undefined; // what is said beside a step goes with it
        const isOfStep = stepOf(near?.s ?? "") > 0;
        return boxes.find((box) => isInside(text, box) || (isOfStep && box.k === near?.k))?.opacity ?? 1;
      };
      const opacity = isLoose ? home(mark) : opacities[i];
      return opacity === 1 ? [mark] : opacity ? [{ ...mark, o: (mark.o ?? 1) * opacity }] : [];
    });
  }

  /** @param {string} field */
  ofField(field) {
    if (this.hidden.has(field)) return 0;
    return this.fields.size && !this.fields.has(field) ? DIMMED : 1;
  }

  /** @param {number} actor -1: none */
  ofActor(actor) {
    if (actor < 0) return 1;
    return this.isHidden(actor) ? 0 : this.isDim(actor) ? DIMMED : 1;
  }
}
