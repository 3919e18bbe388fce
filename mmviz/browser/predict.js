// A question about a state: its options, the answer, and each option's reason once there is one. What the
// answer is the page does not have before the kernel has heard one.

import { able, attribute, element, push, say } from "./dom.js";
import { Kernel } from "./kernel.js";
import { ownKeys } from "./own_keys.js";
import { present } from "./presence.js";

const LETTERS = "ABCDEFGHIJ";
const KERNEL_GONE = "The kernel that asks is not there: run the cell in a notebook, and answer there.";
const CHOOSE = "Choose an answer first; or skip the question.";
const HEARD = ["state", "text", "given", "options", "several", "picked", "result", "shows", "status", "error"];

let cards = 0; // on the page, so that names of parts differ

/** @param {any} model whether the kernel that made it is connected */
const isThere = (model) => model.get("layout")?.comm_live !== false;

/** "✓ right" or "✗ wrong", by a word and a shape. @param {boolean} isRight */
const markOf = (isRight) =>
  element(
    "span",
    `mm-mark ${isRight ? "mm-right" : "mm-wrong"}`,
    "",
    {},
    element("span", "", isRight ? "✓ " : "✗ ", { "aria-hidden": "true" }),
    isRight ? "right" : "wrong",
  );

/**
 * One view of a question.
 * @param {any} model of anywidget
 * @param {string} mine the names of its parts begin so
 */
