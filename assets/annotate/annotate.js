// Ground truth drawn over a picture: one Sketch, and the parts that show and change it. It stays in the browser until
// it is sent, and in the browser's own storage until it is cleared (store.js).
import { refs } from "../viewer/dom.js";
import { readFrame } from "../viewer/payload.js";
import { registry } from "../viewer/registry.js";
import { IGNORED, NOTHING } from "./raster.js";
import { LEAST_POINTS, countPoints, distance, inserted, placed, without } from "./shapes.js";
import { Sketch } from "./sketch.js";
import { Easel } from "./easel.js";
import { ERASER, Hand } from "./hand.js";
import { listenForKeys } from "./keyboard.js";
import { Bar } from "./bar.js";
import { Messenger } from "./messenger.js";

const JOINED = 300; // milliseconds in which further keys join the same state
const LARGEST = 128; // picture pixels across the largest tip

export class Annotator {
  constructor(root, key) {
    this.key = key;
    this.refs = refs(root);
    this.tool = "polygon";
    this.label = 0;
    this.look = { opacity: 0.55, tip: 16, ...this.recalled() };
    this.hover = null; // where the pointer is, in the picture
    this.cross = null; // where the keyboard is
    this.easel = new Easel(this);
    this.hand = new Hand(this);
    this.bar = new Bar(this);
    this.messenger = new Messenger(this);
    listenForKeys(this);
    (registry().annotators ??= new Map()).set(key, this);
  }

  destroy() {
    this.dead = true;
    cancelAnimationFrame(this.frame);
    clearTimeout(this.soon);
    this.messenger.destroy();
    if (this.ready) this.sketch.commit();
    this.easel.destroy();
    if (registry().annotators.get(this.key) === this) registry().annotators.delete(this.key);
  }

  get accent() { return getComputedStyle(this.refs.wrap).getPropertyValue("--st-primary-color").trim() || "#c8325f"; }
  get storage() { return `saccade.${this.key}.annotate`; }

  recalled() {
    try { return JSON.parse(sessionStorage.getItem(this.storage)) ?? {}; } catch { return {}; }
  }

  /** A call from Streamlit: its bytes are a header, the picture as a file and, where there are any, its superpixels. */
  receive(head, bytes, end, send) {
    const [picture, regions] = head.blobs.map((length, i) => {
      const from = end + head.blobs.slice(0, i).reduce((a, b) => a + b, 0);
      return bytes.slice(from, from + length);
    });
    this.messenger.receive(send, head.n);
    const subject = JSON.stringify([this.key, head.image, head.width, head.height, head.classes]);
    const accept = () => this.accept(head, regions && new Uint16Array(regions.buffer), subject);
    if (this.subject === subject) {
      if (this.ready) accept();
      else this.newest = accept;
      return;
    }
    this.subject = subject;
    this.ready = false;
    this.newest = accept;
    this.refs.wrap.style.setProperty("--ratio", head.height / head.width);
    createImageBitmap(new Blob([picture], { type: "image/jpeg" })).then((bitmap) => {
      if (this.dead || this.subject !== subject) return;
      this.head = head;
      this.easel.accept(bitmap);
      this.newest();
    }).catch((error) => { this.refs.wait.textContent = `The picture could not be shown: ${error.message}`; });
  }

  /** The picture is there: show its sketch. */
  accept(head, regions, subject) {
    const sketch = Sketch.of(subject, head.width, head.height), begun = sketch.start(head.start);
    if (sketch !== this.sketch || begun) this.messenger.know(sketch.state);
    const back = !begun && sketch.visit !== head.visit && !sketch.untouched; // of an earlier visit, unknown to this one
    sketch.visit = head.visit;
    Object.assign(this, { head, regions, sketch, ready: true });
    if (this.label >= head.classes.length && this.label !== NOTHING) this.label = 0;
    if (!regions && this.tool === "superpixel") this.tool = "brush";
    this.refs.wait.hidden = true;
    this.changed({ now: true });
    this.refs.wrap.dataset.ready = "true";
    this.refs.wrap.dataset.answered = head.n;
    if (back) this.say("Your drawing from before is back. Undo takes it away.");
    if (this.messenger.unsent || (back && head.live && !sketch.empty)) this.messenger.tellSoon();
  }

  setTool(tool) {
    if (tool === "superpixel" && !this.regions) return;
    this.tool = tool;
    if (this.label === ERASER && (tool === "polygon" || tool === "edit")) this.label = this.drawnLabel ?? 0;
    if (tool !== "edit") this.sketch.choose(-1);
    this.say("");
    this.changed();
  }

  /** Another class to draw with, and for the polygon that is chosen. */
  setLabel(label) {
    if (label >= this.head.classes.length && label !== NOTHING) return;
    if (label !== ERASER) this.drawnLabel = label;
    else if (this.tool === "polygon" || this.tool === "edit") this.setTool("brush");
    this.label = label;
    if (this.tool === "edit" && this.sketch.chosen) this.commit(this.sketch.relabel(label));
    else this.changed();
  }

  setTip(tip) { this.setLook({ tip: Math.max(1, Math.min(LARGEST, Math.round(tip))) }); }

  setLook(patch) {
    Object.assign(this.look, patch);
    try { sessionStorage.setItem(this.storage, JSON.stringify(this.look)); } catch { /* it is only forgotten */ }
    this.changed();
  }

  /** A button of the toolbar. */
  act(name) {
    ({ undo: () => this.travel(-1), redo: () => this.travel(1), clear: () => this.commit(this.sketch.clear()), remove: () => this.remove(),
      in: () => this.easel.zoom(1.5), out: () => this.easel.zoom(1 / 1.5), whole: () => this.easel.reset() })[name]?.();
  }

