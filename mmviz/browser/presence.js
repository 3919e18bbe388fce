// Tells the kernel whether a page shows a widget: what no page shows, it may put away.

const ON_PAGE = Symbol.for("mmviz views on this page");
const MOVED = 200; // ms without a view: a cell that is moved makes its views anew

/** What all modules of a page share: the page's name, and how many views each model has. */
function shownHere() {
  const page = /** @type {any} */ (globalThis);
  page[ON_PAGE] ??= { name: Math.random().toString(36).slice(2), counts: new WeakMap() };
  return page[ON_PAGE];
}

/**
 * To be called for each view of a model; returns what is to be called when the view goes.
 * @param {any} model of anywidget
 * @returns {() => void}
 */
export function present(model) {
  const layout = model.get("layout"); // the same for all views of a model
  if (!layout || typeof layout !== "object") return () => {};
  const { name, counts } = shownHere();
  const tell = async (/** @type {string} */ ask) => {
    try {
      if (layout.comm_live === true) await model.send({ ask, page: name });
    } catch {} // the kernel is gone, and with it what it would put away
  };
  const count = (/** @type {number} */ more) => {
    const now = (counts.get(layout) || 0) + more;
    counts.set(layout, now);
    return now;
  };
  if (count(1) === 1) tell("seen");
  return () => setTimeout(() => count(-1) || tell("unseen"), MOVED);
}
