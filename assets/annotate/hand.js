// Mouse, pen and fingers on the picture: each tool begins a gesture, which a second finger or an interruption cancels.
import { UNTOUCHED } from "../viewer/painting.js";
import { IGNORED, NOTHING, fillRegion } from "./raster.js";
import { distance, inserted, movedBy, nearestEdge, nearestPoint, placed, polygonAt, replaced } from "./shapes.js";

export const ERASER = -1; // the label that takes brush cells away
const REACH = { mouse: 8, pen: 8, touch: 18 }; // CSS pixels around a point that count as on it
const AGAIN = 400; // milliseconds in which a second click makes a double click
const STEADY = 4; // CSS pixels that a click may move

/** What a label is in brush cells. */
export const cellOf = (label) => ({ [ERASER]: UNTOUCHED, [NOTHING]: IGNORED })[label] ?? label;

export class Hand {
  /** @param {import("./annotate.js").Annotator} owner */
  constructor(owner) {
    this.owner = owner;
    this.pointers = new Map();
    this.gesture = null; // {move?(at, event), up?(at), cancel?()}
    this.space = false; // the space bar is held: a drag moves the picture
    const { canvas } = owner.refs, on = (name, act, options) => canvas.addEventListener(name, (e) => owner.ready && act(e), options);
    on("pointerdown", (e) => this.down(e));
    on("pointermove", (e) => this.move(e));
    on("pointerup", (e) => this.up(e));
    on("pointercancel", (e) => this.up(e, true));
    on("pointerleave", () => { if (!this.pointers.size) owner.point(null); });
    on("contextmenu", (e) => { if (e.altKey) e.preventDefault(); });
    on("wheel", (e) => this.wheel(e), { passive: false });
  }

  get easel() { return this.owner.easel; }

  /** Picture pixels that lie within reach of a pointer. */
  reach(event) { return (REACH[event.pointerType] ?? REACH.mouse) / this.easel.scale; }

  wheel(event) {
    const { owner, easel } = this, active = owner.refs.wrap.getRootNode().activeElement === easel.canvas;
    if (!event.ctrlKey && !active && easel.camera.zoom === 1) return; // the page scrolls
    event.preventDefault();
    const step = event.deltaMode ? event.deltaY * 16 : event.deltaY;
    easel.zoom(Math.exp(-Math.max(-200, Math.min(200, step)) / (event.ctrlKey ? 150 : 350)), easel.on(event));
  }

  down(event) {
    const { easel, owner, pointers } = this;
    if (event.button > 1) return;
    if (event.button === 1) event.preventDefault(); // no scrolling by the middle button
    easel.canvas.focus({ preventScroll: true });
    try { easel.canvas.setPointerCapture(event.pointerId); } catch { /* the pointer is gone already */ }
    pointers.set(event.pointerId, easel.on(event));
    owner.dropCross();
    if (pointers.size > 1) this.drop();
    else if (event.button === 1 || this.space) this.gesture = this.pan(event);
    else this.gesture = this[owner.tool](easel.at(event), event);
    owner.point(event.pointerType === "touch" ? null : easel.at(event));
  }

  move(event) {
    const { easel, owner, pointers } = this, before = pointers.get(event.pointerId), now = easel.on(event);
    if (!before || event.pointerType !== "touch") owner.point(easel.at(event));
    if (!before) return;
    if (pointers.size > 1) this.pinch(event.pointerId, before, now);
    else for (const one of event.getCoalescedEvents?.().concat(event) ?? [event]) this.gesture?.move?.(easel.at(one), one);
    pointers.set(event.pointerId, now);
  }

