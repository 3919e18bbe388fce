// The stage: what a page or a notebook calls.

import { Session } from "./session.js";
import { StageView } from "./view.js";

const OPTIONS = ["zoom", "pane", "pinned", "notes", "hidden", "focus"];
const LISTS = ["hidden", "focus"]; // sets in the browser

/**
 * Show a film on a page without Jupyter. Return what takes it away again; its `session` can be asked.
 * @param {HTMLElement} root
 * @param {import("./session.js").Source} source
 */
export function mount(root, source) {
  const session = new Session(source);
  const view = new StageView(root, session, source.height || 0);
  const close = () => {
    view.close();
    session.close();
  };
  return Object.assign(close, { session, view });
}

/** The sessions of the models on the page: two views of one model share film, tree and cursor. */
/** @type {WeakMap<any, ReturnType<typeof shared>>} */
const SESSIONS = new WeakMap();

/** @param {any} model of anywidget */
function shared(model) {
  let isOurs = false;
  const keep = (/** @type {string} */ name, /** @type {any} */ value, /** @type {boolean} */ isNow) => {
    isOurs = true;
    model.set(name, value);
    isOurs = false;
    if (isNow) model.save_changes();
  };
  /** @type {any} */
  const source = { keep, send: (/** @type {any} */ message) => model.send(message) };
  const read = () => {
    for (const name of ["film", "at", "named", "mode", "game", ...OPTIONS]) source[name] = model.get(name);
  };
  read();
  const session = new Session(source);
  session.error = model.get("error") || "";
  const views = new Set();
  const again = (/** @type {any} */ view) => view.rebuild();
  /** @type {[string, (value?: any) => void][]} */
  const heard = [
    ["msg:custom", (answer) => session.hear(answer)],
    [
      "change:film",
      () => {
        if (isOurs) return;
        read();
        session.load(source.film);
        for (const view of views) again(view);
      },
    ],
    [
      "change:at",
      () => {
        const at = model.get("at");
        if (isOurs || !at || at.by === "browser") return;
        source.at = at;
        session.turn = Math.max(session.turn, at.n || 0);
        session.place(at);
        session.tell("step");
      },
    ],
    [
      "change:named",
      () => {
        session.named = model.get("named") || [];
        session.tell("step");
      },
    ],
    [
      "change:game",
      () => {
        session.game = model.get("game") || {};
        session.tell("step");
      },
    ],
    ["change:error", () => session.complain(model.get("error") || "")],
    ...OPTIONS.map(
      (name) =>
        /** @type {[string, () => void]} */ ([
          `change:${name}`,
          () => {
            if (isOurs) return;
            const value = model.get(name);
            /** @type {any} */ (session)[name] = LISTS.includes(name) ? new Set(value) : value;
            session.tell("options");
          },
        ]),
    ),
  ];
  return {
    session,
    views,
    /** Hear and speak through this view of the model from now on. @param {any} next */
    use(next) {
      for (const [event, act] of heard) model.off(event, act);
      model = next;
      for (const [event, act] of heard) model.on(event, act);
    },
    leave() {
      for (const [event, act] of heard) model.off(event, act);
    },
  };
}

/** What is the same for all views of a model: anywidget gives each view a proxy of its own. @param {any} model */
function identity(model) {
  const layout = model.get("layout");
  return layout && typeof layout === "object" ? layout : model;
}

/** @param {{model: any, el: HTMLElement}} context of anywidget */
function render({ model, el }) {
  const known = SESSIONS.get(identity(model)) || shared(model);
  SESSIONS.set(identity(model), known);
  if (!known.views.size) known.use(model);
  const made = () => new StageView(el, known.session, model.get("height") || 0);
  const entry = {
    model,
    view: made(),
    rebuild() {
      entry.view.close();
      entry.view = made();
    },
  };
  known.views.add(entry);
  return () => {
    entry.view.close();
    known.views.delete(entry);
    const [other] = known.views;
    if (other) return void known.use(other.model);
    known.session.rest();
    known.session.close();
    known.leave();
  };
}

export default { render };
