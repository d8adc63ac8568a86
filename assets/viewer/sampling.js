// Enlarge maps as torch's F.interpolate does: bilinear with half-pixel centres and repeated edges, or nearest.

/** Source indices and weight for each output position of one axis (align_corners=False). */
export function axis(from, to) {
  const low = new Int32Array(to), high = new Int32Array(to), weight = new Float32Array(to);
  for (let i = 0; i < to; i++) {
    const at = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    low[i] = Math.floor(at);
    high[i] = Math.min(low[i] + 1, from - 1);
    weight[i] = at - low[i];
  }
  return { low, high, weight };
}

/**
 * Enlarge a (C, h, w) map to (C, height, width), one row at a time.
 * @param {Float32Array} data
 * @param {number[]} shape C, h, w
 * @param {(row: Float32Array, y: number) => void} onRow gets (C, width) values, reused for the next row
 */
export function scanRows(data, [C, h, w], height, width, onRow) {
  const rows = axis(h, height), columns = axis(w, width);
  const blend = new Float32Array(C * w), row = new Float32Array(C * width);
  const { low, high, weight } = columns;
  for (let y = 0; y < height; y++) {
    const f = rows.weight[y];
    for (let c = 0; c < C; c++) {
      const a = (c * h + rows.low[y]) * w, b = (c * h + rows.high[y]) * w, o = c * w;
      for (let x = 0; x < w; x++) blend[o + x] = (1 - f) * data[a + x] + f * data[b + x];
    }
    for (let c = 0; c < C; c++) {
      const o = c * w, p = c * width;
      for (let x = 0; x < width; x++) {
        const g = weight[x];
        row[p + x] = (1 - g) * blend[o + low[x]] + g * blend[o + high[x]];
      }
    }
    onRow(row, y);
  }
}

/** One channel of a (C, h, w) map, bilinear, as (height, width). */
export function enlarge(data, [, h, w], channel, height, width) {
  const out = new Float32Array(height * width);
  const part = data.subarray(channel * h * w, (channel + 1) * h * w);
  scanRows(part, [1, h, w], height, width, (row, y) => out.set(row, y * width));
  return out;
}

/** A (h, w) map of any type as (height, width), each output pixel from the cell that its centre lies in. */
export function nearest(map, h, w, height, width) {
  if (h === height && w === width) return map;
  const out = new map.constructor(height * width), columns = new Int32Array(width);
  for (let x = 0; x < width; x++) columns[x] = Math.min(w - 1, Math.floor(((x + 0.5) * w) / width));
  for (let y = 0; y < height; y++) {
    const o = Math.min(h - 1, Math.floor(((y + 0.5) * h) / height)) * w;
    for (let x = 0; x < width; x++) out[y * width + x] = map[o + columns[x]];
  }
  return out;
}

/** The C values of a (C, h, w) map at u, v in 0..1 across its box. @returns {number[]} */
export function valuesAt(data, [C, h, w], u, v, smooth) {
  const place = (t, n) => {
    const at = smooth ? Math.min(Math.max(t * n - 0.5, 0), n - 1) : Math.min(n - 1, Math.max(0, Math.floor(t * n)));
    const low = Math.floor(at);
    return [low, Math.min(low + 1, n - 1), at - low];
  };
  const [x0, x1, fx] = place(u, w), [y0, y1, fy] = place(v, h), out = [];
  for (let c = 0; c < C; c++) {
    const at = (y, x) => data[(c * h + y) * w + x];
    const top = fx ? (1 - fx) * at(y0, x0) + fx * at(y0, x1) : at(y0, x0);
    out.push(fy ? (1 - fy) * top + fy * (fx ? (1 - fx) * at(y1, x0) + fx * at(y1, x1) : at(y1, x0)) : top);
  }
  return out;
}
