// One sentence on what the pointer is on, beside it and never under it; after a tap it stays until the next.

import { element } from "./dom.js";

const BELOW = 18; // px from the pointer

/**
 * @param {HTMLElement} root the stage
 * @param {(part: Element) => string} sentence what to say of the part under the pointer
 * @returns {() => void} what takes it all back
 */
export function explain(root, sentence) {
  const tip = element("div", "mm-tip", "", { role: "tooltip" });
  tip.hidden = true;
  root.append(tip);
  let frame = 0;
  /** @type {PointerEvent | null} */
  let latest = null;
  const hide = () => {
    tip.hidden = true;
  };
  const show = (/** @type {PointerEvent} */ { target, clientX, clientY }) => {
    const said = target instanceof Element && root.contains(target) ? sentence(target) : "";
    tip.hidden = !said;
    if (!said) return;
    if (tip.textContent !== said) tip.textContent = said;
    const [outer, inner] = [root.getBoundingClientRect(), tip.getBoundingClientRect()];
    const [x, y] = [clientX - outer.left, clientY - outer.top];
    const fitsBelow = y + BELOW + inner.height < outer.height;
    tip.style.left = `${Math.max(4, Math.min(x + 4, outer.width - inner.width - 8))}px`;
    tip.style.top = `${Math.max(0, fitsBelow ? y + BELOW : y - BELOW / 2 - inner.height)}px`;
  };
  const moved = (/** @type {PointerEvent} */ event) => {
    if (event.pointerType === "touch") return;
    latest = event;
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (latest) show(latest);
    });
  };
  const left = (/** @type {PointerEvent} */ event) => {
    latest = null;
    if (event.pointerType !== "touch") hide();
  };
  const tapped = (/** @type {PointerEvent} */ event) => {
    if (event.pointerType !== "touch") return;
    show(event);
  };
  const touched = (/** @type {PointerEvent} */ event) => {
    if (event.pointerType === "touch") hide();
  };
  /** @type {[string, any][]} */
  const heard = [
    ["pointermove", moved],
    ["pointerup", tapped],
    ["pointerleave", left],
    ["keydown", hide],
    ["wheel", hide],
  ];
  for (const [event, act] of heard) root.addEventListener(event, act, { passive: true });
  document.addEventListener("pointerdown", touched, { passive: true, capture: true });
  return () => {
    hide();
    document.removeEventListener("pointerdown", touched, { capture: true });
    cancelAnimationFrame(frame);
    tip.remove();
    for (const [event, act] of heard) root.removeEventListener(event, act);
  };
}
