// The link of a moment as a QR code on the stage, for a room with phones. It is of the moment shown, or it is not there.

import { drawn, element } from "./dom.js";
import { linkGiven } from "./save_menu.js";

const COVERABLE = ".mm-picture text, .mm-column .mm-row"; // what a reader would miss under the code
const QR_SEATS = [1, 0, 0.5]; // of the room beside the code: the places that are tried, the first of the best is taken
const QR_MARGIN = 4; // px to the edge of the picture

/**
 * The code of the moment shown. The promise fails where there is none; the message says why.
 * @param {import("./session.js").Session} session
 * @returns {Promise<{size: number, path: string}>}
 */
export async function codeOf(session) {
  const { source, tree, k } = session;
  const [known, first] = [source.qr || {}, source.at?.runs[source.at.run]];
  const isFirst = first?.join() === tree.schedule().join() && source.at.k === k;
  if (known.path && isFirst) return /** @type {any} */ (known);
  if (!source.send) {
    if (known.lacks) throw new Error(known.lacks);
    const instead = linkGiven(session) ? "the link of" : "a line of Python for";
    throw new Error(`Without Python there is no QR code of this moment; Save (s) has ${instead} it`);
  }
  const { qr } = await session.ask({ ask: "link", schedule: tree.schedule(), k });
  if (qr.lacks) throw new Error(qr.lacks);
  return qr;
}

/**
 * Where a box covers least of what is drawn.
 * @param {{left: number, top: number, width: number, height: number}} room
 * @param {[number, number]} size of the box
 * @param {{left: number, right: number, top: number, bottom: number}[]} marks
 * @returns {[number, number]} from the left and the top, as the marks are
 */
export function freest(room, [wide, high], marks) {
  const covered = (/** @type {number} */ x, /** @type {number} */ y) =>
    marks.reduce((sum, { left, right, top, bottom }) => {
      const across = Math.min(right, x + wide) - Math.max(left, x);
      const down = Math.min(bottom, y + high) - Math.max(top, y);
      return across > 0 && down > 0 ? sum + across * down : sum;
    }, 0);
  let [best, least] = [[room.left, room.top], Number.POSITIVE_INFINITY];
  for (const down of QR_SEATS)
    for (const across of QR_SEATS) {
      const x = room.left + QR_MARGIN + Math.max(0, room.width - wide - 2 * QR_MARGIN) * across;
      const y = room.top + QR_MARGIN + Math.max(0, room.height - high - 2 * QR_MARGIN) * down;
      const area = covered(x, y);
      if (area < least) [best, least] = [[x, y], area];
    }
  return /** @type {[number, number]} */ (best);
}

/**
 * @param {import("./session.js").Session} session
 * @param {Element} picture what the code may cover
 * @param {(words: string) => void} hint says why there is no code
 */
export function qrCorner(session, picture, hint) {
  const node = element("figure", "mm-qr");
  node.hidden = true;
  let [isWanted, isAsking, shown] = [false, false, ""];
  const moment = () => `${session.tree.schedule().join()}@${session.k}`;

  /** Put it where it covers least: when it comes and when the room changes, never after a step. */
  const place = () => {
    const main = node.parentElement;
    if (!main || node.hidden) return;
    const home = main.getBoundingClientRect();
    const room = picture.clientWidth ? picture.getBoundingClientRect() : home; // in a narrow stage columns may be open
    const marks = [...main.querySelectorAll(COVERABLE)].map((mark) => mark.getBoundingClientRect());
    const [x, y] = freest(room, [node.offsetWidth, node.offsetHeight], marks);
    node.style.left = `${x - home.left - main.clientLeft}px`;
    node.style.top = `${y - home.top - main.clientTop}px`;
  };
  const close = () => {
    const wasThere = isWanted;
    [isWanted, shown] = [false, ""];
    node.hidden = true;
    return wasThere;
  };
  /** After a move: the code of the moment now shown, or none and a sentence. What was shown is gone at once. */
  const draw = async () => {
    if (!isWanted || shown === moment()) return;
    shown = "";
    for (const old of node.children) old.classList.add("mm-old");
    if (isAsking) return; // which then sees that the moment is another one
    isAsking = true;
    try {
      while (isWanted && shown !== moment()) {
        const [wanted, { k, last }] = [moment(), session];
        const { size, path } = await codeOf(session);
        if (!isWanted || wanted !== moment()) continue;
        const code = drawn(
          "svg",
          {
            viewBox: `0 0 ${size} ${size}`,
            role: "img",
            "aria-label": `a QR code: the link to step ${k} of ${last}`,
            "shape-rendering": "crispEdges",
          },
          drawn("path", { d: path }),
        );
        node.replaceChildren(code, element("figcaption", "", `step ${k}`, { "aria-hidden": "true" }));
        shown = wanted;
        if (node.hidden) {
          node.hidden = false;
          place();
        }
      }
    } catch (error) {
      close();
      hint(/** @type {Error} */ (error).message.replace(/\.$/, ""));
    } finally {
      isAsking = false;
    }
  };
  return {
    node,
    draw,
    place,
    close,
    /** Show the code of the moment, or take it away. */
    toggle() {
      if (close()) return;
      isWanted = true;
      draw();
    },
  };
}
