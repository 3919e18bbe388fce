// A place in a case that an address names.

/** What is written, as it is compared: blanks may be written as `_`, and in any case. @param {string} written */
function compared(written) {
  let plain = written;
  try {
    plain = decodeURIComponent(written);
  } catch {
    // not what an address has: it stays as it is
  }
  return plain.replaceAll("_", " ").trim().toLowerCase();
}

/**
 * Go to a moment: a run by its name or its beginning, or a step of the run on the stage by its number.
 * @param {import("./session.js").Session} session
 * @param {string} written as it stands in an address
 */
export function visitMoment(session, written) {
  const name = compared(written);
  if (!name) return;
  const runs = session.named.filter((each) => !each.sealed);
  const fits = [
    (/** @type {string} */ known) => known === name,
    (/** @type {string} */ known) => known.startsWith(`${name}:`), // a bad state, and which run of it
    (/** @type {string} */ known) => known.startsWith(name),
  ];
  const run = fits.map((fit) => runs.find((each) => fit(compared(each.name)))).find(Boolean);
  if (run) session.open(run.schedule, 0, true);
  else if (/^[0-9]+$/.test(name)) session.go(Number(name));
  else session.complain(`No run is called “${name}”: the list of runs has their names.`);
}
