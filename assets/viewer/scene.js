// Place the bitmaps and lines of a step over its picture, in any canvas and at any scale.
import { css } from "./palette.js";
import { bitmap } from "./paint.js";

/**
 * @typedef {object} Place image pixels to canvas pixels: X = scale * x + left, Y = scale * y + top
 * @property {number} scale
 * @property {number} left
 * @property {number} top
 */

/** The place that shows a width x height image as large as fits a W x H canvas, in its middle. @returns {Place} */
export function fit(width, height, W, H) {
  const scale = Math.min(W / width, H / height);
  return { scale, left: (W - scale * width) / 2, top: (H - scale * height) / 2 };
}

/**
 * Draw one step.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./film.js").Film} film
 * @param {number} index of the step
 * @param {import("./paint.js").Look} look
 * @param {Place} place
 * @param {{only?: number, line?: number}} [more] only: one layer alone; line: width of lines in canvas pixels
 */
export function drawStep(context, film, index, look, place, { only, line = 2 } = {}) {
  const { scale, left, top } = place, { width, height, steps } = film.trace, step = steps[index];
  context.save();
  context.setTransform(scale, 0, 0, scale, left, top);
  context.imageSmoothingQuality = "high";
  context.imageSmoothingEnabled = scale < 4;
  context.drawImage(film.bitmaps.get("image"), 0, 0, width, height);
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  step.layers.forEach((layer, j) => {
    if (only === undefined ? !look.on(step, layer) : only !== j) return;
    drawLayer(context, film, layer, look, line / scale);
  });
  context.restore();
}

function drawLayer(context, film, layer, look, line) {
  const [x0, y0, x1, y1] = layer.box;
  if (layer.kind === "image") {
    context.imageSmoothingEnabled = look.smooth;
    context.drawImage(film.bitmaps.get(layer.uid), x0, y0, x1 - x0, y1 - y0);
  } else if (["labels", "tree", "heat", "mask"].includes(layer.kind)) {
    context.imageSmoothingEnabled = look.smooth;
    context.globalAlpha = { fill: look.opacity, outline: 1, greyed: 1 - (1 - look.opacity) ** 2 }[look.mode];
    if (look.mode !== "fill" && layer.kind === "heat") context.globalAlpha = look.opacity;
    context.drawImage(bitmap(film, layer, look), x0, y0, x1 - x0, y1 - y0);
    context.globalAlpha = 1;
  } else {
    context.beginPath();
    trace(context, layer, line);
    stroke(context, look, line, layer.kind);
  }
}

/** Add the shapes of a vector layer to the current path. */
function trace(context, { kind, data, box, cells, attributes }, line) {
  if (kind === "boxes") {
    for (let i = 0; i + 3 < data.length; i += 4) {
      context.rect(data[i], data[i + 1], data[i + 2] - data[i], data[i + 3] - data[i + 1]);
    }
  } else if (kind === "points") {
    for (let i = 0; i + 1 < data.length; i += 2) {
      context.moveTo(data[i] + 2.5 * line, data[i + 1]);
      context.arc(data[i], data[i + 1], 2.5 * line, 0, 2 * Math.PI);
    }
  } else if (kind === "lines") {
    let down = false;
    for (let i = 0; i + 1 < data.length; i += 2) {
      const pen = !Number.isNaN(data[i]) && !Number.isNaN(data[i + 1]);
      if (pen && down) context.lineTo(data[i], data[i + 1]);
      else if (pen) context.moveTo(data[i], data[i + 1]);
      down = pen;
    }
  } else if (kind === "cells" && attributes.grid !== 0) {
    const [rows, columns] = cells, [x0, y0, x1, y1] = box;
    for (let r = 0; r <= rows; r++) {
      context.moveTo(x0, y0 + (r / rows) * (y1 - y0));
      context.lineTo(x1, y0 + (r / rows) * (y1 - y0));
    }
    for (let c = 0; c <= columns; c++) {
      context.moveTo(x0 + (c / columns) * (x1 - x0), y0);
      context.lineTo(x0 + (c / columns) * (x1 - x0), y1);
    }
  }
}

