// The picture with the drawing on it: canvas, camera, and everything that is drawn.
import { css, word } from "../viewer/palette.js";
import { bound, placeOf, wholePicture, zoomAbout } from "../viewer/gestures.js";
import { IGNORED, NOTHING, rasterised, regionSides } from "./raster.js";

const HATCH = [word([40, 40, 40]), word([205, 205, 205])]; // stripes of pixels that are ignored
const DARK = "rgba(0, 0, 0, 0.65)";

export class Easel {
  /** @param {import("./annotate.js").Annotator} owner */
  constructor(owner) {
    this.owner = owner;
    this.canvas = owner.refs.canvas;
    this.context = this.canvas.getContext("2d");
    this.camera = null;
    this.observer = new ResizeObserver(() => { if (this.resize()) owner.request({ now: true }); });
    this.observer.observe(owner.refs.stage);
  }

  destroy() { this.observer.disconnect(); }

  get size() { return [this.canvas.width, this.canvas.height]; }
  get image() { return [this.owner.head.width, this.owner.head.height]; }
  /** Device pixels for each CSS pixel. */
  get ratio() { return this.canvas.width / Math.max(1, this.canvas.clientWidth); }
  get place() { return placeOf(this.camera, ...this.image, ...this.size); }
  /** CSS pixels for each pixel of the picture. */
  get scale() { return this.place.scale / this.ratio; }

  resize() {
    const density = window.devicePixelRatio || 1;
    const W = Math.max(1, Math.round(this.canvas.clientWidth * density));
    const H = Math.max(1, Math.round(this.canvas.clientHeight * density));
    if (W === this.canvas.width && H === this.canvas.height) return false;
    Object.assign(this.canvas, { width: W, height: H });
    return true;
  }

  /** Another picture, whole at first. @param {ImageBitmap} bitmap */
  accept(bitmap) {
    this.bitmap = bitmap;
    this.camera = wholePicture(...this.image);
    this.sheet = new OffscreenCanvas(...this.image);
    this.resize();
    this.owner.refs.stage.classList.remove("zoomed");
  }

  /** Canvas pixels under a pointer event. */
  on(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  /** The place in the picture under a pointer event; it may lie outside. */
  at(event) {
    const [X, Y] = this.on(event), { scale, left, top } = this.place;
    return [(X - left) / scale, (Y - top) / scale];
  }

  zoom(factor, [X, Y] = this.size.map((v) => v / 2)) { this.look(zoomAbout(this.camera, factor, X, Y, ...this.image, ...this.size)); }

  /** Move the picture by canvas pixels. */
  pan(dx, dy) {
    const { scale } = this.place, { zoom, x, y } = this.camera;
    this.look({ zoom, x: x - dx / scale, y: y - dy / scale });
  }

  /** Bring a place of the picture into view. */
  reveal([x, y]) {
    const { scale, left, top } = this.place, [W, H] = this.size, edge = 24 * this.ratio;
    const beyond = (at, most) => Math.min(0, most - edge - at) + Math.max(0, edge - at);
    const dx = beyond(x * scale + left, W), dy = beyond(y * scale + top, H);
    if (dx || dy) this.pan(dx, dy);
  }

  reset() { this.look(wholePicture(...this.image)); }

  look(camera) {
    this.camera = bound(camera, ...this.image, ...this.size);
    this.owner.refs.stage.classList.toggle("zoomed", this.camera.zoom > 1);
    this.owner.request();
  }

  draw() {
    const { context, owner, size } = this, { sketch, tool } = owner;
    this.camera = bound(this.camera, ...this.image, ...size);
    const { scale, left, top } = this.place, [width, height] = this.image;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, ...size);
    context.setTransform(scale, 0, 0, scale, left, top);
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = scale < 4;
    context.drawImage(this.bitmap, 0, 0, width, height);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = owner.look.opacity;
    context.drawImage(this.labelled(), 0, 0, width, height);
    context.globalAlpha = 1;
    this.line = this.ratio / scale; // one CSS pixel
    sketch.state.polygons.forEach((polygon, i) => { if (i !== sketch.polygon) this.drawPolygon(polygon, 1.4); });
    if (sketch.chosen) this.drawPolygon(sketch.chosen, 2.4);
    if (sketch.chosen && tool === "edit") this.drawPoints(sketch.chosen, sketch.vertex);
    if (sketch.state.draft.length) this.drawDraft(sketch.state.draft);
    if (owner.hover || owner.cross) this.drawPointer(owner.cross ?? owner.hover);
  }

