// The motion of one step: a pure function of the picture before it, the picture after it, what the
// step did, and u from 0 to 1. In the order of causes: lights of the step before go out; a token
// leaves the line of code with the new value; the field turns over; what hangs on it follows.

import { arrowOf, on } from "./marks.js";

export const DURATION = { on: 380, back: 240 }; // ms of a step, and of a step back

// Parts of the motion, in u.
const DIM = 0.14; // lights of the step before are out
const TURN = 0.42; // a field has its new words, a mark its new role
const ARRIVAL = [0, 0.4]; // the token's way
const TURNING = [0.3, 0.54];
const LEAVING = [0.42, 0.74];
const FOLLOWING = [0.46, 1];
const ENTERING = [0.54, 1];
const GLOWING = [0.42, 0.6];
const SHOWING = [0.44, 0.58]; // what is hidden at home is seen soon after it has left,
const FADING = [0.86, 1]; // and until it is nearly there again
const LAG = 0.03; // from one written field to the next
const LAGS = 0.12; // from the first to the last, at most

const CHARACTER = 7.93; // px, the width of a character at a type of 13 px
const LONGEST_VALUE = 22; // characters on a token

/**
 * @param {number} a
 * @param {number} b
 * @param {number} t
 */
export const lerp = (a, b, t) => (t === 1 ? b : a + (b - a) * t);

/**
 * From 0 to 1 while u goes from `start` to `end`, slow at both ends.
 * @param {number[]} span start and end
 * @param {number} u
 */
export const ease = ([start, end], u) => {
  const t = Math.max(0, Math.min(1, (u - start) / (end - start)));
  return t * t * (3 - 2 * t);
};

/**
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} t
 */
const morph = (a, b, t) => b.map((end, i) => lerp(a[i], end, t));

/**
 * The same points, `t` of the way out from the first.
 * @param {number[]} p
 * @param {number} t
 */
const grown = (p, t) => p.map((end, i) => lerp(p[i % 2], end, t));

/**
 * Where an arrow points at its end, in radians.
 * @param {number[]} p
 * @param {boolean} curved
 */
function heading(p, curved) {
  const [x, y] = p.slice(-2);
  const [bx, by] = curved ? on(p, 0.9) : p.slice(-4, -2);
  return Math.atan2(y - by, x - bx);
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} angle
 */
const rotated = (x, y, angle) => {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [x * c - y * s, x * s + y * c];
};

/**
 * @param {Mark | undefined} m
 * @returns {m is PathMark}
 */
const isArrow = (m) => m !== undefined && (m.t === "curve" || m.t === "line");

/**
 * A head between two: it stays a triangle and follows the end of its arrow.
 * @param {PathMark} a
 * @param {PathMark} b
 * @param {PathMark} arrowA
 * @param {PathMark} arrowB
 * @param {number} t
 */
function head(a, b, arrowA, arrowB, t) {
  const curved = arrowA.t === "curve";
  const turns = [heading(arrowA.p, curved), heading(arrowB.p, curved), heading(morph(arrowA.p, arrowB.p, t), curved)];
  const p = [lerp(a.p[0], b.p[0], t), lerp(a.p[1], b.p[1], t)];
  for (let i = 2; i < b.p.length; i += 2) {
    const from = rotated(a.p[i] - a.p[0], a.p[i + 1] - a.p[1], -turns[0]);
    const to = rotated(b.p[i] - b.p[0], b.p[i + 1] - b.p[1], -turns[1]);
    const [x, y] = rotated(lerp(from[0], to[0], t), lerp(from[1], to[1], t), turns[2]);
    p.push(p[0] + x, p[1] + y);
  }
  return p;
}

/**
 * Whether two marks of one key can become one another; others fade.
 * @param {Mark} a
 * @param {Mark} b
 */
const kin = (a, b) => a.t === b.t && (!("p" in a) || !("p" in b) || a.p.length === b.p.length);

/**
 * Where a text stands between two: what stays is its start, its middle or its end.
 * @param {TextMark} a
 * @param {TextMark} b
 * @param {TextMark} shown
 * @param {number} t
 */
function placed(a, b, shown, t) {
  const anchors = [0, 0.5, 1].map((part) => {
    const at = (/** @type {TextMark} */ m) => m.x + [...m.w].length * CHARACTER * part;
    return { part, from: at(a), to: at(b) };
  });
  const least = anchors.reduce((best, one) =>
    Math.abs(one.to - one.from) < Math.abs(best.to - best.from) - 0.2 ? one : best,
  );
  return lerp(least.from, least.to, t) - [...shown.w].length * CHARACTER * least.part;
}

/**
 * A motion's marks by key, and how late each field is.
 * @typedef {{before: Map<string, Mark>, after: Map<string, Mark>, lags: Map<string, number>}} Motion
 */

/** @param {string | undefined} lights */
const dimmed = (lights) => (lights?.split(" ").includes("bad") ? "bad" : undefined);

/**
 * A mark that is in both pictures.
 * @param {Mark} a
 * @param {Mark} b
 * @param {number} u
 * @param {number} lag
 * @param {Motion} motion
 * @returns {Mark}
 */
