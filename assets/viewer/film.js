// A decoded Trace with its picture, and the maps computed from it: made when first asked for, then kept.
import { labelMap, scoreMap } from "./scores.js";
import { enlarge, nearest } from "./sampling.js";
import { areas } from "./outline.js";
import { treeAreas } from "./tree.js";

/** A map that forgets what was not asked for the longest; `drop` gets what it forgets. */
export class Recent {
  constructor(limit, drop = () => {}) {
    this.limit = limit;
    this.drop = drop;
    this.items = new Map();
  }

  get(key, make) {
    const value = this.items.has(key) ? this.items.get(key) : make();
    this.items.delete(key);
    this.items.set(key, value);
    if (this.items.size > this.limit) {
      const [oldest, old] = this.items.entries().next().value;
      this.items.delete(oldest);
      this.drop(old);
    }
    return value;
  }

  delete(key) {
    if (!this.items.has(key)) return;
    this.drop(this.items.get(key));
    this.items.delete(key);
  }

  clear() {
    this.items.forEach(this.drop);
    this.items.clear();
  }
}

/** Is this layer a (C, h, w) map of class scores? */
export const isLogits = (layer) => layer.kind === "labels" && layer.shape.length === 3;
/** Is this layer one map for each class? */
export const perClass = (layer) => layer.kind === "heat" && layer.shape.length === 3;
/** Does this layer cover the picture with colours of its own? */
const covers = (layer) => ["labels", "heat", "tree"].includes(layer.kind);

/** Is `layer` shown before the user has said anything? `attributes.on` decides, else one covering layer, no cells. */
export function startsOn(step, layer) {
  if (layer.attributes.on !== undefined && layer.attributes.on !== null) return layer.attributes.on !== 0;
  if (layer.kind === "cells") return false;
  const of = (kind) => step.layers.find((l) => l.kind === kind), first = of("tree") ?? of("labels") ?? of("heat");
  return !covers(layer) || layer === first;
}

/** The layer that says which class each pixel has: scores, labels, then trees, and rather one that is shown. */
export function labelLayer(step, look) {
  const order = [isLogits, (l) => l.kind === "labels", (l) => l.kind === "tree"];
  const found = order.flatMap((is) => step.layers.filter(is));
  return found.find((l) => look?.on(step, l)) ?? found[0];
}

export class Film {
  /** @param {object} trace as decodeTrace gives it */
  constructor(trace) {
    this.trace = trace;
    this.maps = new Recent(Math.max(96, 4 * trace.steps.reduce((n, step) => n + step.layers.length, 0)));
    this.canvases = new Map(); // layer uid -> {key, canvas}, the last one painted
    this.bitmaps = new Map();
  }

  /** Decode the pictures; nothing may be drawn before. */
  async load() {
    const parts = [["image", this.trace.image]];
    for (const step of this.trace.steps) {
      for (const layer of step.layers) if (layer.kind === "image") parts.push([layer.uid, layer]);
    }
    const decode = async ([name, part]) => {
      const bitmap = await createImageBitmap(new Blob([part.data], { type: part.mime }));
      this.bitmaps.set(name, bitmap);
    };
    await Promise.all(parts.map(decode));
    return this;
  }

  /** Size in pixels of the bitmap that stands for a map: that of its box in the image. @returns {[number, number]} */
  size({ box: [x0, y0, x1, y1] }) {
    return [Math.max(1, Math.round(x1 - x0)), Math.max(1, Math.round(y1 - y0))];
  }

  /** Label of each pixel, or leaf of a tree. @returns {Uint8Array|Uint16Array} */
  labels(layer, smooth) {
    const [w, h] = this.size(layer), logits = isLogits(layer);
    return this.maps.get(`labels ${layer.uid} ${logits && smooth}`, () => (logits
      ? labelMap(layer.data, layer.shape, h, w, smooth)
      : nearest(layer.data, layer.shape[0], layer.shape[1], h, w)));
  }

  /** Pixels of each label. @returns {Uint32Array} */
  areas(layer, look) {
    if (layer.kind === "tree") return treeAreas(layer, look);
    const { smooth } = look;
    return this.maps.get(`areas ${layer.uid} ${smooth}`, () => areas(this.labels(layer, smooth)));
  }

  /** Value of each pixel of a heat map, or of a logits layer seen as probability, entropy or margin. */
  values(layer, smooth, what, cls) {
    const [w, h] = this.size(layer), k = layer.shape.length === 3 ? Math.min(cls, layer.shape[0] - 1) : 0;
    const channel = what === "heat" || what === "probability" ? k : "";
    return this.maps.get(`values ${layer.uid} ${smooth} ${what} ${channel}`, () => {
      if (what !== "heat") return scoreMap(layer.data, layer.shape, h, w, smooth, what, k);
      const shape = layer.shape.length === 3 ? layer.shape : [1, ...layer.shape], [, rows, columns] = shape;
      if (smooth) return enlarge(layer.data, shape, k, h, w);
      const part = layer.data.subarray(k * rows * columns, (k + 1) * rows * columns);
      return nearest(part, rows, columns, h, w);
    });
  }

  /** The picture under a box, as RGBA bytes at the size of the box. @returns {Uint8ClampedArray} */
  under(layer) {
    const [w, h] = this.size(layer);
    return this.maps.get(`under ${layer.box}`, () => {
      const canvas = new OffscreenCanvas(w, h), context = canvas.getContext("2d", { willReadFrequently: true });
      const [x0, y0, x1, y1] = layer.box;
      context.drawImage(this.bitmaps.get("image"), x0, y0, x1 - x0, y1 - y0, 0, 0, w, h);
      return context.getImageData(0, 0, w, h).data;
    });
  }

  /** The class that is shown where the user chose none: the largest but for a first class called background. */
  mainClass(look) {
    const step = this.trace.steps.findLast((s) => labelLayer(s));
    if (!step) return 0;
    const count = Array.from(this.areas(labelLayer(step), look)).slice(0, this.trace.classes.length);
    if (/^background$/i.test(this.trace.classes[0] ?? "") && count.some((n, i) => i && n)) count[0] = 0;
    return Math.max(0, count.indexOf(Math.max(...count)));
  }
}
