// Every open view as text, at the frame shown, and what the words on the pictures mean.

function textTwin(model) {
  const box = element("div", "mm-twin", "", { tabindex: "0", role: "region", "aria-label": "the run as text" });
  const views = element("div", "mm-twin-views");
  const words = element("dl", "mm-twin-words");
  box.hidden = true;
  box.append(views, words);
  const draw = () => {
    if (box.hidden) return;
    const now = model.get("now");
    const titles = Object.fromEntries(model.get("views").map((view) => [view.name, view.title]));
    views.replaceChildren(
      ...model.get("on_screen").flatMap((name) => {
        if (!now[name]) return [];
        const said = element("pre", "mm-twin-text", now[name].twin.lines.join("\n"));
        return [element("div", "mm-twin-title", titles[name], { role: "heading", "aria-level": "4" }), said];
      }),
    );
  };
  // What is on the pictures, in the order it stands there, each sentence once.
  const list = () => {
    const stage = box.closest(".mm-stage");
    if (box.hidden || !stage) return;
    const tips = model.get("tips");
    const told = new Set();
    for (const mark of stage.querySelectorAll(".mm-canvas path.line")) {
      const name = mark.__data__ && mark.__data__.name;
      if (typeof name === "string" && tips[name] && !name.startsWith("step:")) told.add(tips[name]);
    }
    words.replaceChildren(
      element("dt", "mm-twin-title", "What the words mean"),
      ...[...told].map((said) => element("dd", "", said)),
    );
  };
  return {
    box,
    draw,
    toggle() {
      box.hidden = !box.hidden;
      draw();
      list();
    },
    list,
  };
}
