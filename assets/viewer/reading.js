// What a step says about one pixel: its class, the first probabilities, and the value of each layer there.
import { softmax, topK } from "./scores.js";
import { valuesAt } from "./sampling.js";
import { VOID } from "./outline.js";
import { cellBoxes } from "./scene.js";
import { isLogits, labelLayer, perClass } from "./film.js";
import { shownNodes, treeOf } from "./tree.js";

/** The name of label k. */
export const className = (trace, k) => (k === VOID ? "void" : trace.classes[k] ?? `class ${k}`);

/** @param {number} v @returns {string} a number short enough for a line */
export function short(v) {
  if (v === null || v === undefined || Number.isNaN(v)) return "–";
  if (Number.isInteger(v)) return String(v);
  const size = Math.abs(v);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return v.toExponential(1);
  return size >= 100 ? v.toFixed(0) : size >= 10 ? v.toFixed(1) : size >= 0.01 ? v.toFixed(2) : v.toFixed(4);
}

/** 0.37 as "37 %", small shares with one more digit. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  return `${share > 0 && share < 0.0995 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;
}

/**
 * @param {object} trace
 * @param {object} step
 * @param {number} column of the pixel
 * @param {number} row of the pixel
 * @returns {{x: number, y: number, label: ?number, top: [number, number][],
 *   scores: {name: string, text: string}[], cells: object[]}}
 */
export function readPixel(trace, step, column, row, look) {
  const out = { x: column, y: row, label: null, top: [], scores: [], cells: [] };
  const inside = ({ box }) => acrossBox(box, column + 0.5, row + 0.5);
  const main = labelLayer(step, look), place = main && inside(main);
  if (place && isLogits(main)) {
    out.top = topK(softmax(valuesAt(main.data, main.shape, ...place, look.smooth)), 3);
    out.label = out.top[0][0];
  } else if (place && main.kind === "tree") {
    const tree = treeOf(main), i = nodeAt(main, place, look);
    out.label = tree.top[i];
    out.top = [[out.label, tree.shares(i)[out.label]]];
  } else if (place) [out.label] = valuesAt(main.data, [1, ...main.shape], ...place, false);
  for (const layer of step.layers) {
    const at = inside(layer);
    if (at) readLayer(out, trace, layer, at, look);
  }
  return out;
}

/** Where x, y lies in a box, 0..1 across it each way; null outside. @returns {?[number, number]} */
export function acrossBox([x0, y0, x1, y1], x, y) {
  const u = (x - x0) / (x1 - x0), v = (y - y0) / (y1 - y0);
  return u >= 0 && u < 1 && v >= 0 && v < 1 ? [u, v] : null;
}

/** The node that is shown at u, v across a tree layer's box. */
export function nodeAt(layer, [u, v], look) {
  const [leaf] = valuesAt(layer.data, [1, ...layer.shape], u, v, false);
  return shownNodes(layer, look)[leaf];
}

function readLayer(out, trace, layer, [u, v], look) {
  const unit = layer.unit ? ` ${layer.unit}` : "", k = out.label === null || out.label === VOID ? look.cls : out.label;
  if (isLogits(layer) || perClass(layer)) {
    const value = valuesAt(layer.data, layer.shape, u, v, look.smooth)[Math.min(k, layer.shape[0] - 1)];
    const plus = perClass(layer) && value > 0 ? "+" : "";
    out.scores.push({ name: layer.name, text: `${plus}${short(value)}${unit}`, of: className(trace, k) });
  } else if (layer.kind === "heat") {
    const [value] = valuesAt(layer.data, [1, ...layer.shape], u, v, look.smooth);
    out.scores.push({ name: layer.name, text: short(value) + unit });
  } else if (layer.kind === "tree") {
    const tree = treeOf(layer), i = nodeAt(layer, [u, v], look);
    out.scores.push({ name: "region", text: `${percent(tree.size[i])} of the picture` },
      { name: "cost", text: `${short(tree.cost[i])} nat` });
  } else if (layer.kind === "mask") {
    const [inside] = valuesAt(layer.data, [1, ...layer.shape], u, v, false);
    out.scores.push({ name: layer.name, text: inside ? "yes" : "no" });
  } else if (layer.kind === "cells") {
    const [rows, columns] = layer.cells, cell = { layer, row: Math.floor(v * rows), column: Math.floor(u * columns) };
    const { seen } = cellBoxes(cell), field = seen ? `, sees ${short(layer.attributes.field)} px` : "";
    out.cells.push(cell);
    out.scores.push({ name: layer.name, text: `column ${cell.column}, row ${cell.row}${field}` });
  }
}
