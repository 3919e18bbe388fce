// What never rests: accesses that run along the flows of a picture. A pure function of its marks and
// of the time, so that a flow that a motion bends or grows carries its balls with it.

import { lerp } from "./pose.js";

// All times are parts of one cycle, the same for every flow: were it longer on a longer path, all
// balls would jump while a path grows.
const CYCLE = 3200; // ms
const BIRTHS = 5; // in a cycle
const SPEED = 0.17; // px a ms
const ON_PATH = [0.16, 0.74]; // on the shortest paths, and on those that are too long for the speed
const BOUNCING = 0.2;
const FADED = 0.08;
const FALLING = 0.07;
const DEEP = [14, 24]; // px that a fall takes a ball on and down: no further than into what was freed
const SHORTEST = 5; // px; a shorter flow is not there (yet)
const [LETTER_WIDE, ASCENT, DESCENT, CLEAR] = [7.93, 11, 3, 1]; // px of a letter, and between it and a ball at rest
const MOMENTS = 8; // that are tried for a picture at rest
const SAMPLES = 10; // points a cubic is measured by

/**
 * A path as points at even times, with the way from the first to each.
 * @param {number[]} p
 */
function measured(p) {
  const points = [[p[0], p[1], 0]];
  for (let q = 0; q + 7 < p.length; q += 6) {
    for (let i = 1; i <= SAMPLES; i++) {
      const u = i / SAMPLES;
      const v = 1 - u;
      const [a, b, c, d] = [v * v * v, 3 * v * v * u, 3 * v * u * u, u * u * u];
      const x = a * p[q] + b * p[q + 2] + c * p[q + 4] + d * p[q + 6];
      const y = a * p[q + 1] + b * p[q + 3] + c * p[q + 5] + d * p[q + 7];
      const [lx, ly, way] = points[points.length - 1];
      points.push([x, y, way + Math.hypot(x - lx, y - ly)]);
    }
  }
  return points;
}

/**
 * The point at a part of the way, and the direction there.
 * @param {number[][]} points
 * @param {number} part
 */
function along(points, part) {
  const way = part * points[points.length - 1][2];
  let i = 1;
  while (i < points.length - 1 && points[i][2] < way) i++;
  const [a, b] = [points[i - 1], points[i]];
  const long = b[2] - a[2];
  const t = long ? Math.max(0, Math.min(1, (way - a[2]) / long)) : 0;
  const [dx, dy] = long ? [(b[0] - a[0]) / long, (b[1] - a[1]) / long] : [0, 0];
  return { x: lerp(a[0], b[0], t), y: lerp(a[1], b[1], t), dx, dy };
}

/**
 * Keys begin their cycles at different times, always the same.
 * @param {string} key
 */
function phase(key) {
  let sum = 0;
  for (const letter of key) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  return sum / 997;
}

/**
 * One ball at `t` of its cycle, or null between its end and its next birth.
 * @param {FlowMark} flow
 * @param {number[][]} points
 * @param {number} t
 * @returns {{x: number, y: number, c: string, r: number, o: number} | null}
 */
function ball(flow, points, t) {
  const length = points[points.length - 1][2];
  const onPath = Math.max(ON_PATH[0], Math.min(ON_PATH[1], length / (SPEED * CYCLE)));
  const stop = flow.end === "pass" ? 1 : (flow.at ?? 1);
  const part = t / onPath;
  const isLost = flow.end === "fall" && part >= stop;
  const looks = { c: isLost ? "bad" : flow.c, r: isLost ? 5.5 : 4.5 };
  if (part <= stop) return { ...along(points, part), ...looks, o: Math.min(1, t * 20) };
  const { x, y, dx, dy } = along(points, stop);
  const left = flow.end === "bounce" ? BOUNCING : flow.end === "fall" ? FALLING : FADED;
  const e = (t - stop * onPath) / left;
  if (e >= 1) return null;
  if (flow.end === "pass") return { x: x + 14 * dx * e, y: y + 14 * dy * e, ...looks, o: 1 - e };
  if (flow.end === "fall") return { x: x + DEEP[0] * dx * e, y: y + DEEP[1] * e * e, ...looks, o: 1 - e * e };
  return { x: x - 34 * dx * e, y: y - 34 * dy * e - 20 * Math.sin(Math.PI * e) + 56 * e * e, ...looks, o: 1 - e * e };
}

/**
 * The balls of a flow at the time `T`.
 * @param {FlowMark} m
 * @param {number} T ms, from any start
 * @returns {DotMark[]}
 */
function ballsOf(m, T) {
  if (m.o === 0) return [];
  const points = measured(m.p);
  if (!(points[points.length - 1][2] >= SHORTEST)) return [];
  /** @type {DotMark[]} */
  const made = [];
  for (let i = 0; i < BIRTHS; i++) {
    const t = (((T / CYCLE + i / BIRTHS + phase(m.k)) % 1) + 1) % 1;
    const { x, y, c, r, o } = ball(m, points, t) ?? { x: 0, y: 0, c: "", r: 0, o: 0 };
    if (o > 0) made.push({ k: `ball:${m.k}:${i}`, t: "dot", c, x, y, r, o: o * (m.o ?? 1) });
  }
  return made;
}

/**
 * The balls of a picture's flows at the time `T`.
 * @param {Mark[]} marks at rest or in motion
 * @param {number} T ms, from any start
 * @returns {DotMark[]}
 */
export function balls(marks, T) {
  return marks.flatMap((mark) => (mark.t === "flow" ? ballsOf(mark, T) : []));
}

/** Whether a ball touches a word. @param {DotMark} dot @param {TextMark} text */
function isOn({ x, y, r }, text) {
  const left = text.x + (text.w.length - text.w.trimStart().length) * LETTER_WIDE;
  const right = text.x + text.w.trimEnd().length * LETTER_WIDE;
  return x + r + CLEAR > left && x - r - CLEAR < right && y + r + CLEAR > text.y - ASCENT && y - r < text.y + DESCENT;
}

/**
 * The balls where motion is not wanted: of each flow at the time at which most of them stand clear of all words.
 * @param {Mark[]} marks at rest
 * @returns {DotMark[]}
 */
export function stillBalls(marks) {
  const texts = /** @type {TextMark[]} */ (marks.filter((mark) => mark.t === "text" && mark.o !== 0));
  return marks.flatMap((mark) => {
    if (mark.t !== "flow") return [];
    /** @type {DotMark[]} */
    let best = [];
    for (let moment = 0; moment < MOMENTS; moment++) {
      const clear = ballsOf(mark, (moment * CYCLE) / BIRTHS / MOMENTS).filter(
        (dot) => !texts.some((text) => isOn(dot, text)),
      );
      if (clear.length > best.length) best = clear;
    }
    return best;
  });
}
