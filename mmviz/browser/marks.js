// Draws keyed marks as SVG and touches only what differs from the marks drawn before.
// Nodes at rest are equal, byte for byte, whatever was drawn before: a type always writes the same
// attributes in the same order, and only the last one, data-witness, comes and goes.

const SVG_NAMES = "http://www.w3.org/2000/svg";
const MIDDLE_OF_TEXT = 4.5; // px from a baseline up to the line about which a text turns over

/** @param {number} n */
const tenth = (n) => Math.round(n * 10) / 10;

/** @param {number} n */
const hundredth = (n) => Math.round(n * 100) / 100;

/** @param {number[]} p */
const corners = (p) => {
  let said = "";
  for (let i = 0; i < p.length; i += 2) said += `${i ? " " : ""}${tenth(p[i])},${tenth(p[i + 1])}`;
  return said;
};

/** @param {number[]} p */
const cubics = (p) => {
  let said = `M${tenth(p[0])} ${tenth(p[1])}`;
  for (let i = 2; i < p.length; i += 2) said += `${i % 6 === 2 ? "C" : " "}${tenth(p[i])} ${tenth(p[i + 1])}`;
  return said;
};

/** @param {RectMark} m */
const turned = (m) => (m.rot ? `rotate(${tenth(m.rot)} ${tenth(m.x + m.w / 2)} ${tenth(m.y + m.h / 2)})` : "");

/** @param {TextMark} m */
const flipped = (m) => {
  const high = hundredth(m.flip ?? 1);
  return high === 1 ? "" : `translate(0 ${tenth((m.y - MIDDLE_OF_TEXT) * (1 - high))}) scale(1 ${high})`;
};

const TAGS = {
  rect: "rect",
  text: "text",
  curve: "path",
  glow: "path",
  line: "polyline",
  poly: "polygon",
  dot: "circle",
};

/**
 * The attributes that give a mark its place and shape, in their order.
 * @param {Exclude<Mark, FlowMark>} m
 * @returns {[string, string | number][]}
 */
function shape(m) {
  switch (m.t) {
    case "rect":
      return [
        ["x", tenth(m.x)],
        ["y", tenth(m.y)],
        ["width", tenth(Math.max(0, m.w))],
        ["height", tenth(Math.max(0, m.h))],
        ["rx", tenth(m.rx ?? 0)],
        ["transform", turned(m)],
      ];
    case "text":
      return [
        ["x", tenth(m.x)],
        ["y", tenth(m.y)],
        ["transform", flipped(m)],
      ];
    case "dot":
      return [
        ["cx", tenth(m.x)],
        ["cy", tenth(m.y)],
        ["r", tenth(m.r)],
      ];
    case "curve":
    case "glow":
      return [["d", cubics(m.p)]];
    default:
      return [["points", corners(m.p)]];
  }
}

/** @param {Mark} m */
function classes(m) {
  let said = `mm-${m.t === "glow" ? "glow" : m.c}`;
  if (m.t === "text" && m.b) said += " is-bold";
  if (m.l) for (const word of m.l.split(" ")) said += ` is-${word}`;
  return said;
}

/** What a node cannot change: a mark of another sort under the same key gets a new node. */
const sort = (/** @type {Mark} */ m) => `${m.t}\n${m.f ?? ""}\n${m.s ?? ""}`;

const isBad = (/** @type {Mark} */ m) => m.l?.split(" ").includes("bad") ?? false;

/**
 * A node with all its attributes, in the order in which they stay.
 * @param {Exclude<Mark, FlowMark>} m
 */
function nodeOf(m) {
  const node = document.createElementNS(SVG_NAMES, TAGS[m.t]);
  node.setAttribute("data-key", m.k);
  if (m.f !== undefined) node.setAttribute("data-field", m.f);
  if (m.s) node.setAttribute("data-subject", m.s);
  return node;
}

/**
 * Gives what draws marks into `root`, which must be empty and used by no other code.
 * Drawing throws, and changes nothing, when two marks have one key.
 * @param {Element} root
 * @returns {(marks: Mark[]) => void}
 */
