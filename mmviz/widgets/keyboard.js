// Keeps the keys of a box of widgets; `ownKeys` and `present` come from the stage's code.

function render({ model, el }) {
  const leave = present(model);
  let frame = 0;
  let giveBack = () => {};
  const keep = () => {
    const box = el.closest(".mm-own-keys");
    if (box) giveBack = ownKeys(box);
    else frame = requestAnimationFrame(keep); // not on the page yet
  };
  keep();
  return () => {
    cancelAnimationFrame(frame);
    giveBack();
    leave();
  };
}

export default { render };
