// The code of the actors, the line each would do next lit. `lit` is set by the pictures.
// A long line may break after a dot or a bracket, and hangs below its own indentation.

function render({ model, el }) {
  const panel = document.createElement("div");
  panel.className = "mm-listings";
  const draw = () => {
    panel.replaceChildren(
      ...model.get("listings").map((listing) => {
        const figure = document.createElement("figure");
        const caption = document.createElement("figcaption");
        caption.className = "mm-listing-title";
        const code = document.createElement("pre");
        code.className = "mm-code";
        code.tabIndex = -1;
        code.append(
          ...listing.lines.map((line) => {
            const row = document.createElement("div");
            const text = line.trimStart();
            row.style.setProperty("--mm-indent", String((line.length - text.length) / 2));
            for (const part of text.split(/(?<=[.,])|(?<=\()(?!\))/)) row.append(part, document.createElement("wbr"));
            if (!text) row.append("\u00a0");
            return row;
          }),
        );
        figure.dataset.actor = listing.actor;
        figure.append(caption, code);
        return figure;
      }),
    );
    light();
  };
  // Asking where things are makes a browser lay everything out, so it waits for the others.
  const unseen = new Map();
  const reveal = () => {
    const moves = [];
    for (const [code, row] of unseen) {
      const above = row.offsetTop - code.offsetTop;
      const hidden = above < code.scrollTop || above + row.offsetHeight > code.scrollTop + code.clientHeight;
      if (hidden) moves.push([code, above - code.clientHeight / 2]);
    }
    unseen.clear();
    for (const [code, top] of moves) code.scrollTop = top;
  };
  const light = () => {
    const lit = model.get("lit");
    [...panel.children].forEach((figure, index) => {
      const { line = -1, outer = [], role = "", note = "" } = lit[index] || {};
      const [caption, code] = figure.children;
      caption.textContent = figure.dataset.actor + (note ? ` · ${note}` : "");
      [...code.children].forEach((row, number) => {
        const mark = number === line ? `mm-lit mm-lit-${role}` : outer.includes(number) ? "mm-outer" : "";
        if (row.className !== mark) row.className = mark;
      });
      if (line >= 0) unseen.set(code, code.children[line]);
    });
    if (unseen.size) requestAnimationFrame(reveal);
  };
  model.on("change:listings", draw);
  model.on("change:lit", light);
  el.append(panel);
  draw();
  return () => {
    model.off("change:listings", draw);
    model.off("change:lit", light);
  };
}

export default { render };
