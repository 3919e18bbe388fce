// The stage's buttons, keys and status line. Playing needs no kernel, as the pictures are here; only
// choosing an actor asks it. `k`, the frame shown, is the truth.

const KEYS = [
  ["→ ↓", "one step on"],
  ["← ↑", "one step back"],
  ["Home End", "first and last step"],
  ["space", "play and pause"],
  ["1 … 9", "let this actor go next"],
  ["+ −", "larger and smaller type"],
  ["?", "show and hide this list"],
];
const ZOOMS = [70, 85, 100, 115, 130, 150, 175, 200, 250];
const LARGER = { "+": 1, "=": 1, "-": -1, "−": -1 };
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

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
  const limits = element("details", "mm-limits");
  limits.append(element("summary", "", model.get("memory")), element("div", "mm-limits-text", model.get("limits")));
  title.append(limits);
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

  let stage = null;
  let timer = null;
  const pause = () => {
    clearInterval(timer);
    timer = null;
    draw();
  };
  const play = () => {
    if (timer) return pause();
    if (model.get("k") >= model.get("last")) go(0);
    timer = setInterval(() => {
      go(model.get("k") + 1);
      if (model.get("k") >= model.get("last") || model.get("stops").includes(model.get("k"))) pause();
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
    twin.toggle();
  });
  button("help", "?", "list the keys", () => {
    keys.hidden = !keys.hidden;
  });
  const status = element("div", "mm-status", "", { role: "status", "aria-live": "polite" });
  const choices = element("div", "mm-choices", "", { role: "group", "aria-label": "next step" });
  const keys = element("div", "mm-keys");
  keys.hidden = true;
  for (const [key, meaning] of KEYS) {
    const line = element("span", "mm-key");
    line.append(element("kbd", "", key), " " + meaning);
    keys.append(line);
  }
  const twin = textTwin(model);
  const views = element("div", "mm-toolbar mm-toggles", "", { role: "group", "aria-label": "views" });
  const toggle = (name) => {
    const open = model.get("on_screen");
    const wanted = open.includes(name) ? open.filter((each) => each !== name) : [...open, name];
    model.set("on_screen", wanted);
    model.send({ open: wanted, k: model.get("k") });
  };
  const drawViews = () => {
    const open = model.get("on_screen");
    const focused = views.contains(document.activeElement) && document.activeElement.dataset.view;
    views.replaceChildren(
      ...model.get("views").map((view) => {
        const made = element("button", "mm-button mm-toggle", view.title, { type: "button", "data-view": view.name });
        made.setAttribute("aria-pressed", String(open.includes(view.name)));
        made.disabled = !view.there;
        made.title = view.there ? `show or hide: ${view.title}` : `${view.title}: this case has nothing of the kind`;
        made.addEventListener("click", () => toggle(view.name));
        return made;
      }),
      element("span", "mm-note", model.get("note")),
    );
    if (focused) views.querySelector(`[data-view="${focused}"]`).focus();
  };
  const zoom = (way) => {
    const at = ZOOMS.findIndex((each) => each >= model.get("zoom"));
    model.set("zoom", ZOOMS[Math.max(0, Math.min(at + way, ZOOMS.length - 1))]);
    model.save_changes();
  };
  const drawZoom = () => {
    if (stage) stage.style.setProperty("--mm-zoom", String(model.get("zoom") / 100));
  };
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
    const words = (model.get("now").words || {}).words;
    if (!words) {
      for (const made of choices.children) made.disabled = true; // what can be chosen here is on its way
      return;
    }
    const offered = words.choices;
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
    off(next, !ready || k >= model.get("last"));
    off(end, !ready || k >= model.get("last"));
    off(playing, !ready || model.get("last") === 0);
    playing.textContent = timer ? "pause" : "play";
    playing.setAttribute("aria-label", timer ? "pause" : "play");
    playing.title = timer ? "pause" : "play";
    slider.max = String(model.get("last"));
    slider.value = String(k);
    slider.disabled = !ready;
    slider.setAttribute("aria-valuetext", `step ${k} of ${model.get("last")}`);
    count.textContent = `${k}/${model.get("last")}`;
    const words = (model.get("now").words || {}).words;
    status.textContent = words ? words.caption : `step ${k} of ${model.get("last")}: …`;
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
  const drawError = () => {
    error.textContent = model.get("error");
    error.hidden = !model.get("error");
  };

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || [runs, twin.box].includes(event.target)) return;
    const onButton = event.target instanceof HTMLButtonElement || event.target.tagName === "SUMMARY";
    if (event.key in STEPS) by(STEPS[event.key]);
    else if (event.key === "Home") by(-Infinity);
    else if (event.key === "End") by(Infinity);
    else if (event.key === " " && !onButton) play();
    else if (event.key in LARGER) zoom(LARGER[event.key]);
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
  let unexplain = () => {};
  const found = requestAnimationFrame(() => {
    stage = el.closest(".mm-stage");
    if (!stage) return;
    stage.addEventListener("click", clicked);
    unexplain = explain(stage, model);
    drawZoom();
    // The status line, the code and the text say what the pictures show.
    for (const canvas of stage.querySelectorAll(".mm-canvas")) canvas.setAttribute("aria-hidden", "true");
  });

  const watched = [
    ["change:k change:now change:last change:promises change:ready change:won change:goal", once(draw)],
    ["change:runs change:run", drawRuns],
    ["change:now", once(twin.draw)],
    ["change:on_screen", once(twin.list)],
    ["change:on_screen change:views change:note", once(drawViews)],
    ["change:zoom", drawZoom],
    ["change:error", drawError],
    ["change:answers", answered],
  ];
  for (const [events, act] of watched) model.on(events, act);
  root.append(title, promises, goal, bar, views, keys, status, choices, twin.box, error);
  el.append(root);
  draw();
  drawRuns();
  drawViews();
  drawError();
  return () => {
    clearInterval(timer);
    cancelAnimationFrame(found);
    unexplain();
    if (stage) stage.removeEventListener("click", clicked);
    for (const [events, act] of watched) model.off(events, act);
  };
}

export default { initialize, render };
