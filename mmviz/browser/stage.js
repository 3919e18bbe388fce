// The stage: what a page or a notebook calls.

import { offerRuns } from "./before.js";
import { say } from "./dom.js";
import { Kernel } from "./kernel.js";
import { visitMoment } from "./moments.js";
import { Session } from "./session.js";
import { StageView } from "./view.js";

const OPTIONS = ["zoom", "pane", "pinned", "notes", "hidden", "focus"];
const LISTS = ["hidden", "focus"]; // sets in the browser
const LARGE = ["film", "code", "look"];
const PAGE = Math.random().toString(36).slice(2);
const UNSEEN = 200; // ms without a view: a cell that is moved makes its views anew

/**
 * Show a film on a page without Jupyter. Return what takes it away again; its `session` can be asked, and `visit`
 * goes to a moment that an address names.
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
  const visit = (/** @type {string} */ moment) => visitMoment(session, moment);
  return Object.assign(close, { session, view, visit });
}

/** Ask the kernel. Every page hears every answer, and each counts its own questions. @param {any} model @param {any} message */
function ask(model, message) {
  return model.send({ ...message, page: PAGE });
}

/** Tell the kernel whether this page shows a model: what no page shows, it may put away. @param {any} model @param {boolean} isSeen */
async function report(model, isSeen) {
  if (model.get("layout")?.comm_live !== true) return;
  try {
    await ask(model, { ask: isSeen ? "seen" : "unseen" });
  } catch {} // the kernel is gone, and with it what it would put away
}

/** An answer with the file that came with it. @param {any} answer @param {DataView[] | undefined} buffers */
function withBytes(answer, buffers) {
  return buffers?.length ? { ...answer, bytes: buffers[0] } : answer;
}

/** What an answer is to this page: one to another page brings its piece of the film, no more. @param {any} answer */
function answered(answer) {
  return answer?.page && answer.page !== PAGE ? { id: null, piece: answer.piece } : answer;
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
  const source = { keep, send: (/** @type {any} */ message) => ask(model, message), isThere: () => isThere(model) };
  const read = () => {
    for (const name of ["film", "at", "named", "mode", "game", ...OPTIONS]) source[name] = model.get(name);
  };
  read();
  const session = new Session(source);
  session.error = model.get("error") || "";
  const views = new Set();
  const again = (/** @type {any} */ view) => view.rebuild();
  /** @type {[string, (value?: any, more?: any) => void][]} */
  const heard = [
    ["msg:custom", (answer, buffers) => session.hear(answered(withBytes(answer, buffers)))],
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
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    leaving: undefined,
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

/** Whether the kernel that made a model is connected; a page that cannot tell has one. @param {any} model */
function isThere(model) {
  return model.get("layout")?.comm_live !== false;
}

/**
 * Forget what is large of a model without a view: a cell that is run again leaves one behind, and page and
 * saved notebook would keep it. Should it be shown again, the kernel is asked for it.
 * @param {any} model
 */
function unload(model) {
  if (model.get("layout")?.comm_live !== true) return;
  for (const name of LARGE) model.set(name, "");
}

/** Ask the kernel for what was forgotten. @param {any} model @param {HTMLElement} el */
async function reload(model, el) {
  const kernel = new Kernel(
    (message) => ask(model, message),
    () => isThere(model),
  );
  const hear = (/** @type {any} */ answer) => kernel.hear(answered(answer));
  model.on("msg:custom", hear);
  try {
    const { film } = await kernel.ask({ ask: "film" });
    model.set("film", film);
  } catch (error) {
    say(el, /** @type {Error} */ (error).message);
  } finally {
    model.off("msg:custom", hear);
    kernel.close();
  }
}

/** @param {{model: any, el: HTMLElement}} context of anywidget */
function render({ model, el }) {
  if (model.get("film")) return shown(model, el);
  return reload(model, el).then(() => (model.get("film") ? shown(model, el) : undefined));
}

/** Show a model; return what takes it away again. @param {any} model @param {HTMLElement} el */
function shown(model, el) {
  const known = SESSIONS.get(identity(model)) || shared(model);
  SESSIONS.set(identity(model), known);
  clearTimeout(known.leaving);
  if (!known.views.size) {
    known.use(model);
    report(model, true);
  }
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
  const keep = offerRuns(el, known.session);
  return () => {
    keep();
    entry.view.close();
    known.views.delete(entry);
    const [other] = known.views;
    if (other) return void known.use(other.model);
    known.session.rest();
    known.leaving = setTimeout(() => {
      known.session.close();
      known.leave();
      SESSIONS.delete(identity(model));
      unload(model);
      report(model, false);
    }, UNSEEN);
  };
}

export default { render };
