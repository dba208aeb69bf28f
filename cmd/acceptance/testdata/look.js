// look is what TestEveryPage asks a page about.
window.look = (() => {
  // draw puts another page in the place of this one, which is faster than to open it. Its scripts do not run.
  const draw = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const e of page.querySelectorAll("iframe")) e.remove(); // hidden, and for others
    for (const e of page.querySelectorAll("details")) e.open = true;
    [document.title, document.documentElement.lang, document.documentElement.dir] = [page.title, page.documentElement.lang, page.documentElement.dir];
    document.body.replaceWith(document.adoptNode(page.body));
    scrollTo(0, 0);
  };

  const visible = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".unseen");
  const describe = (e) => e.localName + (e.id && "#" + e.id) + " " + (e.textContent || e.name || "").trim().replace(/\s+/g, " ").slice(0, 40);

  // controls are what Tab must reach, in the order of the source, which is the order for reading.
  const controls = () => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, iframe, [tabindex]")]
    .filter((e) => e.type !== "hidden" && e.tabIndex >= 0 && visible(e));

  const heading = () => {
    const found = [...document.querySelectorAll("h1")].map((e) => e.textContent.trim());
    if (found.length !== 1) return [found.length + " h1"];
    const [title, brand] = [document.title, document.querySelector(".brand").textContent.trim()];
    return title === found[0] + " · " + brand ? [] : [`the title is ${title}, the heading ${found[0]}, the brand ${brand}`];
  };

  // sticksOut finds what is wider than the page or than its own place, where the frame would cut it off.
  const sticksOut = () => {
    const wide = document.scrollingElement.scrollWidth - innerWidth;
    const found = wide > 0 ? [`the page is ${wide} pixels too wide`] : [];
    for (const e of document.body.querySelectorAll("*")) {
      if (!visible(e) || e.closest("svg, input, iframe") || e.parentElement.closest("pre")) continue;
      const { left, right, width } = e.getBoundingClientRect();
      const { display, overflowX } = getComputedStyle(e);
      const words = display !== "inline" && [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
      const full = words && overflowX !== "auto" && e.scrollWidth > e.clientWidth + 1 || words && e.scrollHeight > e.clientHeight + 8;
      if (width && (left < -0.5 || right > innerWidth + 0.5) || full) found.push(`${describe(e)} sticks out`);
    }
    return found;
  };

  const bright = (scheme) => {
    const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number);
    return (r + g + b > 3 * 127) === (scheme === "light") ? [] : [`the background is ${[r, g, b]}`];
  };

  // focused is what is wrong with the focus on an element.
  const focused = (e) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(e);
    const { top, bottom, left, width, height } = e.getBoundingClientRect();
    const middle = document.elementFromPoint(left + width / 2, top + height / 2);
    const seen = height > innerHeight || top > -1 && bottom < innerHeight + 1 && (e.contains(middle) || middle?.contains(e));
    return [
      outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 ? [] : `the focus on ${describe(e)} has no ring`,
      seen ? [] : `the focus on ${describe(e)} cannot be seen: ${left}, ${top} of ${innerWidth}, ${innerHeight}, under ${middle && describe(middle)}`,
    ].flat();
  };

  // focus puts the focus on each control. As none has a tabindex above 0, Tab goes the same way.
  const focus = () => controls().flatMap((e) => {
    e.focus();
    return document.activeElement === e && e.tabIndex === 0 ? focused(e) : `${describe(e)} does not take the focus, or not in its turn`;
  });

  // walk notes where the focus is, before each key moves it on; walked compares that with controls.
  const reached = [], wrong = [];
  const walk = async () => {
    const first = document.querySelector("[autofocus]");
    if (first && document.activeElement !== first) await new Promise((focused) => first.addEventListener("focus", focused));
    document.body.tabIndex = -1; // so that the walk begins at the top, wherever the page put the focus
    document.body.focus();
    document.body.removeAttribute("tabindex");
    addEventListener("keydown", () => {
      const e = document.activeElement;
      if (e === document.body) return;
      reached.push(e);
      wrong.push(...focused(e));
    });
    return controls().length;
  };
  const walked = () => {
    const want = controls(), got = reached.filter((e) => want.includes(e)).slice(0, want.length);
    const missed = want.filter((e) => !got.includes(e)).map((e) => `Tab does not reach ${describe(e)}`);
    const late = want.flatMap((e, i) => e === got[i] ? [] : `Tab reaches ${describe(got[i])}, and not ${describe(e)}, as number ${i + 1}`);
    return [...wrong, ...(missed.length ? missed : late)];
  };

  // withoutScripts finds controls that do nothing while scripts are off.
  const withoutScripts = () => controls().filter((e) => e.matches(".scripted, [data-passkey-ask]") || e.matches("button") && !e.form)
    .map((e) => `${describe(e)} needs a script, and is shown without`);

  // judge is what axe finds by some rules, with the elements in question. Without rules it is not asked.
  const judge = async (rules) => rules ? (await axe.run({ preload: false, resultTypes: ["violations"], ...rules })).violations
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => n.html + " " + n.failureSummary).join("; ")}`) : [];

  // every draws pages and returns what is wrong with them: pages are pairs of a name and HTML.
  const every = async (pages, scheme, rules, keyboard) => {
    const found = [];
    for (const [name, html] of pages) {
      draw(html);
      found.push(...[heading(), sticksOut(), bright(scheme), keyboard ? focus() : [], await judge(rules)].flat().map((what) => `${name}: ${what}`));
    }
    return found;
  };

  return { every, walk, walked, withoutScripts };
})();
