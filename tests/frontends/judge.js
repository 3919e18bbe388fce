// What is wrong with the looks of what mmviz shows on this page: a list of sentences, [] for nothing.
(() => {
  const wrong = [];
  const ours = ".mm-stage, .mm-cases-root, .mm-entry, .mm-instead, .mm-picture, .mm-image, table, [data-judged]";
  const isShown = (node) => {
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(node).visibility === "visible";
  };
  const numbers = (colour) => {
    const found = colour.match(/[\d.]+/g)?.map(Number);
    return found && (colour.startsWith("color(") ? [...found.slice(-4, -1).map((part) => part * 255), found.at(-1)] : found);
  };
  const channel = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement || at.getRootNode().host) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour && (colour[3] ?? 1) > 0.9) return colour;
    }
    return [255, 255, 255];
  };
  const roots = (within) => {
    const found = [...within.querySelectorAll(ours)];
    for (const each of within.querySelectorAll("*")) if (each.shadowRoot) found.push(...roots(each.shadowRoot));
    return found;
  };
  const all = roots(document).filter(isShown);
  for (const root of all) {
    for (const node of [root, ...root.querySelectorAll("*")]) {
      const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
      if (!text || node.closest("svg, style, script, :disabled, option, .mm-status") || !isShown(node)) continue;
      const [ink, paper] = [numbers(getComputedStyle(node).color), ground(node)].map(luminance);
      const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      const dim = node.closest(".mm-blocked, .mm-finished, [aria-disabled=true]");
      if (contrast < (dim ? 2.5 : 4.5)) {
        wrong.push(`${node.className || node.localName} “${node.textContent.trim().slice(0, 30)}”: contrast ${contrast.toFixed(1)}`);
      }
    }
    for (const row of root.querySelectorAll("tr")) {
      const cells = [...row.cells].filter(isShown);
      for (const [number, cell] of cells.slice(1).entries()) {
        const gap = Number.parseFloat(getComputedStyle(cell).paddingLeft) + Number.parseFloat(getComputedStyle(cells[number]).paddingRight);
        if (gap < 4) wrong.push(`columns touch: “${cell.textContent.trim().slice(0, 30)}”`);
      }
    }
    for (const code of root.querySelectorAll(".mm-code, .mm-diff, .mm-picture text")) {
      if (!isShown(code)) continue;
      const pen = document.createElement("canvas").getContext("2d");
      pen.font = `13px ${getComputedStyle(code).fontFamily}`;
      if (Math.abs(pen.measureText("iiiiii").width - pen.measureText("MMMMMM").width) > 1) {
        wrong.push(`not monospace: ${getComputedStyle(code).fontFamily}`);
      }
    }
  }
  return [...new Set(wrong)];
})()
