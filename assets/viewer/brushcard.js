// The card of the brush: on or off, what to paint, the size of the tip, undo, and the one button that sends.
import { make, swatch } from "./dom.js";
import { css } from "./palette.js";
import { LARGEST } from "./brush.js";
import { UNTOUCHED } from "./painting.js";

export class BrushCard {
  /** @param {import("./viewer.js").Viewer} viewer @param {Object<string, HTMLElement>} refs of the panel */
  constructor(viewer, refs) {
    this.viewer = viewer;
    this.refs = refs;
    refs.tipSize.max = LARGEST;
    refs.tipSize.addEventListener("input", () => viewer.brush.resize(Number(refs.tipSize.value)));
    refs.brushCard.addEventListener("click", (e) => {
      const button = e.target.closest("button"), { brush } = viewer;
      if (!button) return;
      if (button.dataset.label) brush.choose(Number(button.dataset.label));
      else if (button.dataset.brush === "toggle") brush.toggle();
      else if (button.dataset.brush === "send") brush.send();
      else brush.change(button.dataset.brush);
    });
  }

  update() {
    const { viewer: { brush }, refs } = this, { painting, on, wanted } = brush;
    refs.brushCard.hidden = !wanted;
    if (!wanted) return;
    this.updateNames(brush.names, brush.colours);
    refs.brushRows.hidden = !on;
    for (const button of refs.brushClasses.children) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.label) === brush.label));
    }
    refs.tipSize.value = brush.diameter;
    refs.tipText.textContent = `${brush.diameter} ${brush.diameter === 1 ? "cell" : "cells"}`;
    const by = (name) => refs.brushCard.querySelector(`[data-brush="${name}"]`), { empty } = painting;
    by("toggle").setAttribute("aria-pressed", String(on));
    by("toggle").textContent = on ? "painting" : "paint";
    by("undo").disabled = !painting.past.length;
    by("redo").disabled = !painting.future.length;
    by("clear").disabled = by("send").disabled = empty;
    by("send").textContent = wanted.send;
  }

  /** A button for each name and one that erases, made anew where names or colours are others. */
  updateNames(names, colours) {
    const { brushClasses } = this.refs, sign = JSON.stringify([names, colours]);
    if (brushClasses.dataset.sign === sign) return;
    brushClasses.dataset.sign = sign;
    const button = (label, name, colour) => make("button", { type: "button", "data-label": label },
      [swatch(colour), make("span", { class: "name" }, name)]);
    const colour = (k) => (colours[k] ? css(colours[k]) : "transparent");
    brushClasses.replaceChildren(...names.map((name, k) => button(k, name, colour(k))),
      button(UNTOUCHED, "eraser", "transparent"));
  }
}
