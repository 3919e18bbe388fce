// Moves a mark of a plot with the cursor of a stage, in the browser: no message goes to the kernel.

async function initialize({ model }) {
  const find = (name) => model.widget_manager.get_model(model.get(name).slice("IPY_MODEL_".length));
  const [stage, mark] = await Promise.all([find("stage"), find("mark")]);
  const follow = () => {
    const places = model.get("places");
    const [x, y] = places[Math.max(0, Math.min(stage.get("k"), places.length - 1))];
    mark.set({ x: Float64Array.from(x), y: Float64Array.from(y) });
  };
  stage.on("change:k", follow);
  model.on("change:places", follow);
  model.on("destroy", () => stage.off("change:k", follow));
  follow();
}

export default { initialize };
