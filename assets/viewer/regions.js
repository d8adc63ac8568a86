// A tree's regions over the picture: filled, outlined or greyed, and the outline of one of them.
import { greyWord, word } from "./palette.js";
import { shownNodes, treeOf } from "./tree.js";

const WHITE = word([255, 255, 255]), HALF_WHITE = word([255, 255, 255], 128);

/** The leaf at each pixel of the layer's box. @returns {Uint16Array} */
const leafMap = (film, layer) => film.labels(layer, false);

/**
 * Paint the regions that are shown, each in its likeliest class, into 32-bit words of the size of the layer's box.
 * A pixel is border where its right or lower neighbour lies in another region, unless both are clear: white, or
 * between regions of one class half white. Where only outlines are wanted, both sides show their own colour.
 * @param {Uint32Array} table words of the classes, 0 where a class is not shown
 */
export function paintRegions(film, layer, look, table, out) {
  const leaf = leafMap(film, layer), [width, height] = film.size(layer), { top } = treeOf(layer);
  const node = shownNodes(layer, look), cls = Uint8Array.from(node, (i) => top[i]);
  const colour = Uint32Array.from(cls, (k) => table[k]), grey = look.mode === "greyed" ? film.under(layer) : null;
  const tint = colour.map((c) => (grey ? HALF_WHITE : (((c >>> 1) & 0x7f7f7f) + 0xff808080) >>> 0));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const own = leaf[i], right = x + 1 < width ? leaf[i + 1] : own, below = y + 1 < height ? leaf[i + width] : own;
      const onRight = node[right] !== node[own] && (colour[own] || colour[right]);
      const onBottom = node[below] !== node[own] && (colour[own] || colour[below]);
      if (look.mode === "outline") {
        const edge = onRight || onBottom || (x && node[leaf[i - 1]] !== node[own])
          || (y && node[leaf[i - width]] !== node[own]);
        out[i] = edge ? colour[own] : 0;
      } else if (onRight || onBottom) {
        out[i] = (onRight && cls[right] !== cls[own]) || (onBottom && cls[below] !== cls[own]) ? WHITE : tint[own];
      } else out[i] = grey ? (colour[own] ? 0 : greyWord(grey, 4 * i)) : colour[own];
    }
  }
}

/** The border of a node's whole region, along the sides of pixels, in image coordinates. @returns {Path2D} */
export function outlinePath(film, layer, node) {
  const [w, h] = film.size(layer), [x0, y0, x1, y1] = layer.box, path = new Path2D(), tree = treeOf(layer);
  const leaf = leafMap(film, layer), inside = Uint8Array.from({ length: tree.n }, (_, i) => tree.holds(node, i));
  const X = (x) => x0 + (x / w) * (x1 - x0), Y = (y) => y0 + (y / h) * (y1 - y0);
  const at = (x, y) => (x >= 0 && y >= 0 && x < w && y < h ? inside[leaf[y * w + x]] : 0);
  const runs = (lines, length, differs, draw) => {
    for (let line = 0; line <= lines; line++) {
      for (let i = 0, from = -1; i <= length; i++) {
        const side = i < length && differs(line, i);
        if (side && from < 0) from = i;
        else if (!side && from >= 0) { draw(line, from, i); from = -1; }
      }
    }
  };
  runs(h, w, (y, x) => at(x, y - 1) !== at(x, y), (y, a, b) => { path.moveTo(X(a), Y(y)); path.lineTo(X(b), Y(y)); });
  runs(w, h, (x, y) => at(x - 1, y) !== at(x, y), (x, a, b) => { path.moveTo(X(x), Y(a)); path.lineTo(X(x), Y(b)); });
  return path;
}
