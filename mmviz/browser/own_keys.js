// Keeps what is pressed in a widget from JupyterLab, whose single letters edit the notebook: D twice deletes
// the cell. Its attribute `data-lm-suppress-shortcuts` keeps them only where it stands on the focused element
// itself. Tab and what is pressed with Ctrl, Alt or Meta go on.

/**
 * @param {HTMLElement} node of the whole widget
 * @returns {() => void} what gives the keys back
 */
export function ownKeys(node) {
  const stop = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Tab" && !event.ctrlKey && !event.altKey && !event.metaKey) event.stopPropagation();
  };
  node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.addEventListener("keydown", stop);
  return () => node.removeEventListener("keydown", stop);
}
