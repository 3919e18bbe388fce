// What travels between the modules of this folder. Types only: no browser ever reads this file.

/** What every mark has. Lengths are px at a type of 13 px. */
interface MarkBase {
  /** Unique in its picture; names the thing, not its place. */
  k: string;
  /** Role: the node's class is `mm-<role>`. */
  c: string;
  /** What a tip or a click on the mark is about: "field:page 7.refs", "object:page 7", "step:3". */
  s?: string;
  /** Path of the field that the mark shows. */
  f?: string;
  /** Opacity, 1 if absent. A mark with opacity 0 is not drawn. */
  o?: number;
  /** What `lit` found: any of "now", "read", "bad"; the classes are `is-now`, `is-read`, `is-bad`. */
  l?: string;
}

interface RectMark extends MarkBase {
  t: "rect";
  x: number;
  y: number;
  w: number;
  h: number;
  rx?: number;
  /** Degrees about its centre. */
  rot?: number;
}

/** `y` is the baseline, `w` the words. */
interface TextMark extends MarkBase {
  t: "text";
  x: number;
  y: number;
  w: string;
  b?: 0 | 1;
  /** Height while it turns over, 1 at rest. */
  flip?: number;
}

/** curve, glow: p0 c c p c c p … of cubic Béziers; line: corners; poly: a filled triangle. */
interface PathMark extends MarkBase {
  t: "curve" | "line" | "poly" | "glow";
  p: number[];
}

/** The path of an access. It is never drawn: balls run along it. */
interface FlowMark extends MarkBase {
  t: "flow";
  p: number[];
  end: "pass" | "bounce" | "fall";
  /** Where on the path it ends, 0 to 1. */
  at?: number;
}

/** A ball, or the token of a read. */
interface DotMark extends MarkBase {
  t: "dot";
  x: number;
  y: number;
  r: number;
}

type Mark = RectMark | TextMark | PathMark | FlowMark | DotMark;

/** Paths of fields: written and read by the last step, witnesses of a violation. */
interface LitCue {
  now: Set<string>;
  read: Set<string>;
  bad: Set<string>;
}

/** What a step did. `line` is where its line of code stands, in the picture's coordinates. */
interface MoveCue {
  line?: [number, number] | null;
  /** Written fields: the path, and the new value in words. */
  writes: [path: string, words: string][];
  reads: string[];
}
