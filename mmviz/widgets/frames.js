// The pictures: what each frame sets on the plot marks and the code panel. A step sets those traits
// right here in the browser, so that playing needs no kernel. Frames of a long run that are not
// here yet are asked for, those nearest to the frame shown first, a few at a time.

const SOON = 4; // frames asked for where the reader waits for one
const LATER = 12; // where no reader waits
const REST = 250; // ms between questions that no reader waits for

// What bqplot's own deserializer yields for numbers: typed arrays, one a row.
function typed(value) {
  if (!Array.isArray(value)) return value;
  if (typeof value[0] === "number") return Float64Array.from(value);
  return Array.isArray(value[0]) ? value.map(typed) : value;
}

// A change is [index, value, index, value, …] on a list, or {"is": value}.
function applied(first, change) {
  if (change === undefined) return first;
  if (!Array.isArray(change)) return change.is;
  const value = first.slice();
  for (let at = 0; at < change.length; at += 2) value[change[at]] = change[at + 1];
  return value;
}

const same = (one, other) => one === other || JSON.stringify(one) === JSON.stringify(other);

async function initialize({ model }) {
  const targets = {};
  const shown = {}; // by target and trait: the store's first value, the change, what came of them
  let pictures = {};
  let text = null;
  let number = 0;
  let isAsked = false;
  let timer = null;

  const names = () => ["words", ...model.get("on_screen")];
  const steps = (store) => {
    const tips = model.get("tips");
    for (const [k, frame] of Object.entries(store.frames)) {
      const tip = frame.words && frame.words.tip;
      tips["step:" + k] = tip ? tip.is : store.base.words.tip;
    }
  };
  const load = () => {
    if (text !== model.get("pictures")) {
      text = model.get("pictures");
      pictures = JSON.parse(text);
      number = JSON.parse(model.get("piece")).number || 0;
      if (pictures.words) steps(pictures.words);
      isAsked = false;
    }
    const piece = JSON.parse(model.get("piece"));
    if ((piece.number || 0) === number) return;
    number = piece.number;
    isAsked = false;
    for (const store of Object.values(pictures)) {
      if (piece.kept < 0) break;
      for (const k of Object.keys(store.frames)) if (Number(k) >= piece.kept) delete store.frames[k];
    }
    for (const [name, part] of Object.entries(piece.stores)) {
      if (part.base) pictures[name] = { base: part.base, frames: {} };
      Object.assign(pictures[name].frames, part.frames);
      if (name === "words") steps(pictures.words);
    }
  };
  const has = (k) => names().every((name) => !pictures[name] || pictures[name].frames[k]);
  const ask = () => {
    const [k, last] = [clamp(model, model.get("k")), model.get("last")];
    const most = has(k) ? LATER : SOON;
    const wanted = [];
    for (let away = 0; away <= last && wanted.length < most; away++) {
      for (const at of away ? [k + away, k - away] : [k]) {
        if (at >= 0 && at <= last && !has(at)) wanted.push(at);
      }
    }
    if (!wanted.length) return;
    isAsked = true;
    model.send({ pictures: wanted });
  };
  const askSoon = (isHere) => {
    clearTimeout(timer);
    if (!isAsked) timer = setTimeout(ask, isHere ? REST : 0);
  };
  const set = (name, mark, first, frame) => {
    const key = `${name}.${mark}`;
    const changed = {};
    for (const [trait, base] of Object.entries(first)) {
      const change = frame && frame[trait];
      const was = shown[`${key}.${trait}`];
      if (was && was.base === base && same(was.change, change)) continue;
      const value = applied(base, change);
      if (!was || !same(was.value, value)) changed[trait] = trait === "x" || trait === "y" ? typed(value) : value;
      shown[`${key}.${trait}`] = { base, change, value };
    }
    if (Object.keys(changed).length) targets[key].set(changed);
  };
  const show = () => {
    load();
    const k = clamp(model, model.get("k"));
    const now = {};
    for (const name of names()) {
      const store = pictures[name];
      const frame = store && store.frames[k];
      if (!frame) continue;
      for (const [mark, first] of Object.entries(store.base)) {
        const changes = frame[mark] || {};
        if (targets[`${name}.${mark}`]) set(name, mark, first, changes);
        else {
          const said = Object.entries(first).map(([trait, base]) => [trait, applied(base, changes[trait])]);
          now[name] = { ...now[name], [mark]: Object.fromEntries(said) };
        }
      }
    }
    model.set("now", now);
    askSoon(has(k));
  };
  const find = async () => {
    for (const [name, reference] of Object.entries(model.get("targets"))) {
      if (!targets[name]) targets[name] = await model.widget_manager.get_model(reference.slice("IPY_MODEL_".length));
    }
    hide();
    show();
  };
  const hide = () => {
    for (const [name, target] of Object.entries(targets)) {
      const [view, part] = name.split(".");
      if (part === "pane") target.set("display", model.get("on_screen").includes(view) ? null : "none");
    }
  };
  model.on("change:k change:pictures change:piece change:on_screen", once(show));
  model.on("change:on_screen", hide);
  model.on("change:targets", find);
  await find();
  model.set("ready", true);
}
