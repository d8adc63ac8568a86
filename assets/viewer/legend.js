// The classes that occur, the largest first: a click hides one, a double click or "solo" shows it alone.
import { make, swatch } from "./dom.js";
import { css } from "./palette.js";
import { className, percent } from "./reading.js";
import { labelLayer } from "./film.js";
import { VOID } from "./outline.js";

export class Legend {
  /** @param {import("./viewer.js").Viewer} viewer @param {HTMLElement} list */
  constructor(viewer, list) {
    this.viewer = viewer;
    this.list = list;
    this.rows = new Map(); // class index -> <li>
  }

  /** Rows are kept and not made anew, so that a double click and the focus survive an update. */
  row(k) {
    if (this.rows.has(k)) return this.rows.get(k);
    const name = className(this.viewer.film.trace, k);
    const toggle = make("button", { type: "button", class: "class", title: `Hide or show ${name}` },
      [swatch("transparent"), make("span", { class: "name" }, name), make("span", { class: "share" })]);
    const solo = make("button",
      { type: "button", class: "solo", title: `Show ${name} alone`, "aria-label": `${name} alone` }, "solo");
    if (k === VOID) toggle.disabled = solo.disabled = true;
    toggle.addEventListener("click", () => this.toggle(name));
    toggle.addEventListener("dblclick", () => this.solo(name));
    solo.addEventListener("click", () => this.solo(name));
    const li = make("li", {}, [toggle, solo]);
    this.rows.set(k, li);
    return li;
  }

  forget() {
    this.rows.clear();
    this.list.replaceChildren();
  }

  toggle(name) {
    const { hidden } = this.viewer.state;
    this.viewer.set({ hidden: hidden.includes(name) ? hidden.filter((n) => n !== name) : [...hidden, name] });
  }

  /** Show one class alone, or all again where it already is. */
  solo(name) {
    const { classes } = this.viewer.film.trace, others = classes.filter((n) => n !== name);
    this.viewer.set({ hidden: this.isSolo(name) ? [] : others });
  }

  isSolo(name) {
    const { classes } = this.viewer.film.trace, { hidden } = this.viewer.state;
    return classes.length > 1 && classes.every((n) => n === name || hidden.includes(n)) && !hidden.includes(name);
  }

  /** @returns {[number, number][]} class and share of the picture in a step, the largest first */
  shares(step) {
    const { film, look } = this.viewer, layer = labelLayer(step, look);
    if (!layer) return [];
    const count = film.areas(layer, look), all = count.reduce((a, b) => a + b);
    return Array.from(count, (n, k) => [k, n / all]).filter(([, share]) => share > 0).sort((a, b) => b[1] - a[1]);
  }

  update(shares) {
    const { look, state } = this.viewer, items = shares.map(([k, share]) => {
      const li = this.row(k), [toggle, solo] = li.children, name = className(this.viewer.film.trace, k);
      toggle.querySelector("i").style.background = look.colours[k] ? css(look.colours[k]) : "transparent";
      toggle.querySelector(".share").textContent = percent(share);
      toggle.setAttribute("aria-pressed", String(!state.hidden.includes(name)));
      solo.setAttribute("aria-pressed", String(this.isSolo(name)));
      return li;
    });
    const same = items.length === this.list.children.length && items.every((li, i) => this.list.children[i] === li);
    if (same) return;
    const focused = this.list.getRootNode().activeElement;
    this.list.replaceChildren(...items);
    if (focused && items.some((li) => li.contains(focused))) focused.focus({ preventScroll: true });
  }
}
