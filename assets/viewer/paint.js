// One layer as a bitmap in the colours of the moment; the scene only places these bitmaps.
import { edges, onlyShown, VOID } from "./outline.js";
import { greyWord, labelTable, scale, word } from "./palette.js";
import { isLogits, perClass } from "./film.js";
import { scoreScale } from "./scores.js";
import { paintRegions } from "./regions.js";

/**
 * @typedef {object} Look what a picture depends on, derived from the State and the Trace
 * @property {(step: object) => string} signOf text that differs where a step looks different
 * @property {boolean} smooth
 * @property {number} opacity
 * @property {string} mode
 * @property {string} view
 * @property {number} cls index of the class whose map is shown
 * @property {number} threshold
 * @property {string} tree cut or cover
 * @property {number} regions of the cut
 * @property {number[][]} colours of the classes
 * @property {Set<number>} hidden indices of classes
 * @property {number[]} accent the theme's primary colour
 * @property {(step: object, layer: object) => boolean} on
 */

/** What is shown of a layer: labels, tree, mask, heat, probability, entropy or margin. */
export function aspect(layer, look) {
  if (layer.kind !== "labels") return layer.kind;
  return isLogits(layer) ? look.view : "labels";
}

/** The layer as a canvas of the size of its box; painted anew only when something that it depends on has changed. */
export function bitmap(film, layer, look) {
  const what = aspect(layer, look), labels = ["labels", "tree", "mask"].includes(what);
  const key = [layer.uid, what, look.smooth, look.mode];
  if (what === "probability" || perClass(layer)) key.push(look.cls);
  if (what === "probability") key.push(look.threshold);
  if (what === "tree") key.push(look.tree, look.regions);
  if (labels) key.push([...look.hidden].join(), look.colours.join(), look.accent.join());
  const sign = key.join("|"), old = film.canvases.get(layer.uid);
  if (old?.sign === sign) return old.canvas;
  const canvas = paint(film, layer, look, what);
  film.canvases.set(layer.uid, { sign, canvas });
  return canvas;
}

function paint(film, layer, look, what) {
  const [width, height] = film.size(layer);
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  const image = context.createImageData(width, height), out = new Uint32Array(image.data.buffer);
  const flat = what === "labels" || what === "mask" || (what === "probability" && look.mode !== "fill");
  if (what === "tree") paintRegions(film, layer, look, labelTable(look.colours, look.hidden), out);
  else if (flat) paintLabels(film, layer, look, what, out);
  else paintValues(film, layer, look, what, out);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Labels and the table of their colours; a mask is one label, a thresholded probability too. */
function labelled(film, layer, look, what) {
  if (what === "labels") return [film.labels(layer, look.smooth), labelTable(look.colours, look.hidden)];
  const table = new Uint32Array(256);
  if (what === "mask") {
    table[1] = word(look.accent);
    return [film.labels(layer, false), table];
  }
  table[1] = word(look.colours[look.cls] ?? look.accent);
  const values = film.values(layer, look.smooth, "probability", look.cls);
  return [Uint8Array.from(values, (p) => (p >= (look.threshold || 0.5) ? 1 : VOID)), table];
}

function paintLabels(film, layer, look, what, out) {
  const [width, height] = film.size(layer), [labels, table] = labelled(film, layer, look, what);
  if (look.mode === "fill") {
    for (let i = 0; i < out.length; i++) out[i] = table[labels[i]];
  } else if (look.mode === "outline") {
    const shown = onlyShown(labels, table), reach = Math.max(1, Math.round(Math.max(width, height) / 320));
    const line = edges(shown, height, width, reach);
    for (let i = 0; i < out.length; i++) if (line[i]) out[i] = table[shown[i]];
  } else {
    const under = film.under(layer);
    for (let i = 0; i < out.length; i++) {
      if (!table[labels[i]]) out[i] = greyWord(under, 4 * i);
    }
  }
}

function paintValues(film, layer, look, what, out) {
  const values = film.values(layer, look.smooth, what, look.cls);
  const ends = scoreScale(what, layer.shape[0]), [from, to] = what === "heat" ? layer.range : [ends.low, ends.high];
  const { table, low, high } = scale(from, to), floor = what === "probability" ? look.threshold : -Infinity;
  for (let i = 0; i < out.length; i++) {
    const v = values[i];
    if (Number.isNaN(v) || v < floor) continue;
    out[i] = table[Math.min(255, Math.max(0, Math.round(((v - low) / (high - low)) * 255)))];
  }
}
