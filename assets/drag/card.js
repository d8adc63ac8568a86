// Where one pixel of the output comes from, in numbers and as pixels; in forward mapping, where one of the input goes.
import { make } from "../viewer/dom.js";
import { shortNumber } from "./matrix.js";

const AROUND = 8; // pixels of the input along each side of the enlarged patch
const SIDE = 112; // CSS pixels of the patch

const colour = (values) => `rgb(${values.map((v) => Math.round(Math.min(255, Math.max(0, v)))).join(" ")})`;
const chip = (values) => {
  const element = make("i", { class: "swatch", "aria-hidden": "true" });
  element.style.background = colour(values);
  return element;
};

export class Card {
  /** @param {import("./drag.js").Drag} owner */
  constructor(owner) {
    this.owner = owner;
    this.context = owner.refs.patch.getContext("2d");
  }

  /** Nothing is hovered. */
  clear() {
    const { cardHint, cardBody } = this.owner.refs;
    cardBody.hidden = true;
    cardHint.hidden = false;
    cardHint.textContent = this.owner.forward
      ? "Point at the input: here stands where its pixel lands in the output."
      : "Point at the output: here stands which place of the input it asks, and what it is mixed from.";
    cardBody.dataset.pixel = "";
  }

  /** One output pixel. @param {{x: number, y: number}} pixel @param {number[]} place @param {object} explained */
  show({ x, y }, place, explained) {
    const { cardBody, cardHint, facts, weights, result } = this.owner.refs, { index, neighbours, total, seen } = explained;
    cardHint.hidden = true;
    cardBody.hidden = false;
    cardBody.dataset.pixel = `${x} ${y}`;
    facts.textContent = `Output pixel (${x}, ${y}) asks the input at (${place.map((v) => shortNumber(v)).join(", ")}), pixel (${index.map((v) => shortNumber(v, 2)).join(", ")}).`;
    weights.replaceChildren(...neighbours.map((one) => cells(`(${one.x}, ${one.y})`, one.weight, one.value, one.value, one.padded ? "padding" : "")));
    const weight = neighbours.reduce((sum, one) => sum + one.weight, 0);
    result.replaceChildren(cells("weighted sum", weight, total, total.map((v) => shortNumber(v, 1)), `→ ${seen.join(" ")}`));
    result.parentNode.hidden = false;
    this.drawPatch(index, neighbours);
  }

  /** Forward mapping: the input pixel and where it lands, null for nowhere. */
  showLanding({ x, y }, place, landed) {
    const { cardBody, cardHint, facts, weights } = this.owner.refs;
    cardHint.hidden = true;
    cardBody.hidden = false;
    cardBody.dataset.pixel = `${x} ${y}`;
    const where = place ? `is pushed to (${place.map((v) => shortNumber(v)).join(", ")})` : "has no place in the output";
    facts.textContent = `Input pixel (${x}, ${y}) ${where}, ${landed ? `on output pixel (${landed.x}, ${landed.y})` : "outside the output"}.`;
    weights.parentNode.hidden = true;
    this.drawPatch([x, y], [{ x, y, weight: 1 }]);
  }

  /** The pixels around a place as squares, those that count framed with their weight in them. */
  drawPatch([x, y], neighbours) {
    const { context, owner: { picture, refs: { patch } } } = this, density = window.devicePixelRatio || 1;
    const left = Math.floor(x) - AROUND / 2 + 1, top = Math.floor(y) - AROUND / 2 + 1, cell = SIDE / AROUND;
    if (patch.width !== SIDE * density) patch.width = patch.height = SIDE * density;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, SIDE, SIDE);
    for (let j = 0; j < AROUND; j++) {
      for (let i = 0; i < AROUND; i++) {
        const c = left + i, r = top + j;
        if (c < 0 || r < 0 || c >= picture.width || r >= picture.height) continue;
        const p = picture.pixels[r * picture.width + c];
        context.fillStyle = colour([p & 255, (p >> 8) & 255, (p >> 16) & 255]);
        context.fillRect(i * cell, j * cell, cell + 0.3, cell + 0.3);
      }
    }
    const edge = (width, style) => { context.lineWidth = width; context.strokeStyle = style; };
    for (const one of neighbours) {
      const X = (one.x - left) * cell, Y = (one.y - top) * cell;
      for (const [width, style] of [[3, "rgba(0, 0, 0, 0.7)"], [1.2, "#ffeb3b"]]) {
        edge(width, style);
        context.strokeRect(X, Y, cell, cell);
      }
    }
    const X = (x - left + 0.5) * cell, Y = (y - top + 0.5) * cell;
    for (const [width, style] of [[4, "rgba(0, 0, 0, 0.8)"], [2, "#fff"]]) {
      edge(width, style);
      context.beginPath();
      context.moveTo(X - 6, Y);
      context.lineTo(X + 6, Y);
      context.moveTo(X, Y - 6);
      context.lineTo(X, Y + 6);
      context.stroke();
    }
  }
}

/** A row of the table: a pixel, what it counts, its colour. */
function cells(name, weight, shown, values, note) {
  return make("tr", {}, [make("td", {}, name), make("td", { class: "number" }, shortNumber(weight)),
    make("td", {}, [chip(shown), values.join(" ")]), make("td", { class: "soft" }, note)]);
}