function card(model, mine) {
  const kernel = new Kernel(
    (message) => model.send(message),
    () => isThere(model),
  );
  const result = element("div", "mm-result", "", { tabindex: "-1" });
  const legend = element("legend", "mm-question");
  const list = element("div", "mm-options");
  const field = element("fieldset", "mm-asked", "", {}, legend, list);
  const words = element("ul", "mm-given-lines");
  const given = element("details", "mm-given", "", {}, element("summary", "", "The state in words"), words);
  const error = element("div", "mm-complaint", "", { role: "alert" });
  const live = element("div", "mm-live", "", { role: "status", "aria-live": "polite" });
  const form = element("form", "mm-predict", "", { "aria-label": "a question" });
  let isWaiting = false;
  let told = ""; // what the kernel says is wrong

  const ask = async (/** @type {any} */ message) => {
    if (isWaiting) return;
    isWaiting = true;
    told = "";
    say(error, "");
    try {
      await kernel.ask(message);
    } catch {
      say(error, told || KERNEL_GONE);
    }
    isWaiting = false;
  };
  const answer = () => {
    const picked = model.get("picked");
    if (!picked.length) return say(error, CHOOSE);
    ask({ ask: "answer", picked });
    return undefined;
  };
  const acts = {
    answer: element("button", "mm-button mm-do-answer", "Answer", { type: "submit" }),
    skip: push("mm-do-skip", "Skip", "skip the question, and see the answer", () => ask({ ask: "skip" })),
    again: push("mm-do-again", "Answer again", "hide the reasons, and answer once more", () => ask({ ask: "again" })),
  };
  const seat = element("div", "mm-answers", "", {}, ...Object.values(acts));
  form.append(result, field, given, seat, error, live);
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    if (model.get("state") === "asked") answer();
  });

  const choice = (/** @type {string} */ text, /** @type {number} */ i) => {
    const several = model.get("several");
    const input = element("input", "", "", { type: several ? "checkbox" : "radio", name: mine, value: String(i) });
    input.checked = model.get("picked").includes(i);
    input.addEventListener("change", () => {
      const others = several ? model.get("picked").filter((/** @type {number} */ each) => each !== i) : [];
      model.set("picked", input.checked ? [...others, i].sort((one, other) => one - other) : others);
      say(error, "");
    });
    return element(
      "label",
      "mm-option",
      "",
      {},
      input,
      element("span", "mm-letter", LETTERS[i]),
      element("span", "mm-option-text", text),
    );
  };
  const judged = (/** @type {string} */ text, /** @type {number} */ i, /** @type {any} */ found) => {
    const { right, reason, run } = found.options[i];
    const isYours = found.picked.includes(i);
    const told = element(
      "div",
      "mm-option",
      "",
      {},
      element("span", "mm-letter", LETTERS[i]),
      element("span", "mm-option-text", text, {}, " ", markOf(right), isYours ? " · your answer" : ""),
    );
    const why = element("div", "mm-reason", reason);
    if (run) {
      const shows = push("mm-do-show", "Show its run", `${LETTERS[i]} on the stage below: ${run}`, () =>
        ask({ ask: "show", option: i }),
      );
      attribute(shows, "aria-label", `Show its run: ${LETTERS[i]}`);
      attribute(shows, "aria-pressed", String(model.get("shows") === i));
      why.append(" ", shows);
    }
    return element("div", `mm-judged${isYours ? " mm-yours" : ""}`, "", {}, told, why);
  };
  const headline = (/** @type {string} */ state, /** @type {any} */ found) => {
    if (state === "skipped")
      return [element("span", "mm-mark mm-skipped", "↷ Skipped"), " The question was not answered."];
    const first = found.first.map((/** @type {number} */ i) => LETTERS[i]).join(", ");
    const now = found.picked.map((/** @type {number} */ i) => LETTERS[i]).join(", ");
    const before = first !== now ? ` Your first answer was ${first}.` : "";
    const [sign, kind] = found.right ? ["✓ Right", "mm-right"] : ["✗ Wrong", "mm-wrong"];
    return [element("span", `mm-mark ${kind}`, sign), ` You answered ${now}.${before}`];
  };
  let was = model.get("state");
  let held = ""; // what the options show
  const draw = () => {
    const [state, found] = [model.get("state"), model.get("result")];
    const isDone = state === "answered" || state === "skipped";
    const options = model.get("options");
    const hadFocus = form.contains(document.activeElement);
    form.dataset.state = state;
    say(
      legend,
      state === "sealed" ? "This question opens when the one before it is answered or skipped." : model.get("text"),
    );
    const content = JSON.stringify([state, options, found, model.get("several"), isDone && model.get("shows")]);
    if (content !== held) {
      held = content;
      const focused = list.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null;
      list.replaceChildren(
        ...options.map((/** @type {string} */ text, /** @type {number} */ i) =>
          isDone ? judged(text, i, found) : choice(text, i),
        ),
      );
      if (focused) /** @type {any} */ (list.querySelector(`[aria-label="${CSS.escape(focused)}"]`))?.focus();
      words.replaceChildren(...model.get("given").map((/** @type {string} */ line) => element("li", "", line)));
    }
    for (const input of list.querySelectorAll("input"))
      input.checked = model.get("picked").includes(Number(input.value));
    result.replaceChildren(...(isDone ? headline(state, found) : []));
    result.hidden = !isDone;
    given.hidden = !model.get("given").length;
    acts.answer.hidden = acts.skip.hidden = state !== "asked";
    acts.again.hidden = state !== "answered" || found.right;
    seat.hidden = isDone && acts.again.hidden;
    for (const act of Object.values(acts)) able(act, isThere(model));
    if (!isThere(model) && !isDone) say(error, KERNEL_GONE);
    else if (model.get("error")) say(error, model.get("error"));
    say(live, model.get("status"));
    if (was !== state && hadFocus) {
      if (isDone) result.focus({ preventScroll: true });
      else list.querySelector("input")?.focus({ preventScroll: true });
      if (isDone) form.scrollIntoView({ block: "nearest" });
    }
    was = state;
  };
  return {
    form,
    draw,
    /** Bring the run that was asked for into view. */
    seen() {
      if (model.get("shows") < 0 || !form.contains(document.activeElement)) return;
      const stage = form.closest(".mm-prediction")?.querySelector(".mm-stage");
      stage?.scrollIntoView({ block: "nearest" });
    },
    hear(/** @type {any} */ answer) {
      told = answer.error || "";
      kernel.hear(answer);
    },
    close: () => kernel.close(),
  };
}

/** @param {{model: any, el: HTMLElement}} context of anywidget */
function render({ model, el }) {
  const shown = card(model, `mm-predict-${cards++}`);
  const leave = present(model);
  const giveBack = ownKeys(shown.form);
  el.append(shown.form);
  /** @type {[string, (value?: any) => void][]} */
  const heard = [
    ["msg:custom", shown.hear],
    ...HEARD.map((name) => /** @type {[string, () => void]} */ ([`change:${name}`, shown.draw])),
    ["change:shows", shown.seen],
  ];
  for (const [event, act] of heard) model.on(event, act);
  shown.draw();
  return () => {
    for (const [event, act] of heard) model.off(event, act);
    shown.close();
    giveBack();
    leave();
  };
}

export default { render };
