// The stage's buttons, keys and status line. It holds the film: what each frame sets on the
// plot marks and the code panel. A step sets those traits right here in the browser, so that
// playing needs no kernel; only choosing an actor asks it. `k`, the frame shown, is the truth.
// All text goes through textContent.

const KEYS = [
  ["→ ↓", "one step on"],
  ["← ↑", "one step back"],
  ["Home End", "first and last step"],
  ["space", "play and pause"],
  ["1 … 9", "let this actor go next"],
  ["?", "show and hide this list"],
];
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function element(tag, className, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// What bqplot's own deserializer yields for numbers: typed arrays, one a row.
function typed(value) {
  if (!Array.isArray(value)) return value;
  if (typeof value[0] === "number") return Float64Array.from(value);
  return Array.isArray(value[0]) ? value.map(typed) : value;
}

// Several traits may change at once; what follows from them is done once, before the next paint.
function once(act) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      act();
    });
  };
}

const last = (model) => model.get("captions").length - 1;
const clamp = (model, k) => Math.max(0, Math.min(k, last(model)));

async function initialize({ model }) {
  const targets = {};
  for (const [name, reference] of Object.entries(model.get("targets"))) {
    targets[name] = await model.widget_manager.get_model(reference.slice("IPY_MODEL_".length));
  }
  // What each trait shows now. A film stores each value once, so in one film the same value is
  // the same object; in a new film (the kernel made another frame) it is at best an equal one.
  const shown = {};
  const same = (one, other) => one === other || JSON.stringify(one) === JSON.stringify(other);
  let text = null;
  let film = null;
  const show = () => {
    const is = text === model.get("film") ? Object.is : same;
    if (text !== model.get("film")) {
      text = model.get("film");
      film = JSON.parse(text);
    }
    const k = clamp(model, model.get("k"));
    for (const [name, reels] of Object.entries(film)) {
      const changed = {};
      for (const [trait, reel] of Object.entries(reels)) {
        const value = reel.values[reel.at[k]];
        const key = name + "." + trait;
        if (!is(value, shown[key])) changed[trait] = trait === "x" || trait === "y" ? typed(value) : value;
        shown[key] = value;
      }
      if (Object.keys(changed).length) targets[name].set(changed);
    }
  };
  model.on("change:k change:film", once(show));
  show();
  model.set("ready", true);
}

