// The table of a debate. A button asks the kernel for the run of its case; when the stage has
// come, the keyboard goes there. All text goes through textContent.

const SCENARIO = 0; // a heading of its rows
const FOUND = 5; // one line a finding

function element(tag, className, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function render({ model, el }) {
  const root = element("div", "mm-debate-root", "", { "data-lm-suppress-shortcuts": "true" });
  const asked = model.get("asked");
  const scroll = element("div", "mm-debate-scroll", "", { role: "region", tabindex: "0", "aria-label": asked });
  const table = element("table", "");
  const top = element("tr", "");
  const columns = model.get("head").filter((_, column) => column !== SCENARIO);
  for (const name of [...columns, "run"]) top.append(element("th", "", name, { scope: "col" }));
  const head = element("thead", "");
  head.append(top);
  table.append(element("caption", "", asked), head);

  const rows = model.get("rows");
  const lines = [];
  let body = null;
  let scenario = null;
  for (const [index, row] of rows.entries()) {
    if (row.cells[SCENARIO] !== scenario) {
      scenario = row.cells[SCENARIO];
      body = element("tbody", "");
      const group = element("tr", "");
      const wide = { scope: "rowgroup", colspan: String(columns.length + 1) };
      group.append(element("th", "mm-scenario", scenario, wide));
      body.append(group);
      table.append(body);
    }
    const line = element("tr", "");
    row.cells.forEach((text, column) => {
      if (column === SCENARIO) return;
      const isName = column === SCENARIO + 1;
      const isLast = column === row.cells.length - 1;
      const cell = element(isName ? "th" : "td", isLast ? "mm-states" : "", "", isName ? { scope: "row" } : {});
      if (column === FOUND) {
        for (const { text: words, bad } of row.findings) {
          cell.append(element("span", bad ? "mm-finding mm-bad" : "mm-finding", words));
        }
      } else cell.textContent = text;
      line.append(cell);
    });
    const last = element("td", "");
    if (row.fails) {
      const label = `show run of ${row.name}`;
      const button = element("button", "mm-button mm-open", "show run", { type: "button", "aria-label": label, title: label });
      button.addEventListener("click", () => ask(index));
      last.append(button);
    }
    line.append(last);
    lines.push(line);
    body.append(line);
  }
  const status = element("div", "mm-small mm-debate-status", "", { role: "status" });
  const error = element("div", "mm-error", "", { role: "alert" });
  scroll.append(table);
  root.append(scroll, element("div", "mm-small", model.get("small_print")), status, error);
  el.append(root);

  // Up and down go from button to button.
  table.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...table.querySelectorAll("button")];
    const at = buttons.indexOf(event.target);
    if (!by || at < 0) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(buttons.length - 1, at + by))].focus();
  });

  let arrival = null;
  const arrived = (index) => {
    const stage = el.closest(".mm-debate")?.querySelector(`.mm-row-${index} .mm-root`);
    if (!stage) return;
    arrival?.disconnect();
    arrival = null;
    root.removeAttribute("aria-busy");
    stage.focus();
  };
  const ask = (index) => {
    arrival?.disconnect();
    arrival = new MutationObserver(() => arrived(index));
    arrival.observe(el.closest(".mm-debate"), { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    root.setAttribute("aria-busy", "true");
    model.send({ open: index });
    arrived(index); // it may be there already
  };
  const draw = () => {
    const opened = model.get("opened");
    lines.forEach((line, index) => line.classList.toggle("mm-opened", index === opened));
    status.textContent = opened < 0 ? "" : `Below: a run of ${rows[opened].name}.`;
    error.textContent = model.get("error");
    error.hidden = !model.get("error");
  };
  const answered = () => {
    if (!model.get("error")) return;
    arrival?.disconnect();
    root.removeAttribute("aria-busy");
  };
  model.on("change:opened change:error", draw);
  model.on("change:answers", answered);
  draw();
  return () => {
    arrival?.disconnect();
    model.off("change:opened change:error", draw);
    model.off("change:answers", answered);
  };
}

export default { render };
