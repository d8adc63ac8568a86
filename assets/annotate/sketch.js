// One picture's drawing and all that was done to it; no events and no drawing on the screen.
import { Painting } from "../viewer/painting.js";
import { History } from "../drag/history.js";
import { registry } from "../viewer/registry.js";
import { forgetDrawing, storeDrawing, storedDrawing } from "./store.js";
import { LEAST_POINTS, asState, replaced, without } from "./shapes.js";

const SKETCHES = 12; // pictures whose history is kept while the tab lives

export class Sketch {
  /** The sketch of a subject: the one at work in this tab, else what was stored, else an empty one. */
  static of(subject, width, height) {
    const known = (registry().sketches ??= new Map());
    if (!known.has(subject)) known.set(subject, new Sketch(subject, width, height));
    if (known.size > SKETCHES) known.delete(known.keys().next().value);
    return known.get(subject);
  }

  constructor(subject, width, height) {
    Object.assign(this, { subject, width, height, started: null, visit: null, version: 0 });
    this.painting = new Painting(width, height);
    this.blank = this.painting.text;
    this.state = { polygons: [], cells: this.blank, draft: [] }; // what is shown; the history holds what is done
    this.polygon = -1; // the polygon that is chosen
    this.vertex = -1; // its point that is chosen
    this.history = new History(this.state);
    this.recall();
  }

  get empty() { return !this.state.polygons.length && this.state.cells === this.blank; }

  /** Is there not even an open polygon? */
  get untouched() { return this.empty && !this.state.draft.length; }

  /** The chosen polygon, else undefined. */
  get chosen() { return this.state.polygons[this.polygon]; }

  /** Show a change that is not finished. @param {Partial<import("./shapes.js").State>} patch */
  show(patch) {
    this.state = { ...this.state, ...patch };
    this.version++;
  }

  /** A finished change: one more state to come back to. @returns {boolean} whether anything changed */
  commit(patch = {}) {
    const before = this.history.now;
    this.show(patch);
    this.history.push(this.state);
    this.remember();
    return this.history.now !== before;
  }

  /** What is not finished was not meant. */
  cancel() { this.take(this.history.now); }

  /** Show a state as a whole. */
  take(state) {
    this.state = state;
    this.painting.read(state.cells);
    if (!this.chosen) this.polygon = -1;
    if (!this.chosen?.points[this.vertex]) this.vertex = -1;
    this.version++;
  }

  travel(step) {
    this.commit();
    this.take(this.history.go(step));
    this.remember();
  }

  /** A drawing from Python takes the place of this one, once for each id. @returns {boolean} whether it did */
  start(message) {
    if (!message || message.id === this.started) return false;
    this.started = message.id;
    this.take(asState(message));
    this.commit();
    return true;
  }

  /** The stroke or the superpixels that were painted are done. */
  painted() { return this.commit({ cells: this.painting.text }); }

  choose(polygon, vertex = -1) {
    Object.assign(this, { polygon, vertex });
    this.version++;
  }

  close(label) {
    const { draft, polygons } = this.state;
    if (draft.length < LEAST_POINTS) return false;
    this.choose(polygons.length);
    return this.commit({ polygons: [...polygons, { label, points: draft }], draft: [] });
  }

  /** Other points for the chosen polygon, not finished yet. */
  reshape(points) {
    this.show({ polygons: replaced(this.state.polygons, this.polygon, { ...this.chosen, points }) });
  }

  relabel(label) {
    return this.commit({ polygons: replaced(this.state.polygons, this.polygon, { ...this.chosen, label }) });
  }

  remove() {
    const { polygon, state: { polygons } } = this;
    this.choose(-1);
    return this.commit({ polygons: without(polygons, polygon) });
  }

  clear() {
    this.choose(-1);
    this.painting.read(this.blank);
    return this.commit({ polygons: [], cells: this.blank, draft: [] });
  }

  /** What was stored is one more state, so that undo takes it away. */
  recall() {
    const found = storedDrawing(this.subject);
    if (!found) return;
    try {
      this.take(found.state);
      this.history.push(this.state);
      Object.assign(this, { started: found.started, visit: found.visit });
    } catch { this.cancel(); }
  }

  remember() {
    const { subject, state, started, visit } = this;
    if (this.untouched && started === null) forgetDrawing(subject);
    else storeDrawing(subject, { state, started, visit });
  }
}
