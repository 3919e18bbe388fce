// Lets the keyboard walk the cells of a table, which is one stop of Tab. A cell with buttons is not
// stopped at, its buttons are, from the first to the last.

const PAGE = 8; // rows that PageUp and PageDown pass

// Rows may be hidden. Returns what to call when that has changed.
function walkable(table) {
  const stops = (cell) => {
    const buttons = [...cell.querySelectorAll("button")];
    return buttons.length ? buttons : [cell];
  };
  const cellsOf = (row) => [...row.cells].filter((cell) => cell.scope !== "rowgroup");
  const rows = () =>
    [...table.querySelectorAll("tbody:not([hidden]) > tr:not([hidden])")].filter((row) => cellsOf(row).length);
  for (const cell of table.querySelectorAll("tbody :is(th, td)")) for (const stop of stops(cell)) stop.tabIndex = -1;
  let held = null;
  const hold = (stop) => {
    if (held) held.tabIndex = -1;
    held = stop ?? null;
    if (held) held.tabIndex = 0;
  };

  // Where a key leads from the stop that has the focus, or undefined.
  const leads = ({ key, ctrlKey }) => {
    const all = rows();
    const cell = held.closest("th, td");
    const [row, cells, inside] = [all.indexOf(cell.parentElement), cellsOf(cell.parentElement), stops(cell)];
    const [column, at] = [cells.indexOf(cell), inside.indexOf(held)];
    const cellAt = (to, over) => cellsOf(all[Math.max(0, Math.min(to, all.length - 1))]).at(over);
    const within = (over) => stops(cells[Math.max(0, Math.min(over, cells.length - 1))])[0];
    switch (key) {
      case "ArrowDown":
        return inside[at + 1] ?? (row + 1 < all.length ? stops(cellAt(row + 1, column))[0] : held);
      case "ArrowUp":
        return inside[at - 1] ?? (row > 0 ? stops(cellAt(row - 1, column)).at(-1) : held);
      case "ArrowRight":
        return within(column + 1);
      case "ArrowLeft":
        return within(column - 1);
      case "PageDown":
        return stops(cellAt(row + PAGE, column))[0];
      case "PageUp":
        return stops(cellAt(row - PAGE, column))[0];
      case "Home":
        return ctrlKey ? stops(cellAt(0, 0))[0] : within(0);
      case "End":
        return ctrlKey ? stops(cellAt(all.length - 1, -1)).at(-1) : within(cells.length - 1);
      default:
        return undefined;
    }
  };
  table.addEventListener("focusin", (event) => {
    const stop = event.target.closest("button, th, td");
    if (stop !== held) hold(stop);
  });
  table.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || event.shiftKey || !held) return;
    const to = leads(event);
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    to.focus();
  });
  return () => {
    if (held?.offsetParent) return;
    const [row] = rows();
    hold(row && stops(cellsOf(row)[0])[0]);
  };
}