  up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (cancelled) this.drop();
    else this.gesture?.up?.(this.easel.at(event));
    this.gesture = null;
    this.owner.refs.stage.classList.remove("dragging");
  }

  /** What was begun was not meant. */
  drop() {
    this.gesture?.cancel?.();
    this.gesture = null;
  }

  pan() {
    const { easel, owner } = this;
    let last = null;
    owner.refs.stage.classList.add("dragging");
    return { move: (_, event) => {
      const now = easel.on(event);
      if (last) easel.pan(now[0] - last[0], now[1] - last[1]);
      last = now;
    } };
  }

  pinch(id, before, now) {
    const { easel } = this, [other] = [...this.pointers].filter(([key]) => key !== id).map(([, at]) => at);
    easel.zoom(distance(now, other) / Math.max(1, distance(before, other)), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    easel.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  }

  /** The polygon tool: a click adds a point; one on the first point, or a double click, closes. */
  polygon(at, event) {
    const { owner } = this, reach = this.reach(event);
    if (event.pointerType === "touch") return { up: () => owner.addPoint(at, reach) }; // unless it becomes a pinch
    const again = event.timeStamp - (this.last?.time ?? -1e9) < AGAIN && distance(this.last.at, at) <= reach;
    this.last = { time: event.timeStamp, at };
    if (again) owner.closeDraft();
    else owner.addPoint(at, reach);
    return null;
  }

  /** The edit tool: a point of the chosen polygon, else its edge, else the polygon under the hand. */
  edit(at, event) {
    const { owner, owner: { sketch } } = this, reach = this.reach(event), points = sketch.chosen?.points ?? [];
    const point = nearestPoint(points, at, reach), edge = point < 0 ? nearestEdge(points, at, reach) : -1;
    if (point >= 0 && event.altKey) return owner.removePoint(point);
    if (point >= 0) {
      sketch.choose(sketch.polygon, point);
      return this.drag(at, event, (to) => this.pullPoint(point, points[point], at, to));
    }
    if (edge >= 0 && owner.mayAdd(1)) {
      sketch.choose(sketch.polygon, edge + 1);
      sketch.reshape(inserted(points, edge, this.inPicture(at)));
      return this.drag(at, event, (to) => this.pullPoint(edge + 1, at, at, to), true);
    }
    const under = polygonAt(sketch.state.polygons, at);
    sketch.choose(under);
    owner.changed();
    if (under < 0) return null;
    const from = sketch.chosen.points;
    return this.drag(at, event, (to) => sketch.reshape(movedBy(from, [to[0] - at[0], to[1] - at[1]], owner.head.width, owner.head.height)));
  }

  inPicture(at) { return placed(at, this.owner.head.width, this.owner.head.height); }

  /** The point goes where the hand goes, from where it was. */
  pullPoint(index, was, from, to) {
    const { sketch } = this.owner;
    sketch.reshape(replaced(sketch.chosen.points, index, this.inPicture([was[0] + to[0] - from[0], was[1] + to[1] - from[1]])));
  }

  /** A drag that begins once the hand has clearly moved. */
  drag(at, event, pull, changed = false) {
    const { owner } = this, steady = STEADY / this.easel.scale;
    let moving = false;
    owner.changed();
    return {
      move: (to) => {
        moving ||= distance(at, to) > steady;
        if (!moving) return;
        pull(to);
        owner.request();
      },
      up: () => { if (moving || changed) owner.commit(); },
      cancel: () => { owner.sketch.cancel(); owner.changed(); },
    };
  }

  brush(at) {
    const { owner, owner: { sketch, look, label } } = this;
    let last = at;
    const paint = (to) => {
      sketch.painting.stroke(last, to, look.tip, cellOf(label));
      last = to;
      sketch.show({});
      owner.request();
    };
    paint(at);
    return this.stroke(paint);
  }

  /** The superpixel tool: every superpixel that the hand passes. */
  superpixel(at) {
    const { owner, owner: { sketch, regions, label, head: { width, height } } } = this;
    let last = at, former = -1;
    const paint = (to) => {
      const steps = Math.max(1, Math.ceil(distance(last, to)));
      for (let i = 0; i <= steps; i++) {
        const column = Math.floor(last[0] + (i / steps) * (to[0] - last[0])), row = Math.floor(last[1] + (i / steps) * (to[1] - last[1]));
        if (column < 0 || row < 0 || column >= width || row >= height) continue;
        const id = regions[row * width + column];
        if (id !== former) fillRegion(sketch.painting.cells, regions, id, cellOf(label));
        former = id;
      }
      last = to;
      sketch.show({});
      owner.request();
    };
    paint(at);
    return this.stroke(paint);
  }

  stroke(paint) {
    const { owner } = this;
    return { move: paint, up: () => owner.commit(owner.sketch.painted()), cancel: () => { owner.sketch.cancel(); owner.changed(); } };
  }
}
