// Choices in a row or a list are one stop of Tab: the arrows go from one to the next.

const ONWARD = ["ArrowDown", "ArrowRight"];
const BACKWARD = ["ArrowUp", "ArrowLeft"];

/** The choices of a list. @param {HTMLElement} list */
const choicesOf = (list) => /** @type {HTMLElement[]} */ ([...list.querySelectorAll("button")]);

/**
 * Make the buttons of a list one stop of Tab. To be called again after a button was added.
 * @param {HTMLElement} list
 * @param {HTMLElement | null} [at] the one that Tab reaches; by default the one it reached, or the first
 */
export function oneStop(list, at = null) {
  const all = choicesOf(list);
  const stop = at ?? all.find((each) => each.tabIndex === 0) ?? all[0];
  for (const each of all) each.tabIndex = each === stop ? 0 : -1;
}

/**
 * Let the arrows, Home and End go through the buttons of a list; these keys go no further.
 * @param {HTMLElement} list
 */
export function roving(list) {
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const all = choicesOf(list);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0) return;
    const { length } = all;
    const way = ONWARD.includes(event.key) ? 1 : BACKWARD.includes(event.key) ? length - 1 : 0;
    const to = event.key === "Home" ? 0 : event.key === "End" ? length - 1 : way ? (at + way) % length : -1;
    if (to < 0) return;
    oneStop(list, all[to]);
    all[to].focus({ preventScroll: true });
    all[to].scrollIntoView({ block: "nearest" });
    event.preventDefault();
    event.stopPropagation();
  });
}
