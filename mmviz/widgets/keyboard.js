// Keeps the keys of a box of widgets; `ownKeys` comes from the stage's code.

function render({ el }) {
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
  };
}

export default { render };
