// theta in numbers, as the matrix of the paper: typing moves the grid, dragging changes the numbers.
import { make } from "../viewer/dom.js";
import { CONTROL, fault } from "./families.js";

const STEP = 0.01; // of the arrow keys in a field
const SHOWN = 3; // decimals
const NAMES = {
  attention: ["s", "tx", "ty"],
  affine: ["theta 11", "theta 12", "theta 13", "theta 21", "theta 22", "theta 23"],
  projective: ["h 11", "h 12", "h 13", "h 21", "h 22", "h 23", "h 31", "h 32"],
};
// An entry: index of theta, or text that stays.
const ROWS = {
  attention: [[0, "0", 1], ["0", "s", 2]],
  affine: [[0, 1, 2], [3, 4, 5]],
  projective: [[0, 1, 2], [3, 4, 5], [6, 7, "1"]],
};

/** A number as people read it. */
export const shortNumber = (value, decimals = SHOWN) => Number(value.toFixed(decimals) === `-${(0).toFixed(decimals)}` ? 0 : value).toFixed(decimals);

/** What was typed as a number; NaN where it is none. */
export const typedNumber = (text) => (text.trim() === "" ? NaN : Number(text.trim().replace(",", ".").replace("\u2212", "-")));

export class Matrix {
  /** @param {import("./drag.js").Drag} owner */
  constructor(owner) {
    this.owner = owner;
    this.fields = [];
  }

  build(family) {
    const { matrix } = this.owner.refs;
    this.fields = [];
    this.copies = [];
    matrix.replaceChildren(...(family === "tps" ? [this.table()] : this.equation(family)));
  }

  field(index, name) {
    const field = make("input", { type: "text", inputmode: "decimal", autocomplete: "off", "data-theta": index, "aria-label": name });
    field.addEventListener("input", () => this.typed());
    field.addEventListener("change", () => this.done());
    field.addEventListener("blur", () => this.done());
    field.addEventListener("keydown", (e) => this.key(e, field));
    this.fields[index] = field;
    return field;
  }

  equation(family) {
    const vector = (...names) => bracketed(names.map((name) => [name]), name => spelled(name));
    const entries = bracketed(ROWS[family], (entry) => {
      if (typeof entry === "number") return this.field(entry, NAMES[family][entry]);
      const text = make("span", { class: "fixed" }, entry);
      if (entry === "s") this.copies.push(text);
      return text;
    });
    const left = family === "projective" ? vector("x_s w", "y_s w", "w") : vector("x_s", "y_s");
    return [left, make("span", {}, "="), entries, vector("x_t", "y_t", "1")];
  }

  table() {
    const rows = Array.from({ length: CONTROL }, (_, row) => make("div", { class: "points" }, Array.from({ length: CONTROL }, (_, column) => {
      const k = row * CONTROL + column, name = `Control point ${k + 1}`;
      return make("span", {}, [this.field(2 * k, `${name}, x`), this.field(2 * k + 1, `${name}, y`)]);
    })));
    return make("details", {}, [make("summary", {}, "Places (x, y) of the 16 control points in the input"), ...rows]);
  }

  /** Show theta, but leave alone what is being typed. */
  show(theta) {
    const active = this.owner.refs.wrap.getRootNode().activeElement;
    this.fields.forEach((field, i) => {
      const text = shortNumber(theta[i]);
      if (field !== active && field.value !== text) field.value = text;
    });
    for (const copy of this.copies) copy.textContent = shortNumber(theta[0]);
  }

  /** The numbers in the fields; one that nobody changed keeps all its decimals. */
  read() {
    const { theta } = this.owner.transform;
    return this.fields.map((field, i) => (field.value === shortNumber(theta[i]) ? theta[i] : typedNumber(field.value)));
  }

  typed() {
    const theta = this.read(), wrong = fault(this.owner.transform.family, theta);
    for (const field of this.fields) field.toggleAttribute("aria-invalid", Number.isNaN(typedNumber(field.value)));
    this.owner.say(wrong && `${wrong} The last good grid stays.`);
    if (!wrong) this.owner.take(theta);
  }

  /** A field is left: what could not be used gives way to what is. */
  done() {
    const wrong = fault(this.owner.transform.family, this.read());
    for (const field of this.fields) field.removeAttribute("aria-invalid");
    if (!wrong) this.owner.say("");
    this.fields.forEach((field, i) => { field.value = shortNumber(this.owner.transform.theta[i]); });
    this.owner.commit();
  }

  key(event, field) {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key], value = typedNumber(field.value);
    if (!way || Number.isNaN(value)) return;
    event.preventDefault();
    field.value = shortNumber(value + way * STEP * (event.shiftKey ? 10 : 1));
    this.typed();
    this.owner.commitSoon();
  }
}

/** x_s with its index below, as elements. */
function spelled(name) {
  return make("span", { class: "fixed" }, name.split(" ").flatMap((part) => {
    const [base, below] = part.split("_");
    return [make("i", {}, base), ...(below ? [make("sub", {}, below)] : [])];
  }));
}

function bracketed(rows, cell) {
  const grid = make("span", { class: "bracketed" }, rows.flat().map(cell));
  grid.style.gridTemplateColumns = `repeat(${rows[0].length}, auto)`;
  return grid;
}
