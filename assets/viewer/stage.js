// The picture itself: canvas, camera, pointer, and the small reading beside it.
import { drawStep } from "./scene.js";
import { drawOver } from "./overlay.js";
import { hasTree } from "./tree.js";
import { partnersCamera, shareCamera, sharePoint } from "./link.js";
import { Recent } from "./film.js";
import { bound, cameraOn, placeOf, wholePicture, zoomAbout } from "./gestures.js";
import { readPixel } from "./reading.js";
import { readingRows } from "./tables.js";

const FRAMES = 96e6; // bytes that finished frames may take

export class Stage {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.canvas = viewer.refs.canvas;
    this.context = this.canvas.getContext("2d");
    this.camera = null;
    this.pointers = new Map();
    this.forget();
    this.cursor = null; // the pixel that is read: {x, y} in whole image pixels, {keys: true} where keys moved it
    this.marked = null; // the pixel that a linked viewer reads
    this.listen();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(viewer.refs.stage);
  }

  destroy() {
    if (this.cursor) sharePoint(this.viewer, null);
    this.observer.disconnect();
    this.frames.clear();
  }

  get size() { return [this.canvas.width, this.canvas.height]; }
  get image() { return [this.viewer.film.trace.width, this.viewer.film.trace.height]; }
  get ratio() { return this.canvas.width / Math.max(1, this.canvas.clientWidth); }
  get place() { return placeOf(this.camera, ...this.image, ...this.size); }

  resize() {
    const density = window.devicePixelRatio || 1;
    const W = Math.max(1, Math.round(this.canvas.clientWidth * density));
    const H = Math.max(1, Math.round(this.canvas.clientHeight * density));
    if (W === this.canvas.width && H === this.canvas.height) return;
    this.canvas.width = W;
    this.canvas.height = H;
    this.forget();
    this.viewer.draw();
  }

  /** Drop the finished frames. */
  forget() {
    this.frames?.clear();
    const limit = Math.max(2, Math.floor(FRAMES / (4 * this.canvas.width * this.canvas.height)));
    this.frames = new Recent(limit, (bitmap) => bitmap.close());
    this.former = new Map(); // the last frame of each step
  }

  /** A new film: the camera stays where the frame is the same. */
  accept() {
    this.forget();
    if (this.camera && this.shape === this.image.join()) return;
    this.shape = this.image.join();
    this.take(partnersCamera(this.viewer) ?? wholePicture(...this.image));
    this.cursor = null;
  }

  /** A step as the canvas would show it, finished, so that stepping and wiping only copy. @returns {ImageBitmap} */
  frame({ step, only }) {
    const { viewer, canvas: { width, height } } = this, place = this.place;
    const shown = viewer.film.trace.steps[step], name = `${step} ${only}`, former = this.former.get(name);
    const sign = [name, viewer.look.signOf(shown), place.scale, place.left, place.top].join(" ");
    if (hasTree(shown) && former !== sign) this.frames.delete(former); // a drag leaves no frame of each of its levels
    this.former.set(name, sign);
    return this.frames.get(sign, () => {
      const sheet = new OffscreenCanvas(width, height);
      drawStep(sheet.getContext("2d"), viewer.film, step, viewer.look, place, { only, line: 2 * this.ratio });
      return sheet.transferToImageBitmap();
    });
  }

  draw() {
    const { viewer, context, canvas: { width, height } } = this, [left, right] = viewer.wipe.sides();
    this.camera = bound(this.camera, ...this.image, ...this.size);
    const place = this.place, split = left ? viewer.wipe.split(place) : 0;
    const copy = (side, x0, x1) => {
      if (x1 > x0) context.drawImage(this.frame(side), x0, 0, x1 - x0, height, x0, 0, x1 - x0, height);
    };
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (left) copy(left, 0, split);
    copy(right, split, width);
    drawOver(this, left, right, split);
  }

  /** Canvas pixels of a pointer event. */
  at(event) {
    const box = this.canvas.getBoundingClientRect(), [W, H] = this.size;
    return [((event.clientX - box.left) / box.width) * W, ((event.clientY - box.top) / box.height) * H];
  }

  /** Image coordinates of a pointer event, outside the image too. */
  pointAt(event) {
    const [X, Y] = this.at(event), { scale, left, top } = this.place;
    return { x: (X - left) / scale, y: (Y - top) / scale };
  }

  /** Image coordinates of a pointer event, null outside the image. */
  imageAt(event) {
    const { x, y } = this.pointAt(event), [width, height] = this.image;
    return x >= 0 && y >= 0 && x < width && y < height ? { x, y } : null;
  }

  listen() {
    const { canvas, viewer } = this;
    const on = (name, act, options) => canvas.addEventListener(name, (e) => viewer.film && act(e), options);
    on("pointerdown", (e) => this.down(e));
    on("pointermove", (e) => this.move(e));
    on("pointerup", (e) => this.up(e));
    on("pointercancel", (e) => this.up(e, true));
    on("pointerleave", (e) => {
      if (e.pointerType !== "touch" && !this.pointers.size) this.read(null);
      viewer.brush.hover(null);
    });
    on("dblclick", () => { if (!viewer.brush.on) this.reset(); });
    on("blur", () => { if (this.cursor?.keys) this.read(null); });
    on("wheel", (e) => {
      const active = viewer.refs.wrap.getRootNode().activeElement === canvas;
      if (!e.ctrlKey && !active && this.camera.zoom === 1 && !viewer.full) return; // the page scrolls
      e.preventDefault();
      const step = e.deltaMode ? e.deltaY * 16 : e.deltaY;
      this.zoom(Math.exp(-Math.max(-200, Math.min(200, step)) / (e.ctrlKey ? 150 : 350)), ...this.at(e));
      this.moved(e);
    }, { passive: false });
  }

  down(event) {
    if (event.button > 0) return;
    try { this.canvas.setPointerCapture(event.pointerId); } catch { /* the pointer is gone already */ }
    this.pointers.set(event.pointerId, { at: this.at(event), start: this.at(event), moved: this.pointers.size > 0 });
    if (this.pointers.size === 2) this.read(null);
    if (this.viewer.brush.on && this.pointers.size === 1) this.viewer.brush.down(this.pointAt(event));
    else this.viewer.brush.cancel();
  }

  move(event) {
    const held = this.pointers.get(event.pointerId), at = this.at(event), { brush } = this.viewer;
    if (brush.on && !brush.last) brush.hover(this.pointAt(event));
    if (!held) {
      this.moved(event);
      return;
    }
    if (brush.last) {
      brush.move(this.pointAt(event));
      held.at = at;
      return;
    }
    if (Math.hypot(at[0] - held.start[0], at[1] - held.start[1]) > 4 * this.ratio) held.moved = true;
    const others = [...this.pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    const scale = this.place.scale;
    if (others.length) {
      const [other] = others, gap = (p) => Math.hypot(p[0] - other.at[0], p[1] - other.at[1]);
      this.zoom(gap(at) / Math.max(1, gap(held.at)), (at[0] + other.at[0]) / 2, (at[1] + other.at[1]) / 2);
      this.pan((at[0] - held.at[0]) / scale / 2, (at[1] - held.at[1]) / scale / 2);
    } else if (this.camera.zoom > 1 && held.moved && !brush.on) {
      this.pan((at[0] - held.at[0]) / scale, (at[1] - held.at[1]) / scale);
      this.viewer.refs.stage.classList.add("dragging");
      this.read(null);
    } else this.moved(event);
    held.at = at;
  }

  up(event, cancelled = false) {
    const held = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    this.viewer.refs.stage.classList.remove("dragging");
    if (this.viewer.brush.on) {
      this.viewer.brush.up(cancelled);
      if (event.pointerType === "touch") this.viewer.brush.hover(null);
      return;
    }
    if (!held || held.moved || cancelled) return;
    if (event.pointerType === "touch") this.moved(event);
    const point = this.imageAt(event), at = this.at(event), { time, place } = this.lastUp ?? { time: -1e9, place: at };
    const near = Math.hypot(at[0] - place[0], at[1] - place[1]) < 8 * this.ratio;
    const again = near && event.timeStamp - time < 350; // the second half of a double click
    this.lastUp = { time: event.timeStamp, place: at };
    if (point && !again) this.viewer.pick(point.x, point.y);
  }

  /** Read the pixel under the pointer, once a frame. */
  moved(event) {
    const point = this.imageAt(event);
    this.read(point && { x: Math.floor(point.x), y: Math.floor(point.y), X: event.clientX, Y: event.clientY });
  }

  /** Move the keyboard's cross by a share of the picture. */
  cross(dx, dy) {
    const [width, height] = this.image, from = this.cursor ?? { x: width / 2, y: height / 2 };
    const to = (at, d, n) => Math.floor(Math.min(n - 1, Math.max(0, at + d * Math.max(1, n / 50))));
    this.read({ x: to(from.x, dx, width), y: to(from.y, dy, height), keys: true });
  }

  read(cursor) {
    if (cursor === this.cursor) return;
    this.cursor = cursor;
    this.viewer.scheduleReading();
    sharePoint(this.viewer, cursor);
  }

  /** Show where a linked viewer is read. @param {?{x: number, y: number}} point in whole image pixels */
  mark(point) {
    this.marked = point;
    this.viewer.requestDraw();
  }

  /** The side of the wipe that image column x is shown on. @returns {{step: number, only?: number, onLeft: boolean}} */
  sideAt(x) {
    const { wipe } = this.viewer, [left, right] = wipe.sides(), place = this.place;
    const onLeft = left !== null && x * place.scale + place.left < wipe.split(place);
    return { ...(onLeft ? left : right), onLeft };
  }

  /** What is read at the cursor, and whether it lies left of the wipe. */
  reading() {
    const { viewer, cursor } = this;
    if (!cursor || !viewer.film) return null;
    const sign = `${cursor.x} ${cursor.y} ${viewer.version}`;
    if (this.last?.sign === sign) return this.last.value;
    const { trace } = viewer.film, { step: index, onLeft } = this.sideAt(cursor.x + 0.5), step = trace.steps[index];
    this.last = { sign, value: { ...readPixel(trace, step, cursor.x, cursor.y, viewer.look), onLeft } };
    return this.last.value;
  }

  /** Put the small reading beside the cursor, never outside the stage. */
  showTip() {
    const { tip, stage } = this.viewer.refs, reading = this.reading();
    tip.hidden = !reading || this.viewer.brush.on;
    if (tip.hidden) return;
    tip.replaceChildren(...readingRows(this.viewer, reading, 5));
    const box = stage.getBoundingClientRect(), { place, ratio, cursor } = this;
    const X = cursor.keys ? ((cursor.x + 0.5) * place.scale + place.left) / ratio : cursor.X - box.left;
    const Y = cursor.keys ? ((cursor.y + 0.5) * place.scale + place.top) / ratio : cursor.Y - box.top;
    const w = tip.offsetWidth, h = tip.offsetHeight, gap = 16;
    const x = X + gap + w <= box.width - 4 ? X + gap : X - gap - w;
    const y = Y + gap + h <= box.height - 4 ? Y + gap : Y - gap - h;
    const inside = (v, size, room) => Math.round(Math.max(4, Math.min(v, room - size - 4)));
    tip.style.transform = `translate(${inside(x, w, box.width)}px, ${inside(y, h, box.height)}px)`;
  }

  zoom(factor, X = this.canvas.width / 2, Y = this.canvas.height / 2) {
    this.look(zoomAbout(this.camera, factor, X, Y, ...this.image, ...this.size));
  }

  pan(dx, dy) {
    this.look({ ...this.camera, x: this.camera.x - dx, y: this.camera.y - dy });
  }

  /** Look at a box of the image. @param {number[]} box x0, y0, x1, y1 in image pixels */
  zoomTo(box) {
    this.look(cameraOn(box, ...this.image, ...this.size));
  }

  reset() {
    this.look(wholePicture(...this.image));
  }

  /** Point the camera, here and in linked viewers. @param {import("./gestures.js").Camera} camera */
  look(camera) {
    this.take(camera);
    shareCamera(this.viewer);
  }

  /** Point the camera here. */
  take(camera) {
    this.camera = bound(camera, ...this.image, ...this.size);
    this.viewer.refs.stage.classList.toggle("zoomed", this.camera.zoom > 1);
    this.viewer.requestDraw();
  }
}
