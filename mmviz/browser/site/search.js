// The search of the first page. What it looks in, `mmvizFound`, is a script of its own.
{
  const RELEASE = /^v?([0-9]{1,2})\.([0-9]{1,2})(?:\.([0-9]{1,3}))?$/;
  const MOST = 400; // cases that are shown

  /**
   * @typedef {[string, string, string, number[], number[], [number[], number[]] | 0, string]} Case
   *   name, id, title, bad states, functions, releases, when
   * @typedef {[string, string, string, Case[]]} Race name, title, page, cases
   * @typedef {{bad: string[], functions: string[], races: Race[]}} Data
   */
  const data = /** @type {Data} */ (/** @type {any} */ (window).mmvizFound);
  const form = /** @type {HTMLElement} */ (document.getElementById("search"));
  const box = /** @type {HTMLInputElement} */ (document.getElementById("words"));
  const count = /** @type {HTMLElement} */ (document.getElementById("count"));
  const found = /** @type {HTMLElement} */ (document.getElementById("found"));
  const everything = /** @type {HTMLElement} */ (document.getElementById("all"));

  /** @param {number[]} one @param {number[]} other */
  const compare = (one, other) => one.map((n, i) => n - (other[i] ?? 0)).find((n) => n) || 0;

  /** Whether a release is known to behave like a case. @param {Case} each @param {number[]} release */
  const behaves = (each, release) => {
    if (!each[5]) return false;
    const [first, last] = each[5];
    return compare(first, release) <= 0 && (!last.length || compare(release, last) <= 0);
  };

  /** The numbers of a release, as it is typed; null where it is none. @param {string} word */
  const released = (word) => {
    const is = RELEASE.exec(word);
    if (!is) return null;
    return is[1] === "2" ? [2, Number(is[2]), Number(is[3] || 0)] : [Number(is[1]), Number(is[2])];
  };

  const bad = data.bad.map((name) => name.toLowerCase());
  const functions = data.functions.map((name) => name.toLowerCase());
  const texts = data.races.map(([name, title, , cases]) => ({
    race: `${name}\n${title}`.toLowerCase(),
    cases: cases.map((each) =>
      `${each[0]}\n${each[1]}\n${each[2]}\n${each[3].map((n) => `${bad[n]} ${bad[n].replaceAll("_", " ")}`).join("\n")}`.toLowerCase(),
    ),
  }));

  /** The functions of a case by which a word fits; null where it does not fit. @param {Case} each @param {string} text @param {string} word */
  const fits = (each, text, word) => {
    const release = released(word);
    if (release && behaves(each, release)) return [];
    if (text.includes(word)) return [];
    const ran = each[4].filter((n) => functions[n].includes(word));
    return ran.length ? ran : null;
  };

  /** @param {string} text @param {string} to @param {string} [moment] */
  const link = (text, to, moment) => {
    const made = document.createElement("a");
    made.textContent = text;
    made.href = to + (moment ? `#${encodeURIComponent(moment)}` : "");
    return made;
  };

  /** @param {string} tag @param {...(string | Node)} parts */
  const made = (tag, ...parts) => {
    const element = document.createElement(tag);
    element.append(...parts);
    return element;
  };

  /** @param {number} n @param {string} what */
  const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

  const look = () => {
    const words = box.value.toLowerCase().replaceAll("()", "").split(/\s+/).filter(Boolean);
    const list = made("ul");
    let cases = 0;
    let races = 0;
    data.races.forEach(([name, title, page, all], i) => {
      const items = all.flatMap((each, n) => {
        const why = words.map((word) => fits(each, `${texts[i].race}\n${texts[i].cases[n]}`, word));
        if (why.includes(null)) return [];
        const ran = [...new Set(why.flat())].slice(0, 4).map((number) => data.functions[Number(number)]);
        const about = ` ${each[2]}${ran.length ? ` · ${ran.join(", ")}` : ""} · ${each[6]}`;
        return [made("li", link(each[0], page, each[0]), about)];
      });
      if (!items.length) return;
      races++;
      if (cases < MOST) list.append(made("li", link(title, page), made("small", ` ${name}`), made("ul", ...items)));
      cases += items.length;
    });
    const isAsked = words.length > 0;
    everything.hidden = isAsked;
    found.replaceChildren(...(isAsked ? [list] : []));
    const cut = cases > MOST ? "; the first are shown" : "";
    count.textContent = !isAsked
      ? ""
      : cases
        ? `${counted(cases, "case")} of ${counted(races, "race")}${cut}`
        : "Nothing fits all of these words.";
  };

  const write = () => {
    look();
    try {
      history.replaceState(null, "", box.value ? `#q=${encodeURIComponent(box.value)}` : "#");
    } catch {
      // a page from disk may not change its address everywhere
    }
  };
  box.addEventListener("input", write);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const links = [...found.querySelectorAll("a")];
    const at = links.indexOf(/** @type {any} */ (document.activeElement));
    const isBox = document.activeElement === box;
    if (event.key === "/" && !isBox) box.focus();
    else if (event.key === "Escape" && (isBox || at >= 0)) {
      box.value = "";
      write();
      box.focus();
    } else if (event.key === "ArrowDown" && (isBox || at >= 0)) links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] || box).focus();
    else if (event.key === "Enter" && isBox) links[0]?.click();
    else return;
    event.preventDefault();
  });

  const start = () => {
    const asked = /^#q=(.*)$/.exec(location.hash);
    if (!asked) return;
    try {
      box.value = decodeURIComponent(asked[1]);
    } catch {
      box.value = asked[1];
    }
    look();
  };
  form.hidden = false;
  start();
  addEventListener("hashchange", start);
  if (!document.activeElement || document.activeElement === document.body) box.focus();
}
