// One sentence on whatever the pointer is on, beside it and never under it; a tap shows it, too.

const BELOW = 18; // pixels from the pointer
const STAYS = 6000; // ms after a tap

function explain(stage, model) {
  const tip = element("div", "mm-tip mm-theme", "", { role: "tooltip" });
  tip.hidden = true;
  document.body.append(tip);
  let timer = null;
  const sentence = (x, y) => {
    for (const part of document.elementsFromPoint(x, y)) {
      if (!stage.contains(part) || part === stage) break;
      const name = part.__data__ && part.__data__.name;
      const said = part.dataset.tip || (typeof name === "string" && model.get("tips")[name]);
      if (said) return said;
    }
    return "";
  };
  const hide = () => {
    clearTimeout(timer);
    tip.hidden = true;
  };
  const show = ({ clientX, clientY }) => {
    const said = sentence(clientX, clientY);
    tip.hidden = !said;
    if (!said) return;
    if (tip.textContent !== said) tip.textContent = said;
    tip.style.fontSize = getComputedStyle(stage).fontSize;
    const { width, height } = tip.getBoundingClientRect();
    const fitsBelow = clientY + BELOW + height < window.innerHeight;
    tip.style.left = `${Math.max(4, Math.min(clientX + 4, window.innerWidth - width - 8))}px`;
    tip.style.top = `${fitsBelow ? clientY + BELOW : clientY - BELOW / 2 - height}px`;
  };
  let latest = null;
  const moved = (event) => {
    if (event.pointerType === "touch") return;
    if (!latest) requestAnimationFrame(() => {
      show(latest);
      latest = null;
    });
    latest = event;
  };
  const tapped = (event) => {
    if (event.pointerType !== "touch") return;
    show(event);
    clearTimeout(timer);
    timer = setTimeout(hide, STAYS);
  };
  const heard = [
    ["pointermove", moved],
    ["pointerup", tapped],
    ["pointerleave", hide],
    ["keydown", hide],
    ["wheel", hide],
  ];
  for (const [event, act] of heard) stage.addEventListener(event, act, { passive: true });
  return () => {
    hide();
    tip.remove();
    for (const [event, act] of heard) stage.removeEventListener(event, act);
  };
}
