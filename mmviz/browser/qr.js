// The link of a moment as a QR code in a corner of the stage, for a room with phones.

import { drawn, element } from "./dom.js";
import { linkGiven } from "./save_menu.js";

const ABSENT = "A page without Python has the code of the moment with which it opens";

/**
 * The code of the moment shown. The promise fails where there is none; the message says why.
 * @param {import("./session.js").Session} session
 * @returns {Promise<{size: number, path: string}>}
 */
async function codeOf(session) {
  const { source, tree, k } = session;
  if (source.qr?.link && source.qr.link === linkGiven(session)) return source.qr;
  if (!source.send) throw new Error(ABSENT);
  const { qr } = await session.ask({ ask: "link", schedule: tree.schedule(), k });
  if (qr.lacks) throw new Error(qr.lacks);
  return qr;
}

/**
 * @param {import("./session.js").Session} session
 * @param {(words: string) => void} hint says why there is no code
 */
export function qrCorner(session, hint) {
  const node = element("figure", "mm-qr");
  node.hidden = true;
  return {
    node,
    /** Show the code of the moment, or take it away. */
    async toggle() {
      if (!node.hidden) {
        node.hidden = true;
        return;
      }
      const { k, last } = session;
      try {
        const { size, path } = await codeOf(session);
        const label = `a QR code: the link to step ${k} of ${last}`;
        const picture = drawn(
          "svg",
          { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges" },
          drawn("path", { d: path }),
        );
        node.replaceChildren(picture, element("figcaption", "", `step ${k}`, { "aria-hidden": "true" }));
        node.hidden = false;
      } catch (error) {
        hint(/** @type {Error} */ (error).message.replace(/\.$/, ""));
      }
    },
  };
}
