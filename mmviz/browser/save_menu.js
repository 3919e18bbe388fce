// The Save menu: the run and the moment shown, as a file or as a link. With a kernel Python writes the file;
// without, the page writes what it can.

import { twinText } from "./caption.js";
import { spokenSchedule } from "./controls.js";
import { element, push, say } from "./dom.js";
import { download, inPixels, nameOf, pictureFile, themeOf } from "./files.js";
import { oneStop, roving } from "./roving.js";
import { stepName } from "./story.js";

const LONG_PATIENCE = 120_000; // ms: an animation of a long run takes a while
const GONE = "The kernel is gone, or does not answer: run the cell again to save the other forms.";
const NONE = "This page has no Python: the other forms (html, pdf, gif, tex, …) are saved from a notebook.";

/**
 * The link of the moment shown that the page was given, or "".
 * @param {import("./session.js").Session} session
 */
export function linkGiven({ source, tree, k }) {
  return source.links?.[tree.schedule().join()]?.[k] || "";
}

/**
 * A line of Python that opens the moment shown: what a page hands out where it has no link. "" for a case that is
 * not of the catalogue, whose pages have no links at all.
 * @param {import("./session.js").Session} session
 */
export function lineOfPython({ source, film, tree, k, mode }) {
  if (!Object.keys(source.links || {}).length) return "";
  const { race, case: name, actors } = film.head;
  const [wanted, run] = [JSON.stringify(name), JSON.stringify(spokenSchedule(tree.schedule(), actors))];
  return mode === "driver"
    ? `mmviz.Driver(${JSON.stringify(race)}, ${run}, case=${wanted})`
    : `mmviz.Player(${JSON.stringify(race)}, ${run}, case=${wanted}, start=${k})`;
}

/**
 * @param {import("./session.js").Session} session
 * @param {{root: () => HTMLElement, views: () => [string, string][], names: () => string[]}} acts
 * @returns {{node: HTMLElement, first: HTMLElement}}
 */
export function saveMenu(session, acts) {
  const said = element("div", "mm-saved", "", { role: "status", "aria-live": "polite" });
  const why = element("div", "mm-bound");
  const list = element("div", "mm-choices", "", { role: "group", "aria-label": "save this run and moment" });
  const field = element("input", "mm-link", "", { type: "text", readonly: "", "aria-label": "what is copied" });
  field.hidden = true;
  const node = element("div", "mm-save", "", {}, element("strong", "", "Save this moment"), list, why, field, said);
  const tell = (/** @type {unknown} */ words) => say(said, words instanceof Error ? words.message : String(words));
  /** What a question about the moment shown says. */
  const moment = () => ({ schedule: session.tree.schedule(), k: session.k });
  const title = () => {
    const { film, path, k } = session;
    return k ? `${film.head.title}. Step ${k}: ${stepName(film, path, k)}` : film.head.title;
  };

  const pictured = () => {
    const { film, path, k, last } = session;
    const step = session.mode === "driver" ? `Step ${k}` : `Step ${k} of ${last}`;
    return pictureFile(
      acts.root(),
      title(),
      k ? `${step}: ${stepName(film, path, k)}` : `The start: ${film.head.case}`,
    );
  };

  const copy = async (/** @type {string} */ text) => {
    field.value = text;
    field.hidden = false;
    try {
      await navigator.clipboard.writeText(text);
      tell("Copied.");
    } catch {
      field.focus({ preventScroll: true });
      field.select();
      tell("This page may not use the clipboard: copy the text from the field.");
    }
  };
  const copyLink = async () => {
    try {
      await copy(linkGiven(session) || (await session.ask({ ask: "link", ...moment() })).link);
    } catch (error) {
      tell(error);
    }
  };
  const give = (/** @type {BlobPart} */ data, /** @type {string} */ type, /** @type {string} */ form) => {
    const name = nameOf(session, form);
    download(new Blob([data], { type }), name);
    tell(`Saved: ${name}`);
  };
  const byPython = (/** @type {string} */ form) => async () => {
    tell(`${form} …`);
    try {
      const asked = { ask: "save", form, ...moment(), views: acts.names(), look: themeOf(acts.root()) };
      const { saved, bytes } = await session.ask(asked, LONG_PATIENCE);
      give(bytes, saved.media, form);
    } catch (error) {
      tell(error);
    }
  };
  /** @type {Record<string, [string, () => unknown]>} what the page can do by itself */
  const byPage = {
    svg: ["the picture as it is shown", () => give(pictured(), "image/svg+xml", "svg")],
    png: [
      "the picture in pixels",
      () =>
        inPixels(pictured()).then(
          (file) => give(file, "image/png", "png"),
          () => tell("This browser draws no picture: save it as svg."),
        ),
    ],
    text: [
      "what is shown, in words; no diagram to read back",
      () => give(`${twinText(session, acts.views())}\n`, "text/plain", "text"),
    ],
  };
  const item = (
    /** @type {string} */ sign,
    /** @type {string} */ words,
    /** @type {() => unknown} */ act,
    /** @type {string} */ lacks = "",
  ) => {
    const made = push(`mm-item mm-form${lacks ? " mm-lacks" : ""}`, sign, lacks || words, () =>
      lacks ? tell(lacks) : act(),
    );
    made.append(" ", element("span", "mm-form-words", words));
    return made;
  };
  const fill = (/** @type {HTMLElement[]} */ items) => {
    list.append(...items);
    oneStop(list);
  };
  const alone = (/** @type {string} */ reason) => {
    fill(Object.entries(byPage).map(([form, [words, act]]) => item(form, words, act)));
    tell("");
    say(why, reason);
  };

  const canLink = Boolean(session.source.send || linkGiven(session));
  const line = canLink ? "" : lineOfPython(session);
  if (canLink) list.append(item("link", "copy the link", copyLink));
  else if (line) list.append(item("line", "copy a line of Python that opens it", () => copy(line)));
  roving(list);
  if (session.source.send) {
    oneStop(list);
    tell("…");
    session.ask({ ask: "forms" }).then(
      ({ forms }) => {
        fill(forms.map((/** @type {any} */ { form, name, lacks }) => item(form, name, byPython(form), lacks)));
        tell("");
      },
      () => alone(GONE),
    );
  } else alone(NONE);
  return { node, first: /** @type {HTMLElement} */ (list.querySelector("button")) };
}