  /** The labels as a canvas of the picture's size, made anew where the sketch has changed. */
  labelled() {
    const { owner: { sketch, head: { colours } }, sheet: { width, height } } = this, { state, painting } = sketch;
    const context = this.sheet.getContext("2d");
    if (this.shown === sketch && this.version === sketch.version) return this.sheet;
    this.labels = rasterised(state.polygons, painting.cells, width, height);
    const image = context.createImageData(width, height), out = new Uint32Array(image.data.buffer);
    const table = Uint32Array.from({ length: 256 }, (_, k) => (colours[k] && k < IGNORED ? word(colours[k]) : 0));
    for (let i = 0; i < out.length; i++) {
      out[i] = this.labels[i] === IGNORED ? HATCH[((i % width) + Math.floor(i / width)) % 6 < 3 ? 0 : 1] : table[this.labels[i]];
    }
    context.putImageData(image, 0, 0);
    Object.assign(this, { shown: sketch, version: sketch.version });
    return this.sheet;
  }

  colourOf(label) {
    const { colours } = this.owner.head;
    return colours[label] && label < IGNORED ? css(colours[label]) : "rgb(205, 205, 205)";
  }

  /** A line that shows on any picture, dark below its colour. @param {Path2D} path */
  stroke(path, colour, width, dashes = []) {
    const { context, line } = this;
    context.lineJoin = context.lineCap = "round";
    for (const [style, wide] of [[DARK, width + 1.6], [colour, width]]) {
      context.setLineDash(style === DARK ? [] : dashes.map((d) => d * line));
      Object.assign(context, { strokeStyle: style, lineWidth: wide * line });
      context.stroke(path);
    }
    context.setLineDash([]);
  }

  pathOf(points, closed) {
    const path = new Path2D();
    points.forEach((point, i) => path[i ? "lineTo" : "moveTo"](...point));
    if (closed) path.closePath();
    return path;
  }

  drawPolygon({ label, points }, width) {
    this.stroke(this.pathOf(points, true), this.colourOf(label), width, label === NOTHING ? [5, 5] : []);
  }

  drawPoints({ label, points }, chosen) {
    points.forEach((point, i) => this.dot(point, i === chosen ? 6 : 4, i === chosen ? this.owner.accent : "#fff", this.colourOf(label)));
  }

  dot([x, y], radius, fill, rim) {
    const { context, line } = this;
    context.beginPath();
    context.arc(x, y, radius * line, 0, 2 * Math.PI);
    Object.assign(context, { fillStyle: DARK, strokeStyle: DARK, lineWidth: 3.6 * line });
    context.stroke();
    Object.assign(context, { fillStyle: fill, strokeStyle: rim, lineWidth: 2 * line });
    context.stroke();
    context.fill();
  }

  /** The open polygon; its first point stands out once a click on it closes the polygon. */
  drawDraft(draft) {
    const { owner: { hover, cross, label, tool } } = this, colour = this.colourOf(label), to = cross ?? hover;
    this.stroke(this.pathOf(draft, false), colour, 2);
    if (to && tool === "polygon") this.stroke(this.pathOf([draft.at(-1), to], false), colour, 1.2, [4, 4]);
    draft.forEach((point, i) => this.dot(point, i || draft.length < 3 ? 3 : 6, i ? "#fff" : colour, i ? colour : "#fff"));
  }

  /** What the hand would touch, or the keyboard's cross. */
  drawPointer(at) {
    const { owner: { tool, label, regions, cross, look, head } } = this, [x, y] = at;
    if (tool === "brush") {
      const path = new Path2D();
      path.arc(x, y, look.tip / 2, 0, 2 * Math.PI);
      this.stroke(path, "#fff", 1.2);
    } else if (tool === "superpixel" && regions) {
      const column = Math.floor(x), row = Math.floor(y);
      if (column >= 0 && row >= 0 && column < head.width && row < head.height) {
        this.stroke(this.outlineOf(regions[row * head.width + column]), this.colourOf(label), 2);
      }
    }
    if (!cross) return;
    const path = new Path2D(), arm = 9 * this.line;
    for (const [dx, dy] of [[arm, 0], [0, arm]]) {
      path.moveTo(x - dx, y - dy);
      path.lineTo(x + dx, y + dy);
    }
    this.stroke(path, "#fff", 1.6);
  }

  /** The border of a superpixel, kept while it is the same one. */
  outlineOf(id) {
    const { owner: { regions, head: { width, height } } } = this;
    if (this.outlined?.regions !== regions || this.outlined.id !== id) {
      const path = new Path2D();
      for (const [x0, y0, x1, y1] of regionSides(regions, width, height, id)) {
        path.moveTo(x0, y0);
        path.lineTo(x1, y1);
      }
      this.outlined = { regions, id, path };
    }
    return this.outlined.path;
  }
}
