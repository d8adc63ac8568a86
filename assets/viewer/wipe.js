// Two steps, or layers of steps, side by side under one movable line.
import { fillSelect } from "./dom.js";
import { labelLayer } from "./film.js";

/** @typedef {{step: number, only: number|undefined}} Side */

export class Wipe {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    const { handle, left, right } = viewer.refs;
    left.addEventListener("change", () => viewer.set({ left: left.value }));
    right.addEventListener("change", () => {
      const side = this.parse(right.value);
      viewer.set({ step: side.step, right: side.only === undefined ? "" : right.value });
    });
    handle.addEventListener("pointerdown", (e) => {
      e.preventDefault();
      handle.focus();
      try { handle.setPointerCapture(e.pointerId); } catch { /* the pointer is gone already */ }
    });
    handle.addEventListener("pointermove", (e) => { if (handle.hasPointerCapture(e.pointerId)) this.drag(e); });
    handle.addEventListener("keydown", (e) => this.key(e));
  }

  key(event) {
    const { at } = this.viewer.state, big = event.shiftKey ? 0.1 : 0.02;
    const to = { ArrowLeft: at - big, ArrowRight: at + big, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.viewer.set({ at: Math.min(1, Math.max(0, to)) });
  }

  drag(event) {
    const { stage } = this.viewer, [X] = stage.at(event), [x0, x1] = this.span(stage.place);
    this.viewer.set({ at: Math.min(1, Math.max(0, (X - x0) / (x1 - x0))) }, { later: true });
  }

  /** The part of the canvas, left to right, that the picture covers. */
  span({ scale, left }) {
    const { stage } = this.viewer;
    return [Math.max(0, left), Math.min(stage.canvas.width, left + scale * stage.image[0])];
  }

  split(place) {
    const [x0, x1] = this.span(place);
    return Math.round(x0 + this.viewer.state.at * (x1 - x0));
  }

  /** @returns {?Side} the side that "2" or "2.0" names, null where the trace has no such */
  parse(text) {
    const [step, only] = text.split(".").map(Number), { steps } = this.viewer.film.trace;
    if (text === "" || !steps[step] || (only !== undefined && !steps[step].layers[only])) return null;
    return { step, only };
  }

  /** [left, right]; left is null while the wipe is off. @returns {[?Side, Side]} */
  sides() {
    const { state, step } = this.viewer, right = this.parse(state.right);
    if (!state.wipe) return [null, { step, only: undefined }];
    return [this.parse(state.left) ?? this.opposite(), right?.step === step ? right : { step, only: undefined }];
  }

  /** The first other step that says something about classes, else the first step. */
  opposite() {
    const { viewer } = this, { steps } = viewer.film.trace;
    const found = steps.findIndex((s, i) => i !== viewer.step && labelLayer(s));
    return { step: Math.max(0, found), only: undefined };
  }

  options() {
    const { steps } = this.viewer.film.trace, options = steps.map((s, i) => [String(i), s.title, "Steps"]);
    steps.forEach((s, i) => {
      if (s.layers.length < 2) return;
      s.layers.forEach((l, j) => options.push([`${i}.${j}`, `${s.title}: ${l.name}`, "Layers"]));
    });
    return options;
  }

  /** Labels in the corners, and the handle where the line is. */
  place() {
    const { handle, left, right } = this.viewer.refs, on = this.viewer.state.wipe;
    handle.hidden = left.hidden = right.hidden = !on;
    if (!on) return;
    const options = this.options(), text = ({ step, only }) => (only === undefined ? `${step}` : `${step}.${only}`);
    const [a, b] = this.sides(), { stage, state } = this.viewer;
    fillSelect(left, options, text(a));
    fillSelect(right, options, text(b));
    handle.style.left = `${this.split(stage.place) / stage.ratio}px`;
    handle.setAttribute("aria-valuenow", String(Math.round(100 * state.at)));
    handle.setAttribute("aria-valuetext", `${Math.round(100 * state.at)} percent from the left`);
  }
}
