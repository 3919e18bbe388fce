// Goes through the states of a map by key; `ownKeys` comes from the stage's code.

const WAYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/** The state that an arrow leads to: nearest in the next column, or next in this one. */
function beyond(places, state, [across, down]) {
  const [x, y] = places[state];
  const away = ([atX, atY]) => (across ? Math.abs(atY - y) : (atY - y) * down);
  const isThere = ([atX, atY]) => atX === x + across && (across || (atY - y) * down > 0);
  let best = state;
  for (const [i, place] of places.entries())
    if (isThere(place) && (best === state || away(place) < away(places[best]))) best = i;
  return best;
}

function render({ model, el }) {
  const node = document.createElement("div");
  node.className = "mm-walk mm-own-keys";
  node.tabIndex = 0;
  for (const [name, value] of [
    ["role", "slider"],
    ["aria-label", "a state of the map: the arrows go from one to the next, Enter goes there on the stage"],
    ["aria-valuemin", 0],
  ])
    node.setAttribute(name, String(value));
  const draw = () => {
    node.textContent = model.get("value");
    node.setAttribute("aria-valuemax", String(model.get("places").length - 1));
    node.setAttribute("aria-valuenow", String(model.get("state")));
    node.setAttribute("aria-valuetext", model.get("value"));
  };
  const ring = async (isSeen) => {
    const mark = await model.widget_manager.get_model(model.get("ring").slice("IPY_MODEL_".length));
    const [x, y] = model.get("places")[model.get("state")];
    mark.set({ x: Float64Array.from([x]), y: Float64Array.from([y]), visible: isSeen });
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const places = model.get("places");
    const at = model.get("state");
    const ends = { Home: 0, End: places.length - 1 };
    const to = event.key in WAYS ? beyond(places, at, WAYS[event.key]) : (ends[event.key] ?? -1);
    if (event.key === "Enter" || event.key === " ") model.send({ go: at });
    else if (to < 0) return;
    else if (to !== at) {
      model.set({ state: to, value: `${places[to][0]} steps from the start …` });
      model.save_changes();
    }
    ring(true);
    event.preventDefault();
  };
  node.addEventListener("keydown", pressed);
  node.addEventListener("focus", () => ring(true));
  node.addEventListener("blur", () => ring(false));
  const giveBack = ownKeys(node);
  model.on("change:value", draw);
  model.on("change:state", draw);
  el.append(node);
  draw();
  return () => {
    giveBack();
    model.off("change:value", draw);
    model.off("change:state", draw);
  };
}

export default { render };
