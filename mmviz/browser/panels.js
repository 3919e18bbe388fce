// Panels that lie over the stage and move nothing: limits of the model, keys, reasons, a note, the
// question, the run as text. One at a time.

import { actorName } from "./chosen.js";
import { element, push } from "./dom.js";
import { KEYS } from "./keys.js";
import { possibleBox } from "./game.js";
import { oneStop, roving } from "./roving.js";
import { saveMenu } from "./save_menu.js";
import { brokenBy, reasons } from "./story.js";
import { subjectList } from "./subjects.js";
import { certainty, witnessed } from "./causes.js";
import { twinText } from "./caption.js";

/**
 * @param {import("./session.js").Session} session
 * @param {{focus: () => void, open: (schedule: number[]) => void, views: () => [string, string][],
 *   point: (what: import("./pointed.js").Pointed) => void, root: () => HTMLElement, names: () => string[]}} acts
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
  let written = "";

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
    node.scrollIntoView({ block: "nearest" }); // the reader opened it, perhaps below the fold
    if (focused) focused.focus({ preventScroll: true });
  };
  const paragraphs = (/** @type {string[]} */ lines) => lines.map((line) => element("p", "", line));
  /** What the step depends on; where it broke the promise, the kernel knows other runs that do, and some that do not. */
  const explained = () => {
    const { film, path, k } = session;
    const sure = session.isSealed ? "" : certainty(film, path, k);
    const parts = paragraphs([...witnessed(film, path, k), ...(sure ? [sure] : []), ...reasons(film, path, k)]);
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
  /** What is too long for a line goes on under its first word. */
  const drawText = () => {
    const text = twinText(session, acts.views());
    if (text === written) return;
    written = text;
    const lines = text.split("\n").map((line) => {
      const made = element("span", "mm-twin-line", `${line}\n`);
      made.style.setProperty("--in", String(line.length - line.trimStart().length + 2));
      return made;
    });
    pre.replaceChildren(...lines);
  };
  const item = (/** @type {string} */ label, /** @type {() => void} */ act) =>
    push("mm-item", label, label, () => {
      close();
      act();
    });
  /** What a menu offers on a field or an actor: leave it out, or all others in the background. @param {string} name @param {string} words */
  const choices = (name, words) => {
    const { hidden, focus } = session;
    const without = (/** @type {Set<string>} */ some) => new Set([...some].filter((each) => each !== name));
    const items = [
      hidden.has(name)
        ? item(`show ${words}`, () => session.set("hidden", without(hidden)))
        : item(`hide ${words}`, () => session.set("hidden", new Set([...hidden, name]))),
      focus.has(name)
        ? item(`no longer only ${words}`, () => session.set("focus", without(focus)))
        : item(`only ${words}`, () => session.set("focus", new Set([...focus, name]))),
    ];
    if (!hidden.size && !focus.size) return items;
    const all = item("show everything again", () => {
      session.set("hidden", new Set());
      session.set("focus", new Set());
    });
    return [...items, all];
  };
  const offer = (/** @type {string} */ label, /** @type {HTMLElement[]} */ items) => {
    close();
    const list = element("div", "mm-choices", "", { role: "group", "aria-label": label }, ...items);
    roving(list);
    oneStop(list);
    show("menu", label, [element("strong", "", label), list], items[0]);
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
      const sealed = "The run up to the question is here, and no more.";
      const part = `This case has more than ${(most || 0).toLocaleString("en")} states: those along the runs shown are here, and the kernel is asked for others.`;
      const parts = [
        element("strong", "", memory || ""),
        element("div", "mm-limits-text", limits || ""),
        element("p", "mm-bound", session.film.isSealed ? sealed : complete ? whole : part),
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
    save() {
      const { node: menu, first } = saveMenu(session, acts);
      show("save", "save", [menu], first);
    },
    /** What the picture shows, as a list: the keyboard's way to the menus. */
    subjects() {
      const { node: list, first } = subjectList(session, {
        actor: (actor) => this.aboutActor(actor),
        field: (field, words) => this.menu(field, words),
        point: acts.point,
      });
      show("subjects", "actors and fields", [list], first);
      if (open === "subjects") leave = () => acts.point({});
    },
    /** A menu on a field of the picture. @param {string} field @param {string} words */
    menu(field, words) {
      const asked = item(`is ${field} = ${words} possible?`, () => this.add(field));
      offer(`${field} = ${words}`, [asked, ...choices(field, field)]);
    },
    /** A menu on an actor. @param {number} actor */
    aboutActor(actor) {
      const name = session.film.head.actors[actor];
      offer(name, choices(actorName(name), name));
    },
    /** After a step, or when anything else may have changed: what is about the same step stays as it is. */
    draw() {
      if (open === "text") drawText();
      if (shown === subject()) return;
      shown = subject();
      if (open === "why") body.replaceChildren(...explained());
      else if (open === "menu" || open === "subjects" || (open === "note" && !body.contains(document.activeElement)))
        close();
    },
  };
}

/**
 * In a small stage panels lie over picture and strip: the buttons above and below stay free.
 * @param {HTMLElement} root
 * @param {HTMLElement} main
 * @param {HTMLElement} strip
 */
export function makeRoom(root, main, strip) {
  const end = strip.offsetTop + strip.offsetHeight;
  root.style.setProperty("--mm-below", `${root.clientHeight - end}px`);
  root.style.setProperty("--mm-over", `${end - main.offsetTop}px`);
}