function between(a, b, u, lag, motion) {
  if (a === b) return b;
  const late = u - lag;
  const isTurned = late >= TURN;
  const opacity = [a.o ?? 1, b.o ?? 1];
  const isSolid = !("p" in a) || a.t === "curve";
  const travels = kin(a, b) && isSolid && opacity.includes(0) && opacity.some(Boolean);
  const isShownAsB = travels ? (opacity[1] ? u > 0 : u >= 1) : isTurned;
  const shown = isShownAsB ? b : a;
  const lights = isTurned ? b.l : u < DIM ? a.l : dimmed(a.l);
  if (!kin(a, b)) {
    const there = isTurned ? opacity[1] * ease([TURN, 0.6], late) : opacity[0] * (1 - ease([0.3, TURN], late));
    return { ...shown, l: lights, o: there };
  }
  const t = ease([FOLLOWING[0] + lag, FOLLOWING[1]], u);
  /** @type {Mark} */
  const m = { ...shown };
  if (m.l !== lights) m.l = lights;
  if (a.t === "glow") m.o = opacity[0] * (1 - ease([0, 2 * DIM], u)) + opacity[1] * ease(GLOWING, late);
  else if (travels) m.o = opacity[0] * (1 - ease(FADING, u)) + opacity[1] * ease(SHOWING, u);
  else if (opacity[0] !== opacity[1]) m.o = lerp(opacity[0], opacity[1], t);
  if (a.t === "rect" && b.t === "rect" && m.t === "rect") {
    for (const name of /** @type {const} */ (["x", "y", "w", "h"])) m[name] = lerp(a[name], b[name], t);
    for (const name of /** @type {const} */ (["rx", "rot"]))
      if (a[name] !== b[name]) m[name] = lerp(a[name] ?? 0, b[name] ?? 0, t);
  } else if (a.t === "text" && b.t === "text" && m.t === "text") {
    m.x = a.w === b.w ? lerp(a.x, b.x, t) : placed(a, b, m, t);
    m.y = lerp(a.y, b.y, t);
    if (a.w !== b.w) m.flip = Math.abs(2 * ease(TURNING, late) - 1);
  } else if (a.t === "dot" && b.t === "dot" && m.t === "dot") {
    for (const name of /** @type {const} */ (["x", "y", "r"])) m[name] = lerp(a[name], b[name], t);
  } else if ("p" in a && "p" in b && "p" in m) {
    const [arrowA, arrowB] = [motion.before.get(arrowOf(a.k)), motion.after.get(arrowOf(b.k))];
    const isHead = a.t === "poly" && isArrow(arrowA) && isArrow(arrowB) && kin(arrowA, arrowB);
    m.p = isHead ? head(a, /** @type {PathMark} */ (b), arrowA, arrowB, t) : morph(a.p, b.p, t);
  }
  return m;
}

/**
 * A mark that is in one of the pictures only: an arrow grows from its first point, the rest fades.
 * @param {Mark} m
 * @param {number} t how much of it is there, 0 to 1
 * @param {Map<string, Mark>} picture the one that has it
 * @returns {Mark}
 */
function partly(m, t, picture) {
  if (t === 1) return m;
  if (m.t === "curve" || m.t === "glow" || m.t === "flow" || (m.t === "line" && picture.has(`${m.k}:tip`)))
    return { ...m, p: grown(m.p, t), o: t && m.o };
  const arrow = picture.get(arrowOf(m.k));
  if (m.t !== "poly" || !isArrow(arrow)) return { ...m, o: (m.o ?? 1) * t };
  const [x, y] = m.p;
  const [tx, ty] = [lerp(arrow.p[0], x, t), lerp(arrow.p[1], y, t)];
  const size = Math.min(1, 2 * t); // the head is whole when the arrow is half there
  return { ...m, p: m.p.map((at, i) => (i % 2 ? ty + (at - y) * size : tx + (at - x) * size)), o: t && m.o };
}

/**
 * The marks of both pictures in one order: that of `main`, the rest behind what they stood behind.
 * @param {Mark[]} main
 * @param {Mark[]} other
 * @param {Map<string, Mark>} known `main` by key
 */
function together(main, other, known) {
  /** @type {Map<string, Mark[]>} */
  const behind = new Map();
  let anchor = "";
  for (const m of other) {
    if (known.has(m.k)) anchor = m.k;
    else if (behind.get(anchor)?.push(m) === undefined) behind.set(anchor, [m]);
  }
  const order = behind.get("") ?? [];
  for (const m of main) order.push(m, ...(behind.get(m.k) ?? []));
  return order;
}

/** @param {Mark} m @returns {[number, number]} */
function middle(m) {
  if (m.t === "rect") return [m.x + m.w / 2, m.y + m.h / 2];
  if (m.t === "text") return [m.x + ([...m.w].length * CHARACTER) / 2, m.y - 4.5];
  if ("p" in m) return [m.p[0], m.p[1]];
  return [m.x, m.y];
}

