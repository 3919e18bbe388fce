// The keyboard stays on the stage.

/**
 * Keep the keyboard: when the focused control goes away or is disabled, the stage has the focus.
 * @param {HTMLElement} root
 * @returns {() => void} what takes it off again
 */
export function guard(root) {
  /** @type {any} */
  let held = null;
  const isThere = () => held.isConnected && !held.disabled && !held.closest("[hidden]");
  const check = () => {
    if (!held || isThere()) return;
    held = null;
    const { activeElement } = document;
    if (!activeElement || activeElement === document.body || root.contains(activeElement))
      root.focus({ preventScroll: true });
  };
  const take = (/** @type {FocusEvent} */ event) => {
    held = event.target;
  };
  const drop = () => {
    const was = held; // it may be about to be removed
    setTimeout(() => {
      check();
      if (held === was) held = null;
    });
  };
  const watched = new MutationObserver(check);
  watched.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled", "hidden"] });
  root.addEventListener("focusin", take);
  root.addEventListener("focusout", drop);
  return () => {
    watched.disconnect();
    root.removeEventListener("focusin", take);
    root.removeEventListener("focusout", drop);
  };
}