  travel(step) {
    clearTimeout(this.soon);
    this.hand.drop();
    this.sketch.travel(step);
    this.say("");
    this.finished();
  }

  /** Something is done. @param {boolean} did whether it changed anything */
  commit(did = this.sketch.commit()) {
    clearTimeout(this.soon);
    this.say("");
    if (did) this.finished();
    else this.changed();
  }

  commitSoon() {
    this.changed();
    clearTimeout(this.soon);
    this.soon = setTimeout(() => { if (!this.dead) this.commit(); }, JOINED);
  }

  finished() {
    if (this.head.live && this.messenger.news) this.messenger.tellSoon();
    this.changed();
  }

  /** May there be so many points more? */
  mayAdd(points) {
    const { polygons, draft } = this.sketch.state, { limits } = this.head;
    const full = countPoints(polygons) + draft.length + points > limits.points;
    if (full) this.say(`A drawing has at most ${limits.points.toLocaleString("en")} points.`);
    return !full;
  }

  /** A point for the open polygon, or its end on the first point; for keys on the last point, too. */
  addPoint(at, reach, keys = false) {
    const { draft } = this.sketch.state, near = (point) => point && distance(point, at) <= reach;
    if (draft.length >= LEAST_POINTS && (near(draft[0]) || (keys && near(draft.at(-1))))) this.closeDraft();
    else if (this.mayAdd(1)) this.commit(this.sketch.commit({ draft: [...draft, placed(at, this.head.width, this.head.height)] }));
  }

  closeDraft() {
    const { draft, polygons } = this.sketch.state, { limits } = this.head;
    if (!draft.length) return;
    if (draft.length < LEAST_POINTS) this.say(`A polygon has at least ${LEAST_POINTS} points.`);
    else if (polygons.length >= limits.polygons) this.say(`A drawing has at most ${limits.polygons} polygons.`);
    else this.commit(this.sketch.close(this.label));
  }

  removePoint(index) {
    const { sketch } = this, { points } = sketch.chosen;
    if (points.length <= LEAST_POINTS) {
      this.say(`A polygon has at least ${LEAST_POINTS} points.`);
      return null;
    }
    sketch.choose(sketch.polygon, -1);
    sketch.reshape(without(points, index));
    this.commit();
    return null;
  }

  /** A point more in the middle of the edge that the chosen point begins. */
  addAfter() {
    const { sketch } = this, { vertex } = sketch, points = sketch.chosen?.points, point = points?.[vertex];
    if (!point || !this.mayAdd(1)) return;
    const next = points[(vertex + 1) % points.length];
    sketch.reshape(inserted(points, vertex, placed(point.map((v, k) => (v + next[k]) / 2), this.head.width, this.head.height)));
    sketch.choose(sketch.polygon, vertex + 1);
    this.commit();
  }

  /** Take away the last point of the open polygon, the chosen point, or the chosen polygon. */
  remove() {
    const { sketch, tool } = this, { draft } = sketch.state;
    if (tool === "polygon" && draft.length) this.commit(sketch.commit({ draft: draft.slice(0, -1) }));
    else if (sketch.vertex >= 0) this.removePoint(sketch.vertex);
    else if (sketch.chosen) this.commit(sketch.remove());
  }

  /** Give up what is going on: a gesture, the open polygon, what is chosen, the cross. */
  escape() {
    const { sketch } = this;
    this.hand.drop();
    if (this.tool === "polygon" && sketch.state.draft.length) this.commit(sketch.commit({ draft: [] }));
    else if (sketch.vertex >= 0) sketch.choose(sketch.polygon);
    else sketch.choose(-1);
    this.dropCross();
    this.changed();
  }

  point(at) {
    this.hover = at;
    this.request();
  }

  dropCross() {
    if (this.cross) this.point(null);
    this.cross = null;
  }

  /** The user sends the drawing. */
  send() {
    this.sketch.commit();
    this.messenger.tell();
  }

  say(words) {
    const { said } = this.refs;
    if (said.textContent !== words) said.textContent = words;
  }

  /** What is drawn, in a few words. */
  facts() {
    const { sketch, easel: { labels }, messenger } = this, count = sketch.state.polygons.length;
    if (sketch.empty) return "";
    const known = labels?.reduce((sum, label) => sum + (label !== NOTHING && label !== IGNORED), 0) ?? 0;
    const share = Math.round((100 * known) / (sketch.width * sketch.height));
    return `${count ? `${count} polygon${count > 1 ? "s" : ""}, ` : ""}${share} % labelled${messenger.done ? ", sent" : ""}`;
  }

  /** Show what changed, buttons and words as well. */
  changed(options) {
    this.stale = true;
    this.request(options);
  }

  /** Draw with the next frame, or now. */
  request({ now = false } = {}) {
    if (!this.ready) return;
    if (now) this.render();
    else this.frame ||= requestAnimationFrame(() => this.render());
  }

  render() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.dead || !this.ready) return;
    this.easel.draw();
    if (this.stale) this.bar.update();
    this.stale = false;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  const { head, end } = readFrame(data), old = parentElement.annotator;
  if (old && (old.key !== head.key || !old.refs.wrap.isConnected)) old.destroy();
  if (!old || old.dead) parentElement.annotator = new Annotator(parentElement, head.key);
  parentElement.annotator.receive(head, data, end, setStateValue);
  return () => parentElement.annotator.destroy();
}