export function layer(root) {
  /** @type {Map<string, {node: Element, sort: string, mark: Mark | null, was: Map<string, string>}>} */
  const drawn = new Map();
  return (marks) => {
    const wanted = new Map();
    const keys = new Set();
    for (const m of marks) {
      if (keys.has(m.k)) throw new Error(`two marks have the key "${m.k}"`);
      keys.add(m.k);
      if (m.t !== "flow" && m.o !== 0) wanted.set(m.k, m);
    }
    for (const [k, held] of drawn) {
      const m = wanted.get(k);
      if (m && (m === held.mark || sort(m) === held.sort)) continue;
      held.node.remove();
      drawn.delete(k);
    }
    let at = root.firstChild;
    for (const m of wanted.values()) {
      let held = drawn.get(m.k);
      if (!held) {
        held = { node: nodeOf(m), sort: sort(m), mark: null, was: new Map() };
        drawn.set(m.k, held);
      }
      if (held.mark !== m) {
        /** @type {[string, string | number][]} */
        const said = [["class", classes(m)], ...shape(m), ["opacity", hundredth(m.o ?? 1)]];
        for (const [name, value] of said) {
          const text = String(value);
          if (held.was.get(name) === text) continue;
          held.node.setAttribute(name, text);
          held.was.set(name, text);
        }
        if (m.t === "text" && (held.mark?.t !== "text" || held.mark.w !== m.w)) held.node.textContent = m.w;
        if (isBad(m)) held.node.setAttribute("data-witness", "1");
        else if (held.mark && isBad(held.mark)) held.node.removeAttribute("data-witness");
        held.mark = m;
      }
      if (held.node === at) at = at.nextSibling;
      else root.insertBefore(held.node, at);
    }
  };
}

/**
 * The key of the arrow to which a head or a glow belongs, or "".
 * @param {string} key
 */
export const arrowOf = (key) =>
  key.endsWith(":tip") ? key.slice(0, -4) : key.endsWith(":glow") ? key.slice(0, -5) : "";

/**
 * The marks of a picture with what the last step did, and what breaks the promise.
 * A glow that is not lit has opacity 0: it is not drawn, but motion knows where it is.
 * @param {Mark[]} marks
 * @param {LitCue} cue
 * @returns {Mark[]}
 */
export function lit(marks, cue) {
  const fields = new Map(marks.map((m) => [m.k, m.f]));
  return marks.map((m) => {
    const field = m.f ?? fields.get(arrowOf(m.k));
    const found = [];
    if (field !== undefined) {
      if (cue.now.has(field)) found.push("now");
      else if (cue.read.has(field)) found.push("read");
      if (cue.bad.has(field)) found.push("bad");
    }
    if (m.t === "glow") return { ...m, o: found[0] === "now" && m.p.length ? (m.o ?? 1) : 0 };
    return found.length ? { ...m, l: found.join(" ") } : m;
  });
}

/**
 * The point of a path of cubics at `t`, 0 to 1; each cubic takes an equal part of it.
 * @param {number[]} p
 * @param {number} t
 * @returns {[number, number]}
 */
export function on(p, t) {
  const pieces = (p.length - 2) / 6;
  const i = Math.max(0, Math.min(pieces - 1, Math.floor(t * pieces)));
  const u = t * pieces - i;
  const v = 1 - u;
  const q = i * 6;
  const part = (/** @type {number} */ a) =>
    v * v * v * p[q + a] + 3 * v * v * u * p[q + 2 + a] + 3 * v * u * u * p[q + 4 + a] + u * u * u * p[q + 6 + a];
  return [part(0), part(1)];
}

/**
 * The head of an arrow along a path of cubics: its point, then its two corners.
 * @param {number[]} p
 * @param {number} [size] length in px
 */
export function tip(p, size = 9) {
  const [x, y] = p.slice(-2);
  const [bx, by] = on(p, 0.9);
  const long = Math.hypot(x - bx, y - by) || 1;
  const dx = ((x - bx) / long) * size;
  const dy = ((y - by) / long) * size;
  return [x, y, x - dx - dy / 2, y - dy + dx / 2, x - dx + dy / 2, y - dy - dx / 2];
}
