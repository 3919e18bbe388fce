// Moves a mark of a plot with the cursor of a stage, in the browser: no message goes to the kernel.

async function initialize({ model }) {
  const find = (name) => model.widget_manager.get_model(model.get(name).slice("IPY_MODEL_".length));
  const [stage, mark] = await Promise.all([find("stage"), find("mark")]);
  let k = stage.get("at").k;
  const follow = () => {
    const places = model.get("places");
    const [x, y] = places[Math.max(0, Math.min(k, places.length - 1))];
    mark.set({ x: Float64Array.from(x), y: Float64Array.from(y) });
  };
  const stepped = () => {
    k = stage.get("k");
    follow();
  };
  const visited = () => {
    k = stage.get("at").k; // Python sets no more than this, and a stage that is not on the page does not answer
    follow();
  };
  stage.on("change:k", stepped);
  stage.on("change:at", visited);
  model.on("change:places", follow);
  model.on("destroy", () => {
    stage.off("change:k", stepped);
    stage.off("change:at", visited);
  });
  follow();
}

export default { initialize };