/** A line that shows on any picture: white below, the accent above; the grid of cells is fainter. */
function stroke(context, look, line, kind, path) {
  const draw = (width, colour) => {
    context.lineWidth = width;
    context.strokeStyle = colour;
    if (path) context.stroke(path);
    else context.stroke();
  };
  context.lineJoin = context.lineCap = "round";
  if (kind === "cells") {
    draw(line / 2, "rgba(255, 255, 255, 0.5)");
    return;
  }
  draw(2 * line, "rgba(255, 255, 255, 0.8)");
  draw(line, css(look.accent));
}

/**
 * The square of a cell and its receptive field, both x0, y0, x1, y1 in image pixels.
 * Cell i of an axis sees `field` pixels of the network's input around stride * i + centre, where a cell is `stride`
 * wide; the picture may have been resized for the network, so both axes are scaled to its own pixels.
 */
export function cellBoxes({ layer: { box, cells, attributes }, row, column }) {
  const [rows, columns] = cells, [x0, y0, x1, y1] = box, w = (x1 - x0) / columns, h = (y1 - y0) / rows;
  const square = [x0 + column * w, y0 + row * h, x0 + (column + 1) * w, y0 + (row + 1) * h];
  const { stride, field, centre } = attributes;
  if (![stride, field, centre].every(Number.isFinite)) return { square, seen: null };
  const low = (centre - field / 2) / stride, high = (centre + field / 2) / stride;
  return { square, seen: [x0 + (column + low) * w, y0 + (row + low) * h, x0 + (column + high) * w, y0 + (row + high) * h] };
}

// Of several fields the finest has the theme's colour, coarser ones these (Okabe and Ito); each has its own dashes.
const FIELDS = [[null, [4, 3]], [[86, 180, 233], [9, 4]], [[240, 228, 66], [1.5, 3]], [[213, 94, 0], [9, 3, 2, 3]]];

/** Draw cells and what they see, `width` canvas pixels strong, each with the size of its field. @param {Place} place */
export function drawCells(context, cells, look, place, width) {
  const { scale, left, top } = place, line = width / scale, taken = [];
  const step = ({ layer }) => (layer.box[2] - layer.box[0]) / layer.cells[1];
  const styled = [...cells].sort((a, b) => step(a) - step(b)).map((cell, i) => [cell, ...FIELDS[i % FIELDS.length]]);
  for (const [cell, colour, dashes] of styled.reverse()) {
    const { square, seen } = cellBoxes(cell), own = { accent: colour ?? look.accent };
    const rect = ([x0, y0, x1, y1]) => { context.beginPath(); context.rect(x0, y0, x1 - x0, y1 - y0); };
    context.save();
    context.setTransform(scale, 0, 0, scale, left, top);
    rect(square);
    context.fillStyle = css(own.accent, 0.35);
    context.fill();
    stroke(context, own, line, "boxes");
    if (seen) {
      rect(seen);
      context.setLineDash(dashes.map((d) => d * line));
      stroke(context, own, line, "boxes");
    }
    context.restore();
    if (seen) drawSize(context, `${Math.round(cell.layer.attributes.field)} px`, own.accent, seen, place, width, taken);
  }
}

/** The size of a field at the corner of its box, inside the canvas and clear of the labels that are `taken`. */
function drawSize(context, text, colour, [x0, y0], { scale, left, top }, width, taken) {
  const { canvas } = context, high = 9 * width;
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.font = `600 ${6 * width}px sans-serif`;
  const wide = context.measureText(text).width + 4 * width, within = (v, most) => Math.max(0, Math.min(v, most));
  const x = within(x0 * scale + left, canvas.width - wide);
  let y = within(y0 * scale + top, canvas.height - high);
  while (taken.some((t) => Math.abs(t.y - y) < high && x < t.x + t.wide && t.x < x + wide)) y += high + width / 2;
  taken.push({ x, y, wide });
  context.fillStyle = "rgba(0, 0, 0, 0.72)";
  context.fillRect(x, y, wide, high);
  context.fillStyle = css(colour);
  context.fillRect(x, y, width, high);
  context.fillStyle = "#fff";
  context.textBaseline = "middle";
  context.fillText(text, x + 2.5 * width, y + high / 2);
  context.restore();
}

/** Stroke a path in image coordinates so that it shows on any picture, `width` canvas pixels strong. */
export function drawPath(context, path, look, { scale, left, top }, width) {
  context.save();
  context.setTransform(scale, 0, 0, scale, left, top);
  stroke(context, look, width / scale, "path", path);
  context.restore();
}