function render({ model, el }) {
  const root = element("div", "mm-root", "", {
    tabindex: "0",
    role: "group",
    "aria-label": model.get("title"),
    "aria-keyshortcuts": "ArrowRight ArrowLeft Home End Space ?",
    "data-lm-suppress-shortcuts": "true",
  });
  const title = element("div", "mm-title");
  title.append(element("strong", "", model.get("title")), element("span", "mm-subtitle", model.get("subtitle")));
  const promises = element("div", "mm-promises");
  const goal = element("div", "mm-goal");
  const bar = element("div", "mm-toolbar", "", { role: "toolbar", "aria-label": "steps" });
  const button = (name, sign, label, act) => {
    const made = element("button", `mm-button mm-${name}`, sign, { type: "button", "aria-label": label, title: label });
    made.addEventListener("click", act);
    bar.append(made);
    return made;
  };
  const go = (k) => {
    const to = clamp(model, k);
    if (to !== model.get("k")) model.set("k", to);
  };

  let timer = null;
  const pause = () => {
    clearInterval(timer);
    timer = null;
    draw();
  };
  const play = () => {
    if (timer) return pause();
    if (model.get("k") >= last(model)) go(0);
    timer = setInterval(() => {
      go(model.get("k") + 1);
      if (model.get("k") >= last(model) || model.get("stops").includes(model.get("k"))) pause();
    }, model.get("pace"));
    return draw();
  };
  const by = (steps) => {
    if (timer) pause();
    go(model.get("k") + steps);
  };

  const first = button("first", "|◀", "first step", () => by(-Infinity));
  const back = button("back", "◀", "one step back", () => by(-1));
  const playing = button("play", "play", "play", play);
  const next = button("next", "▶", "one step on", () => by(1));
  const end = button("last", "▶|", "last step", () => by(Infinity));
  const slider = element("input", "mm-slider", "", { type: "range", min: "0", step: "1", "aria-label": "step" });
  slider.addEventListener("input", () => by(Number(slider.value) - model.get("k")));
  const count = element("span", "mm-count");
  const runs = element("select", "mm-runs", "", { "aria-label": "run" });
  runs.addEventListener("change", () => model.send({ run: Number(runs.value) }));
  bar.append(slider, count, runs);
  button("text", "text", "show the run as text", () => {
    twin.hidden = !twin.hidden;
  });
  button("help", "?", "list the keys", () => {
    keys.hidden = !keys.hidden;
  });
  const status = element("div", "mm-status", "", { role: "status", "aria-live": "polite" });
  const choices = element("div", "mm-choices", "", { role: "group", "aria-label": "who goes next" });
  const keys = element("div", "mm-keys");
  keys.hidden = true;
  for (const [key, meaning] of KEYS) {
    const line = element("span", "mm-key");
    line.append(element("kbd", "", key), " " + meaning);
    keys.append(line);
  }
  const twin = element("pre", "mm-twin", "", { tabindex: "0", "aria-label": "the run as text" });
  twin.hidden = true;
  const error = element("div", "mm-error", "", { role: "alert" });

  // One question at a time: what is pressed while the kernel thinks waits for its answer.
  const waiting = [];
  const choose = (actor) => {
    if (timer) pause();
    if (root.hasAttribute("aria-busy")) return waiting.push(actor);
    root.setAttribute("aria-busy", "true");
    return model.send({ choose: actor, k: model.get("k") });
  };
  const answered = () => {
    root.removeAttribute("aria-busy");
    if (waiting.length) choose(waiting.shift());
  };
  const drawChoices = (k) => {
    const offered = model.get("choices")[k] || [];
    const focused = choices.contains(document.activeElement);
    choices.hidden = offered.length === 0;
    choices.replaceChildren(
      ...offered.map((choice, index) => {
        const made = element("button", "mm-button mm-choose", "", { type: "button", "data-actor": choice.actor });
        made.append(
          element("span", "mm-digit", String(index + 1), { "aria-hidden": "true" }),
          element("span", "mm-actor", choice.actor),
          element("span", "mm-does", choice.does),
        );
        if (choice.why) made.append(element("span", "mm-why", choice.why));
        made.disabled = !choice.enabled;
        made.addEventListener("click", () => choose(choice.actor));
        return made;
      }),
    );
    if (focused) root.focus({ preventScroll: true });
  };
  // Both faces of a promise lie in one cell of a grid, one of them hidden: nothing moves when it breaks.
  let told = "";
  const drawPromises = (k) => {
    const tell = JSON.stringify([model.get("promises"), model.get("promises").map((p) => p.broken <= k)]);
    if (tell === told) return;
    told = tell;
    promises.replaceChildren(
      ...model.get("promises").map((promise) => {
        const broken = promise.broken >= 0 && promise.broken <= k;
        if (!promise.words && !broken) return "";
        const made = element("div", "mm-promise-cell");
        const face = (isShown, className, sign, words) => {
          const side = element("div", `mm-promise ${className}`, "", isShown ? {} : { "aria-hidden": "true" });
          side.append(element("span", "mm-sign", sign, { "aria-hidden": "true" }), element("span", "mm-words", words));
          side.classList.toggle("mm-away", !isShown);
          if (words) made.append(side);
        };
        face(!broken, "mm-kept", "✓", promise.words);
        face(broken, "mm-broken", "✗", promise.failure);
        return made;
      }),
    );
  };
  const draw = () => {
    const k = clamp(model, model.get("k"));
    const ready = model.get("ready");
    const off = (button, isOff) => {
      if (isOff && button === document.activeElement) root.focus({ preventScroll: true });
      button.disabled = isOff;
    };
    off(first, !ready || k === 0);
    off(back, !ready || k === 0);
    off(next, !ready || k >= last(model));
    off(end, !ready || k >= last(model));
    off(playing, !ready || last(model) === 0);
    playing.textContent = timer ? "pause" : "play";
    playing.setAttribute("aria-label", timer ? "pause" : "play");
    playing.title = timer ? "pause" : "play";
    slider.max = String(last(model));
    slider.value = String(k);
    slider.disabled = !ready;
    slider.setAttribute("aria-valuetext", `step ${k} of ${last(model)}`);
    count.textContent = `${k}/${last(model)}`;
    status.textContent = model.get("captions")[k];
    status.classList.toggle("mm-broken", model.get("stops").includes(k));
    root.dataset.k = String(k);
    const won = model.get("won");
    goal.hidden = !model.get("goal");
    goal.textContent = won >= 0 && won <= k ? model.get("victory") : model.get("goal");
    goal.classList.toggle("mm-won", won >= 0 && won <= k);
    drawPromises(k);
    drawChoices(k);
  };
  const drawRuns = () => {
    const names = model.get("runs");
    runs.hidden = names.length < 2;
    runs.replaceChildren(...names.map((name, index) => element("option", "", name, { value: String(index) })));
    runs.value = String(model.get("run"));
  };
  const drawTwin = () => {
    twin.textContent = model.get("twin");
  };
  const drawError = () => {
    error.textContent = model.get("error");
    error.hidden = !model.get("error");
  };

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || [runs, twin].includes(event.target)) return;
    const onButton = event.target instanceof HTMLButtonElement;
    if (event.key in STEPS) by(STEPS[event.key]);
    else if (event.key === "Home") by(-Infinity);
    else if (event.key === "End") by(Infinity);
    else if (event.key === " " && !onButton) play();
    else if (event.key === "?") keys.hidden = !keys.hidden;
    else if (event.key >= "1" && event.key <= "9") {
      const wanted = choices.children[Number(event.key) - 1];
      if (wanted && (root.hasAttribute("aria-busy") || !wanted.disabled)) choose(wanted.dataset.actor);
    } else return; // Tab, and all that is not ours
    if (!onButton || event.key !== " ") event.preventDefault();
    event.stopPropagation();
  });
  // A click on a row of the picture goes there; a click anywhere on the stage brings the keys.
  const clicked = (event) => {
    const key = (event.target.__data__ || {}).name;
    if (typeof key === "string" && key.startsWith("step:")) by(Number(key.slice(5)) - model.get("k"));
    if (!root.contains(document.activeElement) && !window.getSelection().toString()) {
      root.focus({ preventScroll: true });
    }
  };
  let stage = null;
  const found = requestAnimationFrame(() => {
    stage = el.closest(".mm-stage");
    if (!stage) return;
    stage.addEventListener("click", clicked);
    // The status line, the code and the text say what the pictures show.
    for (const canvas of stage.querySelectorAll(".mm-canvas")) canvas.setAttribute("aria-hidden", "true");
  });

  const watched = [
    ["change:k change:captions change:choices change:promises change:ready change:won change:goal", once(draw)],
    ["change:runs change:run", drawRuns],
    ["change:twin", drawTwin],
    ["change:error", drawError],
    ["change:answers", answered],
  ];
  for (const [events, act] of watched) model.on(events, act);
  root.append(title, promises, goal, bar, keys, status, choices, twin, error);
  el.append(root);
  draw();
  drawRuns();
  drawTwin();
  drawError();
  return () => {
    clearInterval(timer);
    cancelAnimationFrame(found);
    if (stage) stage.removeEventListener("click", clicked);
    for (const [events, act] of watched) model.off(events, act);
  };
}

export default { initialize, render };
