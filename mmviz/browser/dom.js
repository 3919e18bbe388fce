// Small makers of HTML and SVG. All text goes through textContent.

const SVG_SPACE = "http://www.w3.org/2000/svg";

/**
 * A new element with a class, text, attributes and children.
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function element(tag, className, text = "", attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * A new element of SVG.
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Node} children
 * @returns {any}
 */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG_SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/**
 * A push button: what stands on it, what is said of it, and what it does. Words that stand on it are its name,
 * so that it can be called by them; where there is a sign or nothing, the label is its name.
 * @param {string} className
 * @param {string} sign
 * @param {string} label
 * @param {(event: Event) => void} act
 */
export function push(className, sign, label, act) {
  const made = element("button", `mm-button ${className}`, sign, { type: "button", title: label });
  if (!/\p{L}/u.test(sign)) made.setAttribute("aria-label", label);
  made.addEventListener("click", (/** @type {Event} */ event) => isAble(made) && act(event));
  return made;
}

/** @param {Element} button */
export const isAble = (button) => button.getAttribute("aria-disabled") !== "true";

/**
 * Say whether a button can be pressed. One that cannot is no stop of Tab, but it keeps the focus that it has:
 * with `disabled` the keyboard would be lost.
 * @param {HTMLElement} button
 * @param {boolean} can
 */
export function able(button, can) {
  attribute(button, "aria-disabled", can ? null : "true");
  attribute(button, "tabindex", can ? null : -1);
}

/**
 * Set a text or an attribute only where it differs, so that a step touches few nodes.
 * @param {any} node
 * @param {string} text
 */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string | number | null} value null takes the attribute away
 */
export function attribute(node, name, value) {
  if (value === null) {
    const hadFocus = name === "tabindex" && document.activeElement === node;
    node.removeAttribute(name);
    if (hadFocus && /** @type {HTMLElement} */ (node).tabIndex < 0) refocus(node);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/**
 * Give the focus that a part can no longer have to its stage, whose keys go where the focus is.
 * @param {Element} node
 */
function refocus(node) {
  /** @type {HTMLElement | null} */ (node.closest(".mm-stage"))?.focus({ preventScroll: true });
}

/**
 * Give what draws keyed parts [key, tag, attributes, text] into an SVG group, in their order.
 * @param {Element} root
 * @returns {(parts: [string, string, Record<string, string | number>, string?][]) => void}
 */
export function sketch(root) {
  /** @type {Map<string, {tag: string, node: any, was: Record<string, string>, text: string}>} */
  const known = new Map();
  return (parts) => {
    const kept = new Set(parts.map((part) => part[0]));
    for (const [key, held] of known) {
      if (kept.has(key)) continue;
      held.node.remove();
      known.delete(key);
    }
    /** @type {ChildNode | null} */
    let at = root.firstChild;
    for (const [key, tag, attributes, text = ""] of parts) {
      let held = known.get(key);
      if (!held || held.tag !== tag) {
        if (held) {
          if (held.node === at) at = /** @type {ChildNode} */ (at).nextSibling;
          held.node.remove();
        }
        held = { tag, node: drawn(tag, { "data-part": key }), was: {}, text: "" };
        known.set(key, held);
      }
      for (const name in attributes) {
        const value = String(attributes[name]);
        if (held.was[name] === value) continue;
        held.node.setAttribute(name, value);
        held.was[name] = value;
      }
      if (held.text !== text) held.node.textContent = held.text = text;
      if (held.node === at) at = /** @type {ChildNode} */ (at).nextSibling;
      else root.insertBefore(held.node, at);
    }
  };
}

/** Scroll a text by whole lines only. @param {HTMLElement} node all of whose lines have one height */
export function byLines(node) {
  node.addEventListener("scrollend", () => {
    const high = Number.parseFloat(getComputedStyle(node).lineHeight);
    const to = Math.round(node.scrollTop / high) * high;
    if (Math.abs(to - node.scrollTop) > 1) node.scrollTop = to;
  });
}
