// The stages of a page. What one plays is a script of its own, which is loaded when it is to be shown:
// deflated JSON, handed over by a call of `mmvizCase`.
{
  const NEAR = "600px 0px"; // a stage is made before the reader scrolls to it
  const OLD = "This browser is too old to read the stage; a newer one does.";
  const LOST = "What this stage plays could not be loaded: the site's folder is not whole.";
  const page = /** @type {any} */ (window);

  /** @type {Map<HTMLOrSVGScriptElement | null, (text: string) => void>} */
  const waiting = new Map();
  /** @param {string} text */
  page.mmvizCase = (text) => waiting.get(document.currentScript)?.(text);

  /** @param {string} file @returns {Promise<string>} */
  const loaded = (file) =>
    new Promise((done, fail) => {
      const script = document.createElement("script");
      waiting.set(script, done);
      script.addEventListener("error", () => fail(new Error(LOST)));
      script.src = file;
      document.head.append(script);
      script.addEventListener("load", () => {
        waiting.delete(script);
        script.remove();
      });
    });

  /** @param {string} text @returns {Promise<any>} */
  const unpacked = (text) => {
    if (!("DecompressionStream" in window)) throw new Error(OLD);
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(plain).json();
  };

  /** @type {Map<string, Promise<any>>} */
  const known = new Map();
  /** @param {string} file */
  const source = (file) => {
    const found = known.get(file) || loaded(file).then(unpacked);
    known.set(file, found);
    return found;
  };

  /** The same case for a reader who is the scheduler: no run is shown before the end. @param {any} what */
  const driven = (what) => ({
    ...what,
    mode: "driver",
    at: { ...what.at, runs: [[]], run: 0, k: 0 },
    named: what.named.map((/** @type {any} */ run) => ({ ...run, sealed: true })),
  });

  /** @param {HTMLElement} section @returns {(file: string, isDriven?: boolean) => Promise<any>} what puts a case on its stage */
  const stage = (section) => {
    const place = /** @type {HTMLElement} */ (section.querySelector(".place"));
    const said = /** @type {HTMLElement} */ (section.querySelector(".said"));
    let close = () => {};
    let turn = 0;
    return async (file, isDriven = false) => {
      const mine = ++turn;
      try {
        const what = await source(file);
        if (mine !== turn) return null;
        close();
        close = page.mmviz.mount(place, structuredClone(isDriven ? driven(what) : what));
        said.textContent = "";
        return close;
      } catch (error) {
        if (mine === turn) said.textContent = /** @type {Error} */ (error).message;
        return null;
      }
    };
  };

  /** A stage on which the reader chooses a case: `#case/moment` says which, and where in it. @param {HTMLElement} section */
  const chosen = (section) => {
    const list = /** @type {HTMLSelectElement} */ (section.querySelector("select"));
    const drive = /** @type {HTMLButtonElement} */ (section.querySelector(".choose button"));
    const show = stage(section);
    const isDriven = () => drive.getAttribute("aria-pressed") === "true";
    const put = () => show(`${section.dataset.folder}/${list.value}.js`, isDriven());
    const options = [...list.options];
    const visit = async () => {
      const [name, ...rest] = location.hash.slice(1).split("/").map(plain);
      const moment = rest.join("/");
      const found = options.find((each) => each.dataset.name === name || (each.dataset.id && each.dataset.id === name));
      if (name && !found) {
        if (!document.getElementById(name)) await put();
        return;
      }
      if (found) list.value = found.value;
      if (moment) drive.setAttribute("aria-pressed", "false");
      const made = await put();
      if (made && moment) made.visit(moment);
      if (!made || !found) return;
      section.scrollIntoView({ block: "start" });
      /** @type {HTMLElement | null} */ (section.querySelector(".mm-stage"))?.focus({ preventScroll: true });
    };
    list.addEventListener("change", () => {
      location.hash = encodeURIComponent(options[list.selectedIndex].dataset.name || "");
    });
    drive.addEventListener("click", () => {
      drive.setAttribute("aria-pressed", String(!isDriven()));
      put();
    });
    addEventListener("hashchange", visit);
    visit();
    if (!list.value || document.getElementById(plain(location.hash.slice(1)))) put();
  };

  /** What a part of an address says. @param {string} part */
  function plain(part) {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  }

  const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("section.stage")]);
  const near = new IntersectionObserver(
    (seen) => {
      for (const each of seen) {
        if (!each.isIntersecting) continue;
        near.unobserve(each.target);
        const section = /** @type {HTMLElement} */ (each.target);
        if (section.dataset.file) stage(section)(section.dataset.file);
        else chosen(section);
      }
    },
    { rootMargin: NEAR },
  );
  for (const section of all) {
    if (section.dataset.folder) chosen(section);
    else near.observe(section);
  }
}
