// Panels that lie over the stage and move nothing: limits of the model, keys, reasons, a note, the
// question, the run as text. One at a time.

import { element, push } from "./dom.js";
import { KEYS } from "./keys.js";
import { possibleBox } from "./game.js";
import { brokenBy, reasons } from "./story.js";
import { certainty, witnessed } from "./causes.js";
import { twinText } from "./caption.js";

/**
 * @param {import("./session.js").Session} session
 * @param {{focus: () => void, open: (schedule: number[]) => void, views: () => [string, string][]}} acts
 */
export function panels(session, acts) {
  const body = element("div", "mm-panel-body");
  const shut = push("mm-shut", "×", "close (Esc)", () => close());
  const node = element("div", "mm-panel", "", { role: "dialog", "aria-modal": "false" }, body, shut);
  node.hidden = true;
  let open = "";
  let leave = () => {}; // what an open panel does when it goes
  let shown = ""; // the step that it is about
  /** @type {ReturnType<typeof possibleBox> | null} */
  let box = null;
  const pre = element("pre", "mm-twin-text");

  const close = () => {
    if (!open) return false;
    const hadFocus = node.contains(document.activeElement);
    left();
    open = "";
    node.hidden = true;
    if (hadFocus) acts.focus();
    return true;
  };
  const left = () => {
    leave();
    leave = () => {};
  };
  const subject = () => `${session.isSealed} ${session.k} ${session.noteKey(session.last)}`;
  const show = (
    /** @type {string} */ name,
    /** @type {string} */ label,
    /** @type {Node[]} */ parts,
    /** @type {any} */ focused,
  ) => {
    if (open === name) return void close();
    left();
    open = name;
    shown = subject();
    node.className = `mm-panel mm-panel-${name}`;
    node.setAttribute("aria-label", label);
    body.replaceChildren(...parts);
    node.hidden = false;
    if (focused) focused.focus({ preventScroll: true });
  };
  const paragraphs = (/** @type {string[]} */ lines) => lines.map((line) => element("p", "", line));
  /** What the step depends on; where it broke the promise, the kernel knows other runs that do, and some that do not. */
  const explained = () => {
    const { film, path, k } = session;
    const said = reasons(film, path, k).filter((words) => !words.endsWith("the violation was unavoidable."));
    const sure = session.isSealed ? "" : certainty(film, path, k);
    const parts = paragraphs([...witnessed(film, path, k), ...(sure ? [sure] : []), ...said]);
    const broken = brokenBy(film, path, k);
    if (broken < 0 || session.isSealed || !session.source.send) return parts;
    const list = element("div", "mm-others");
    const asked = push(
      "mm-ask-runs",
      "different runs",
      "runs that differ from this one, with and without the violation",
      async () => {
        if (asked.getAttribute("aria-disabled")) return; // not `disabled`, which would lose the keyboard
        asked.setAttribute("aria-disabled", "true");
        try {
          const { found } = await session.ask({ ask: "runs", bad: broken });
          const offers = found.runs.map((/** @type {any} */ run) =>
            push("mm-item", run.text, run.text, () => acts.open(run.schedule)),
          );
          list.replaceChildren(...offers);
          if (!offers.length) list.textContent = "There is no other run.";
        } catch (error) {
          list.textContent = /** @type {Error} */ (error).message;
          asked.removeAttribute("aria-disabled");
        }
      },
    );
    return [...parts, asked, list];
  };
  const drawText = () => {
    const text = twinText(session, acts.views());
    if (pre.textContent !== text) pre.textContent = text;
  };

  return {
    node,
    close,
    get open() {
      return open;
    },
    limits() {
      const { memory, limits, complete, most } = session.film.head;
      const count = session.film.tables.states.length;
      const whole = `All ${count.toLocaleString("en")} states of this case are here: choosing a step needs no kernel.`;
      const part = `This case has more than ${(most || 0).toLocaleString("en")} states: those along the runs shown are here, and the kernel is asked for others.`;
      const parts = [
        element("strong", "", memory || ""),
        element("div", "mm-limits-text", limits || ""),
        element("p", "mm-bound", complete ? whole : part),
      ];
      show("limits", memory || "memory model", parts, shut);
    },
    help() {
      const lines = KEYS.map(([keys, meaning]) =>
        element("div", "mm-key", "", {}, element("kbd", "", keys), ` ${meaning}`),
      );
      const moments = session
        .offered()
        .slice(0, 9)
        .map((run, i) => element("div", "mm-key", "", {}, element("kbd", "", `Shift+${i + 1}`), ` ${run.name}`));
      show("keys", "keys", [element("div", "mm-keys", "", {}, ...lines, ...moments)], shut);
    },
    why() {
      show("why", "why", explained(), shut);
    },
    note() {
      const key = session.noteKey();
      let isKept = true;
      const label = session.k ? `a note on step ${session.k}` : "a note on the start";
      const area = element("textarea", "mm-note-text", "", { "aria-label": label, rows: "2", placeholder: label });
      area.value = session.notes[key] || "";
      area.addEventListener("input", () => {
        const notes = { ...session.notes, [key]: area.value };
        if (!area.value.trim()) delete notes[key];
        session.notes = notes;
        isKept = false;
        session.tell("notes");
      });
      const keep = () => {
        if (isKept) return;
        isKept = true;
        session.set("notes", session.notes);
      };
      area.addEventListener("change", keep);
      show("note", label, [area], area);
      if (open === "note") leave = keep;
    },
    possible() {
      box ??= possibleBox(session, { open: acts.open, close });
      show("possible", "is this possible?", [box.node], null);
      if (open === "possible") box.focus();
    },
    /** Whether the question is open: then a click on a value adds it. @param {string} field */
    add(field) {
      if (open !== "possible") this.possible();
      box?.add(field);
    },
    text() {
      drawText();
      const region = element(
        "div",
        "mm-twin",
        "",
        { tabindex: "0", role: "region", "aria-label": "the run as text" },
        pre,
      );
      show("text", "the run as text", [region], region);
    },
    /** A menu on a field of the picture. @param {string} field @param {string} words */
    menu(field, words) {
      const item = (/** @type {string} */ label, /** @type {() => void} */ act) =>
        push("mm-item", label, label, () => {
          close();
          act();
        });
      const name = { hidden: new Set(session.hidden), focus: new Set(session.focus) };
      const items = [
        item(`is ${field} = ${words} possible?`, () => this.add(field)),
        item(`hide ${field}`, () => session.set("hidden", name.hidden.add(field))),
        item(name.focus.has(field) ? `no longer only ${field}` : `only ${field}`, () => {
          if (!name.focus.delete(field)) name.focus.add(field);
          session.set("focus", name.focus);
        }),
      ];
      if (name.hidden.size || name.focus.size) {
        items.push(
          item("show every field again", () => {
            session.set("hidden", new Set());
            session.set("focus", new Set());
          }),
        );
      }
      close();
      show("menu", `${field} = ${words}`, [element("strong", "", `${field} = ${words}`), ...items], items[0]);
    },
    /** After a step, or when anything else may have changed: what is about the same step stays as it is. */
    draw() {
      if (open === "text") drawText();
      if (shown === subject()) return;
      shown = subject();
      if (open === "why") body.replaceChildren(...explained());
      else if (open === "menu" || (open === "note" && !body.contains(document.activeElement))) close();
    },
  };
}
