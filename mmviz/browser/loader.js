// What a notebook keeps for each stage. The code and the style are on a page once, for all stages of one
// version: a module for each would be kept until the page is left, and a style sheet for each would make the
// browser find the style of every element again.

const VERSION = Symbol.for("mmviz stage VERSION");
const page = /** @type {any} */ (globalThis);

/** @param {any} model of anywidget @returns {Promise<any>} the stage's module */
function code(model) {
  if (!page[VERSION]) {
    const url = URL.createObjectURL(new Blob([model.get("code")], { type: "text/javascript" }));
    page[VERSION] = import(url).finally(() => URL.revokeObjectURL(url));
  }
  return page[VERSION];
}

/** Put the style where the stage stands. @param {HTMLElement} el @param {string} look */
function dress(el, look) {
  const root = el.getRootNode();
  const place = root instanceof ShadowRoot ? root : document.head;
  const known = place.querySelector("style.mm-look");
  if (!look || known?.textContent === look) return;
  const style = known || document.createElement("style");
  style.className = "mm-look";
  style.textContent = look;
  if (!known) place.append(style);
}

export default {
  /** @param {{model: any, el: HTMLElement}} context of anywidget */
  async render(context) {
    dress(context.el, context.model.get("look"));
    const stage = await code(context.model);
    return stage.default.render(context);
  },
};
