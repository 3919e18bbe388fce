// What moves or does not fit while each case's run is stepped through; run in a plain page.

(sources) => {
  const HEIGHT = 560; // px of a stage
  const SMALLEST = 10.9; // px of type
  const PANES = ["promise", "controls", "code", "memory", "strip", "caption"];
  // What a step says anew has its place: a number, a key, a sentence. All else stands still.
  const SAID = [
    ...[".mm-choose", ".mm-choose *", ".mm-row *", ".mm-line", ".mm-line *", ".mm-fault", ".mm-loss"],
    ...[".mm-diff", ".mm-noted", ".mm-noted *", "option", ".mm-tip", "svg *", "[hidden]", "[hidden] *"],
  ].join();
  const host = document.getElementById("stage");
  const named = (node) => `${node.localName}.${[...node.classList].join(".")}`;

  const check = (source) => {
    const faults = new Set();
    const close = window.mountOf(host, source);
    const { view, session } = close;
    const root = host.querySelector(".mm-stage");
    const still = [...root.querySelectorAll("*")].filter((node) => !node.matches(SAID));
    const place = (node) =>
      node.localName === "svg"
        ? ""
        : `${node.offsetLeft} ${node.offsetTop} ${node.offsetWidth} ${node.offsetHeight}`;
    const before = still.map(place);
    for (let k = 0; k <= session.last; k++) {
      view.deeds.acts.go(k);
      view.clock.tick(performance.now());
      const stage = root.getBoundingClientRect();
      if (root.offsetHeight !== HEIGHT) faults.add(`${root.offsetHeight} px high`);
      for (const pane of PANES) {
        const found = root.querySelectorAll(`[data-pane="${pane}"]`);
        if (!found.length) faults.add(`no pane ${pane}`);
        for (const node of found) {
          const box = node.getBoundingClientRect();
          const across = box.left >= stage.left - 1 && box.right <= stage.right + 1;
          const down = box.top >= stage.top - 1 && box.bottom <= stage.bottom + 1;
          if (!across || !down) faults.add(`${pane} is outside`);
        }
      }
      still.forEach((node, i) => {
        const now = place(node);
        const moved = now !== before[i] && node.isConnected;
        if (moved) faults.add(`step ${k}: ${named(node)} moved from ${before[i]} to ${now}`);
      });
      if (!root.querySelector('[data-pane="memory"] [data-key]')) faults.add("memory has no marks");
      const state = JSON.parse(root.dataset.state);
      if (state.cursor !== k) faults.add(`cursor ${state.cursor} at step ${k}`);
    }
    for (const drawn of root.querySelectorAll("[data-pane] svg")) {
      const scale = drawn.querySelector("text")?.getScreenCTM().a ?? 1;
      const sizes = new Map(); // of the texts of a class
      for (const text of drawn.querySelectorAll("text")) {
        if (text.textContent && !sizes.has(text.className.baseVal)) {
          sizes.set(text.className.baseVal, Number.parseFloat(getComputedStyle(text).fontSize) * scale);
        }
      }
      for (const [role, size] of sizes) {
        if (size < SMALLEST) faults.add(`type of ${size.toFixed(1)} px: ${role}`);
      }
    }
    for (const node of root.querySelectorAll("button, .mm-promise-words, .mm-row")) {
      const style = getComputedStyle(node);
      const isCut = node.scrollWidth > node.clientWidth + 1 && style.overflow !== "visible";
      if (isCut && style.textOverflow !== "ellipsis") faults.add(`${named(node)} is cut`);
    }
    close();
    if (host.childElementCount) faults.add("the stage is still there after it was closed");
    return [...faults].slice(0, 6);
  };

  const found = Object.entries(sources).map(([name, source]) => [name, check(source)]);
  return Object.fromEntries(found.filter(([, faults]) => faults.length));
};
