// A style sheet for the widgets beside it; `present` comes from the stage's code.

function render({ model, el }) {
  const style = document.createElement("style");
  style.textContent = model.get("value");
  el.append(style);
  return present(model);
}

export default { render };
