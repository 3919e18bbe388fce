// A finger drawn across the stage: one step on or back. What scrolls under the finger scrolls instead.

const SWIPE = 40; // px
const LEVEL = 2; // how many times as far across as down

/**
 * @param {HTMLElement} root
 * @param {(way: number) => void} go 1: one step on, -1: one step back
 * @returns {() => void} what takes it off again
 */
export function swiped(root, go) {
  /** @type {PointerEvent | null} */
  let from = null;
  const down = (/** @type {PointerEvent} */ event) => {
    const isControl = /** @type {Element} */ (event.target).closest("input, select, textarea");
    from = event.pointerType === "touch" && event.isPrimary && !isControl ? event : null;
  };
  const up = (/** @type {PointerEvent} */ event) => {
    if (!from) return;
    const [x, y] = [event.clientX - from.clientX, event.clientY - from.clientY];
    from = null;
    if (Math.abs(x) > SWIPE && Math.abs(x) > LEVEL * Math.abs(y)) go(x < 0 ? 1 : -1);
  };
  const cancel = () => {
    from = null;
  };
  /** @type {[string, any][]} */
  const heard = [
    ["pointerdown", down],
    ["pointerup", up],
    ["pointercancel", cancel],
  ];
  for (const [event, act] of heard) root.addEventListener(event, act, { passive: true });
  return () => {
    for (const [event, act] of heard) root.removeEventListener(event, act);
  };
}
