// Polygons and brush cells as labels, by the arithmetic of engine/debug/polygons.py: equal to it pixel for pixel.

export const IGNORED = 254; // a pixel that is void, whatever lies below it
export const NOTHING = 255; // a pixel that was never labelled; as the label of a polygon it means ignore

/** The first row or column whose centre does not lie before `at`. */
const firstCentre = (at, most) => Math.min(most, Math.max(0, Math.ceil(at - 0.5)));

/** The two ends of an edge from top to bottom, so that both polygons along it round alike. */
const downwards = ([xa, ya], [xb, yb]) => (yb < ya ? [xb, yb, xa, ya] : [xa, ya, xb, yb]);

/**
 * Write `value` into every pixel whose centre lies inside the polygon, by the even-odd rule.
 * @param {Uint8Array} out (height * width) @param {number[][]} points x and y in image pixels
 */
export function fillPolygon(out, width, height, points, value) {
  const rows = points.map(([, y]) => firstCentre(y, height)), top = Math.min(...rows), bottom = Math.max(...rows);
  if (points.length < 3 || bottom <= top) return;
  const stride = width + 1, crossed = new Uint8Array(stride * (bottom - top));
  points.forEach((point, k) => {
    const [x0, y0, x1, y1] = downwards(point, points[(k + 1) % points.length]), end = firstCentre(y1, height);
    for (let row = firstCentre(y0, height); row < end; row++) {
      const x = x0 + ((row + 0.5 - y0) * (x1 - x0)) / (y1 - y0);
      crossed[(row - top) * stride + firstCentre(x, width)] ^= 1;
    }
  });
  for (let row = top; row < bottom; row++) {
    for (let column = 0, within = 0; column < width; column++) {
      within ^= crossed[(row - top) * stride + column];
      if (within) out[row * width + column] = value;
    }
  }
}

/**
 * What a drawing makes of each pixel: a class, IGNORED or NOTHING; polygons in their order, brush cells over them.
 * @param {{label: number, points: number[][]}[]} polygons @param {Uint8Array} cells @returns {Uint8Array}
 */
export function rasterised(polygons, cells, width, height) {
  const out = new Uint8Array(width * height).fill(NOTHING);
  for (const { label, points } of polygons) fillPolygon(out, width, height, points, label === NOTHING ? IGNORED : label);
  for (let i = 0; i < out.length; i++) if (cells[i] !== NOTHING) out[i] = cells[i];
  return out;
}

/** Does the place lie inside the polygon? */
export function contains(points, [x, y]) {
  let within = false;
  points.forEach((point, k) => {
    const [x0, y0, x1, y1] = downwards(point, points[(k + 1) % points.length]);
    if (y0 <= y && y < y1 && x0 + ((y - y0) * (x1 - x0)) / (y1 - y0) <= x) within = !within;
  });
  return within;
}

/** Give every cell of the region `id` a label. @param {Uint16Array} regions */
export function fillRegion(cells, regions, id, label) {
  for (let i = 0; i < cells.length; i++) if (regions[i] === id) cells[i] = label;
}

/** The sides of pixels around a region, as x0, y0, x1, y1 of each. @returns {number[][]} */
export function regionSides(regions, width, height, id) {
  const sides = [], is = (x, y) => x >= 0 && y >= 0 && x < width && y < height && regions[y * width + x] === id;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (regions[y * width + x] !== id) continue;
      if (!is(x, y - 1)) sides.push([x, y, x + 1, y]);
      if (!is(x, y + 1)) sides.push([x, y + 1, x + 1, y + 1]);
      if (!is(x - 1, y)) sides.push([x, y, x, y + 1]);
      if (!is(x + 1, y)) sides.push([x + 1, y, x + 1, y + 1]);
    }
  }
  return sides;
}
