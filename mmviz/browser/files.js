// What a page can save by itself, without Python: the picture as it is shown, and the run as text.

import { element } from "./dom.js";

const SPACE = "http://www.w3.org/2000/svg";
const KEPT = 60_000; // ms until the browser may forget a file that it was given
const PIXELS = 2; // of a saved picture, for each pixel on the screen
const GAP = 16; // px between two pictures
const [UNDER, UNDER_TYPE] = [12, 13]; // px of the line below them
const DARKEST = 128; // of 255: a paper that is darker is that of a dark theme
const OF_MOMENT = ["html", "svg", "png", "pdf", "text"]; // the other forms are of a whole run
const SHOWN = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "stroke-opacity",
  "opacity",
  "visibility",
  "font-family",
  "font-size",
  "font-weight",
  "font-style",
  "text-anchor",
  "white-space",
];

/** "light" or "dark", as the paper of a stage is. @param {Element} root */
export function themeOf(root) {
  const [red = 255, green = 255, blue = 255] = (getComputedStyle(root).backgroundColor.match(/[\d.]+/g) || []).map(
    Number,
  );
  return (red + green + blue) / 3 < DARKEST ? "dark" : "light";
}

/** What a file of this run or moment is called. @param {import("./session.js").Session} session @param {string} form */
export function nameOf(session, form) {
  const { race, case: name } = session.film.head;
  const step = OF_MOMENT.includes(form) ? `-step${session.k}` : "";
  const words = `${String(race).split("/").pop()}-${name}${step}`.replace(/[^\p{L}\p{N}_-]+/gu, "-");
  return form === "text" ? `${words}-text.txt` : `${words}.${form}`; // a diagram for a mail is the .txt
}

/** Give the reader a file. @param {Blob} file @param {string} name */
export function download(file, name) {
  const href = URL.createObjectURL(file);
  element("a", "", "", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), KEPT);
}

/** A copy of a drawing that needs no style sheet. @param {SVGElement} drawing */
function copied(drawing) {
  const copy = /** @type {SVGElement} */ (drawing.cloneNode(true));
  const parts = [copy, ...copy.querySelectorAll("*")];
  for (const [i, part] of [drawing, ...drawing.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(part);
    const said = SHOWN.map((name) => [name, style.getPropertyValue(name)]).filter(([, value]) => value);
    const to = parts[i];
    for (const { name } of [...to.attributes])
      if (name === "class" || name.startsWith("data-") || name.startsWith("aria-")) to.removeAttribute(name);
    to.setAttribute("style", said.map(([name, value]) => `${name}:${value}`).join(";"));
  }
  for (const part of copy.querySelectorAll("g:empty")) part.remove();
  return copy;
}

/**
 * The open pictures, side by side, as the text of an SVG file.
 * @param {Element} root the stage
 * @param {string} title what they show
 * @param {string} words which moment they show, below them
 */
export function pictureFile(root, title, words) {
  const drawings = /** @type {SVGElement[]} */ ([...root.querySelectorAll("svg.mm-picture")]);
  const sizes = drawings.map((each) => ["width", "height"].map((name) => Number(each.getAttribute(name))));
  const wide = sizes.reduce((sum, [width]) => sum + width + GAP, GAP);
  const deep = Math.max(...sizes.map(([, height]) => height)) + 2 * GAP;
  const high = deep + UNDER;
  const all = document.createElementNS(SPACE, "svg");
  const make = (/** @type {string} */ tag, /** @type {Record<string, string | number>} */ attributes) => {
    const made = document.createElementNS(SPACE, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    return made;
  };
  for (const [name, value] of Object.entries({ width: wide, height: high, viewBox: `0 0 ${wide} ${high}` }))
    all.setAttribute(name, String(value));
  const { backgroundColor, color, fontFamily } = getComputedStyle(root);
  const paper = make("rect", { width: wide, height: high, style: `fill:${backgroundColor}` });
  const heading = make("title", {});
  heading.textContent = title;
  const below = make("text", { x: GAP, y: deep, style: `fill:${color};font:${UNDER_TYPE}px ${fontFamily}` });
  below.textContent = words;
  all.append(heading, paper, below);
  let x = GAP;
  for (const [i, drawing] of drawings.entries()) {
    const copy = copied(drawing);
    copy.setAttribute("x", String(x));
    copy.setAttribute("y", String(GAP));
    all.append(copy);
    x += sizes[i][0] + GAP;
  }
  return new XMLSerializer().serializeToString(all);
}

/** A picture in pixels. @param {string} svg @returns {Promise<Blob>} */
export async function inPixels(svg) {
  const href = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = href;
    await image.decode();
    const canvas = element("canvas", "", "", {
      width: String(image.width * PIXELS),
      height: String(image.height * PIXELS),
    });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done, fail) => {
      canvas.toBlob((/** @type {Blob | null} */ file) => (file ? done(file) : fail(new Error("no picture"))));
    });
  } finally {
    URL.revokeObjectURL(href);
  }
}
