// The brush: labels painted over the picture, which stay in the browser until the user sends them.
import { Painting, UNTOUCHED } from "./painting.js";
import { css, word } from "./palette.js";

export const LARGEST = 64; // cells across the largest tip

export class Brush {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.on = false;
    this.label = 0; // UNTOUCHED erases
    this.diameter = 16; // of the tip, in cells
    this.painting = null;
    this.tip = null; // where it stands, in image coordinates
    this.last = null; // where the stroke that is being drawn has come to, in cells
  }

  /** A film, or a page's wish for a brush: a painting stays as long as its picture and its classes do. */
  accept(wanted, { image_id: image, width, height, classes }) {
    const names = wanted?.names.length ? wanted.names : classes;
    this.wanted = wanted;
    this.on &&= Boolean(wanted);
    this.viewer.refs.stage.classList.toggle("painting", this.on);
    if (!wanted) return;
    const [w, h] = Painting.sizeFor(width, height, wanted.cells), subject = JSON.stringify([image, w, h, names]);
    if (this.subject === subject) return;
    this.subject = subject;
    this.image = image;
    this.painting = new Painting(w, h);
    this.scale = [w / width, h / height];
    this.last = null;
    this.label = Math.max(0, names.findIndex((name) => !/^background$/i.test(name)));
    this.recall();
  }

  /** What can be painted: names of its own, else the classes. @returns {string[]} */
  get names() { return this.wanted.names.length ? this.wanted.names : this.viewer.film.trace.classes; }

  /** Their colours. @returns {number[][]} */
  get colours() { return this.wanted.names.length ? this.wanted.colours : this.viewer.look.colours; }

  get storage() { return `saccade.${this.viewer.key}.paint`; }

  recall() {
    try {
      const { subject, text } = JSON.parse(sessionStorage.getItem(this.storage) ?? "{}");
      if (subject === this.subject) this.painting.read(text);
    } catch { /* nothing is remembered */ }
  }

  /** Something was painted or chosen: keep it and show it. */
  changed() {
    try {
      sessionStorage.setItem(this.storage, JSON.stringify({ subject: this.subject, text: this.painting.text }));
    } catch { /* a browser that forbids storage only forgets */ }
    this.update();
  }

  update() {
    this.viewer.refs.stage.classList.toggle("painting", this.on);
    this.viewer.panel.brushCard.update();
    this.viewer.requestDraw();
  }

  toggle(on = !this.on) {
    this.cancel();
    this.on = on;
    this.viewer.stage.read(null);
    this.update();
  }

  choose(label) {
    this.label = label;
    this.update();
  }

  resize(diameter) {
    this.diameter = Math.max(1, Math.min(LARGEST, Math.round(diameter)));
    this.update();
  }

  /** @param {"undo"|"redo"|"clear"} what */
  change(what) {
    this.cancel();
    this.painting[what]();
    this.changed();
  }

  /** The only message: the painting, for Python to go on from. */
  send() {
    const { painting: { width, height, text: data }, image, viewer } = this;
    viewer.tell("paint", { image, step: viewer.step, width, height, data });
    this.toggle(false); // what Python makes of it is not covered by the painting
  }

  toCells({ x, y }) { return [x * this.scale[0], y * this.scale[1]]; }

  down(point) {
    this.painting.begin();
    this.last = this.toCells(point);
    this.move(point);
  }

  move(point) {
    const to = this.toCells(point);
    this.painting.stroke(this.last, to, this.diameter, this.label);
    this.last = to;
    this.hover(point);
  }

  up(cancelled = false) {
    if (cancelled) this.cancel();
    this.last = null;
    this.changed();
  }

  /** A second finger, or an interruption: the stroke that is being drawn was not meant. */
  cancel() {
    if (!this.last) return;
    this.last = null;
    this.painting.cancel();
  }

  /** One touch of the tip. */
  dab(point) {
    this.down(point);
    this.up();
  }

  /** @param {?{x: number, y: number}} point in image coordinates */
  hover(point) {
    this.tip = point;
    this.viewer.requestDraw();
  }

  /** What a key does here, if anything. @returns {?(() => void)} */
  action({ key, ctrlKey, metaKey, shiftKey }) {
    if (!this.wanted) return null;
    if (ctrlKey || metaKey) {
      if (!this.on || key.toLowerCase() !== "z") return null;
      return () => this.change(shiftKey ? "redo" : "undo");
    }
    if (key === "b") return () => this.toggle();
    if (!this.on) return null;
    return {
      ",": () => this.resize(Math.min(this.diameter - 1, this.diameter / 1.25)),
      ".": () => this.resize(Math.max(this.diameter + 1, this.diameter * 1.25)),
      Escape: () => this.toggle(false),
    }[key];
  }

  /** The painting and the tip, over everything. @param {import("./scene.js").Place} place */
  draw(context, { scale, left, top }, line) {
    if (!this.on) return;
    const { width, height } = this.viewer.film.trace;
    context.save();
    context.setTransform(scale, 0, 0, scale, left, top);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = 0.85;
    context.drawImage(this.sheet(), 0, 0, width, height);
    context.globalAlpha = 1;
    if (this.tip) this.drawTip(context, line / scale);
    context.restore();
  }

  /** The painting as a canvas of its own size. */
  sheet() {
    const { painting: { width, height, cells }, colours } = this;
    const sheet = new OffscreenCanvas(width, height), context = sheet.getContext("2d");
    const image = context.createImageData(width, height), out = new Uint32Array(image.data.buffer);
    const table = Uint32Array.from({ length: 256 }, (_, k) => (colours[k] && k !== UNTOUCHED ? word(colours[k]) : 0));
    for (let i = 0; i < cells.length; i++) out[i] = table[cells[i]];
    context.putImageData(image, 0, 0);
    return sheet;
  }

  drawTip(context, line) {
    const { tip: { x, y }, diameter, scale: [sx, sy] } = this, colour = this.colours[this.label];
    context.beginPath();
    context.ellipse(x, y, diameter / 2 / sx, diameter / 2 / sy, 0, 0, 2 * Math.PI);
    context.fillStyle = colour ? css(colour, 0.3) : "rgba(255, 255, 255, 0.3)";
    context.fill();
    for (const [width, stroke] of [[2 * line, "rgba(0, 0, 0, 0.6)"], [line, "#fff"]]) {
      context.lineWidth = width;
      context.strokeStyle = stroke;
      context.stroke();
    }
  }
}
