// The keys of the stage. Tab leaves.

export const KEYS = [
  ["→ ↓ PageDown", "one step on"],
  ["← ↑ PageUp", "one step back"],
  ["Home End", "first and last step"],
  ["1 … 9", "let this actor step next; two people play with a digit each"],
  ["Shift+1 … 9", "a named run"],
  ["x", "what if another actor goes first"],
  ["Backspace Esc", "back to the recorded run"],
  ["u r", "undo; back to the start"],
  ["space", "play and pause"],
  ["g", "last step from which the promise could be broken"],
  ["w", "show the shortest run that breaks the promise; Esc: back"],
  ["y", "why: what this step depends on"],
  ["p", "is this possible?"],
  ["n", "a note on this step"],
  ["t", "the run as text"],
  ["s", "save: a file, or the link"],
  ["q", "the link as a QR code; q or Esc: away"],
  ["o", "hide an actor or a field, or show only it"],
  ["+ −", "larger and smaller type"],
  ["f b", "full screen; blank the stage"],
  ["?", "this list"],
];

/** @type {Record<string, string>} */
const MEANING = {
  ArrowRight: "next",
  ArrowDown: "next",
  PageDown: "next",
  ArrowLeft: "back",
  ArrowUp: "back",
  PageUp: "back",
  Home: "first",
  End: "end",
  " ": "play",
  Backspace: "recorded",
  Escape: "escape",
  u: "undo",
  r: "again",
  x: "whatif",
  g: "where",
  w: "reveal",
  y: "why",
  p: "possible",
  n: "note",
  t: "text",
  o: "subjects",
  s: "save",
  q: "code",
  "+": "larger",
  "=": "larger",
  "-": "smaller",
  "−": "smaller",
  f: "full",
  b: "blank",
  "?": "help",
};

const READING = ["ArrowDown", "ArrowUp", "Home", "End"];

/** Whether a key scrolls the panel that has the focus; a clicker's keys never do. @param {KeyboardEvent} event */
function scrolls(event) {
  const panel = /** @type {any} */ (event.target)?.closest?.(".mm-twin, .mm-panel");
  return READING.includes(event.key) && panel && panel.scrollHeight > panel.clientHeight + 1;
}

/**
 * What a key asks for: [name, number], or null when the key is not the stage's.
 * @param {KeyboardEvent} event
 * @param {number} actors how many there are
 * @param {number} named how many named runs are offered
 * @returns {[string, number] | null}
 */
export function meaningOf(event, actors, named) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const target = /** @type {any} */ (event.target);
  const tag = target?.tagName;
  if (tag === "SELECT" || tag === "TEXTAREA" || (tag === "INPUT" && target.type === "text"))
    return event.key === "Escape" ? ["escape", 0] : null;
  if (scrolls(event)) return null;
  if (/^[1-9]$/.test(event.key)) return Number(event.key) <= actors ? ["choose", Number(event.key) - 1] : null;
  const digit = /^Digit([1-9])$/.exec(event.code || "");
  if (digit && event.shiftKey) return Number(digit[1]) <= named ? ["named", Number(digit[1]) - 1] : null;
  if (tag === "BUTTON" && (event.key === " " || event.key === "Enter")) return null;
  const name = MEANING[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  return name ? [name, 0] : null;
}