/**
 * The new value as the picture will show it, or else as the model says it.
 * @param {Motion} motion
 * @param {string} path
 * @param {string} words
 */
function shownWords(motion, path, words) {
  for (const b of motion.after.values()) {
    if (b.f !== path || b.t !== "text" || [...b.w].length > LONGEST_VALUE) continue;
    const a = motion.before.get(b.k);
    if (a?.t === "text" && a.w !== b.w && b.w) return b.w;
  }
  return words;
}

/** The best mark of a field for its token to land on is the box of its value, the worst an arrow. */
const landing = (/** @type {Mark} */ m) => (m.c === "cell" ? 4 : m.t === "text" ? 3 : m.t === "rect" ? 2 : 1);

/**
 * Where the field of each token is, before the step or else after it.
 * @param {Motion} motion
 * @param {Set<string>} fields
 */
function places(motion, fields) {
  /** @type {Map<string, Mark>} */
  const found = new Map();
  for (const picture of [motion.before, motion.after]) {
    const earlier = new Set(found.keys());
    for (const m of picture.values()) {
      if (m.f === undefined || !fields.has(m.f) || earlier.has(m.f)) continue;
      const best = found.get(m.f);
      if (!best || landing(m) > landing(best)) found.set(m.f, m);
    }
  }
  return found;
}

/**
 * A token on its way: a pill with the new value, or the dot of a read.
 * @param {string} path
 * @param {string | null} words null for a read
 * @param {number[]} at
 * @param {number} o
 * @returns {Mark[]}
 */
function token(path, words, [x, y], o) {
  const k = `token:${path}`;
  if (words === null) return [{ k, t: "dot", c: "tokenread", x, y, r: 6, o }];
  const letters = [...words];
  const said = letters.length > LONGEST_VALUE ? `${letters.slice(0, LONGEST_VALUE - 1).join("")}…` : words;
  const wide = [...said].length * CHARACTER;
  return [
    { k, t: "rect", c: "token", x: x - wide / 2 - 7, y: y - 10, w: wide + 14, h: 20, rx: 10, o },
    { k: `${k}:words`, t: "text", c: "tokenwords", x: x - wide / 2, y: y + 4.5, w: said, b: 1, o },
  ];
}

/**
 * The tokens of a step: one for each field that it writes. A step that only reads has a dot for
 * each field that it reads, which goes there and comes back.
 * @param {Motion} motion
 * @param {MoveCue} cue
 * @param {number} u
 * @returns {Mark[]}
 */
function tokens(motion, cue, u) {
  const line = cue.line;
  if (!line || u <= 0 || u >= 1) return [];
  /** @type {Map<string, string | null>} */
  const sent = new Map(cue.writes.length ? cue.writes : cue.reads.map((path) => [path, null]));
  const found = places(motion, new Set(sent.keys()));
  return [...sent].flatMap(([path, words]) => {
    const mark = found.get(path);
    if (!mark) return [];
    const late = u - (motion.lags.get(path) ?? 0);
    const t = words === null ? 1 - Math.abs(1 - 2 * ease([0, 0.9], u)) : ease(ARRIVAL, late);
    const gone = words === null ? ease([0.86, 1], u) : ease([0.38, 0.5], late);
    const o = ease([0, 0.05], late) * (1 - gone);
    if (o === 0) return [];
    const value = words === null ? null : shownWords(motion, path, words);
    const [tx, ty] = middle(mark);
    const bend = Math.min(40, Math.abs(tx - line[0]) * 0.15) * Math.sin(Math.PI * t);
    return token(path, value, [lerp(line[0], tx, t), lerp(line[1], ty, t) - bend], o);
  });
}

/**
 * The marks at `u` between two pictures: the first at 0, the second at 1.
 * @param {Mark[]} A
 * @param {Mark[]} B
 * @param {MoveCue} cue
 * @param {number} u
 * @returns {Mark[]}
 */
export function pose(A, B, cue, u) {
  const lag = Math.min(LAG, LAGS / Math.max(1, cue.writes.length - 1));
  /** @type {Motion} */
  const motion = {
    before: new Map(A.map((m) => [m.k, m])),
    after: new Map(B.map((m) => [m.k, m])),
    lags: new Map(cue.writes.map(([path], i) => [path, i * lag])),
  };
  const { before, after } = motion;
  const made = [];
  for (const m of u < TURN ? together(A, B, before) : together(B, A, after)) {
    const [a, b] = [before.get(m.k), after.get(m.k)];
    const field = m.f ?? before.get(arrowOf(m.k))?.f ?? after.get(arrowOf(m.k))?.f;
    const late = (field !== undefined && motion.lags.get(field)) || 0;
    if (a && b) made.push(between(a, b, u, late, motion));
    else {
      const t = b ? ease([ENTERING[0] + late, 1], u) : 1 - ease([LEAVING[0] + late, LEAVING[1] + late], u);
      if (t > 0) made.push(partly(m, t, b ? after : before));
    }
  }
  made.push(...tokens(motion, cue, u));
  return made;
}
