// A table of cases, under a heading for each group. A button asks the kernel for a run; when its
// stage has come, the keyboard goes there. Filters ask the kernel which rows to show. The table is
// one stop of Tab: arrows, Home, End and the page keys move in it. All text goes through textContent.

const PAUSE = 250; // ms without typing before the kernel is asked

// A long name of C may break after each of its underscores; what is copied stays as it was.
function breakable(text) {
  const pieces = text.split(/(?<=[a-z]_)(?=[a-z])/);
  return pieces.flatMap((piece, index) => (index ? [document.createElement("wbr"), piece] : [piece]));
}

let tables = 0; // on the page, so that names of parts differ

function render({ model, el }) {
  const root = element("div", "mm-cases-root");
  ownKeys(root);
  const asked = model.get("asked");
  const columns = model.get("head");
  const rows = model.get("rows");

  // What to look for.
  const bar = element("div", "mm-filters", "", { role: "search", "aria-label": "Find cases" });
  const fields = {};
  let wait = 0;
  const find = () => {
    clearTimeout(wait);
    const sought = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
    model.send({ find: sought });
  };
  for (const { name, label, options, hint } of model.get("filters")) {
    const field = options ? element("select", "mm-field") : element("input", "mm-field", "", { type: "search", placeholder: hint });
    for (const value of options ?? []) field.append(element("option", "", value || "any", { value }));
    field.addEventListener(options ? "change" : "input", () => {
      clearTimeout(wait);
      wait = setTimeout(find, options ? 0 : PAUSE);
    });
    field.setAttribute("aria-label", label);
    fields[name] = field;
    const named = element("label", "mm-filter", label);
    named.append(field);
    bar.append(named);
  }

  const mine = `mm-cases-${tables++}`;
  const scroll = element("div", "mm-cases-scroll");
  const table = element("table", "", "", { role: "grid", "aria-readonly": "true" });
  const top = element("tr", "");
  for (const name of columns) top.append(element("th", "", name, { scope: "col" }));
  const head = element("thead", "");
  head.append(top);
  table.append(element("caption", "", asked), head);
  const lines = [];
  const bodies = [];
  let group = null;
  for (const [index, row] of rows.entries()) {
    if (row.group !== group) {
      group = row.group;
      const title = element("tr", "");
      const id = `${mine}-${bodies.length}`;
      title.append(element("th", "mm-group", group, { id, scope: "rowgroup", colspan: String(columns.length) }));
      const body = element("tbody", "");
      body.append(title);
      bodies.push({ body, lines: [] });
      table.append(body);
    }
    const line = element("tr", "");
    const about = { scope: "row", "aria-describedby": `${mine}-${bodies.length - 1}` };
    row.cells.forEach((parts, column) => {
      const cell = column ? element("td", "") : element("th", "", "", about);
      for (const { text, look = "", opens = "" } of parts) {
        const part = element(opens ? "button" : "span", `mm-part ${look}`);
        part.append(...breakable(text));
        if (opens) {
          part.type = "button";
          part.title = `${opens}: ${row.name}`;
          part.setAttribute("aria-label", `${text.trim()}, ${part.title}`);
          part.dataset.opens = opens;
          part.addEventListener("click", () => open(index, opens));
        }
        cell.append(part);
      }
      line.append(cell);
    });
    lines.push(line);
    bodies.at(-1).lines.push(line);
    bodies.at(-1).body.append(line);
  }
  const status = element("div", "mm-small mm-cases-status", "", { role: "status" });
  const error = element("div", "mm-error", "", { role: "alert" });
  scroll.append(table);
  if (bar.children.length) root.append(bar);
  root.append(scroll, status, element("div", "mm-small", model.get("small_print")), error);
  el.append(root);

  const settleKeyboard = walkable(table);

  let arrival = null;
  const settle = () => {
    arrival?.disconnect();
    arrival = null;
    root.removeAttribute("aria-busy");
  };
  const arrived = (number) => {
    const stage = el.closest(".mm-cases")?.querySelector(`.mm-opened-${number} .mm-stage`);
    if (!stage) return;
    settle();
    stage.focus();
  };
  const open = (row, what) => {
    settle();
    const number = model.get("answers") + 1;
    arrival = new MutationObserver(() => arrived(number));
    arrival.observe(el.closest(".mm-cases"), { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    root.setAttribute("aria-busy", "true");
    model.send({ open: row, what });
  };
  const draw = () => {
    const opened = model.get("opened");
    lines.forEach((line, index) => {
      line.classList.toggle("mm-opened", index === opened);
      line.setAttribute("aria-selected", String(index === opened));
      for (const button of line.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(index === opened && button.dataset.opens === model.get("opens")));
      }
    });
    status.textContent = model.get("status");
    error.textContent = model.get("error");
    error.hidden = !model.get("error");
  };
  const sift = () => {
    const shown = new Set(model.get("shown"));
    lines.forEach((line, index) => { line.hidden = !shown.has(index); });
    for (const each of bodies) each.body.hidden = each.lines.every((line) => line.hidden);
    settleKeyboard();
  };
  const answered = () => {
    if (model.get("error")) settle();
  };
  model.on("change:opened change:opens change:status change:error", draw);
  model.on("change:shown", sift);
  model.on("change:answers", answered);
  draw();
  sift();
  const leave = present(model);
  return () => {
    leave();
    clearTimeout(wait);
    settle();
    model.off("change:opened change:opens change:status change:error", draw);
    model.off("change:shown", sift);
    model.off("change:answers", answered);
  };
}

export default { render };
