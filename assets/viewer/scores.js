// From class scores (logits) to labels, probabilities, entropy and margin.
import { nearest, scanRows } from "./sampling.js";

/** @param {ArrayLike<number>} logits @returns {number[]} probabilities */
export function softmax(logits) {
  const values = Array.from(logits), top = Math.max(...values);
  const powers = values.map((v) => Math.exp(v - top)), sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** The k largest, as [index, value], the largest first. @param {number[]} values */
export function topK(values, k) {
  return values.map((v, i) => [i, v]).sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, k);
}

/** What one score map is measured in, and the span of its colour scale for C classes. */
export function scoreScale(what, C) {
  if (what === "entropy") return { low: 0, high: Math.log(Math.max(C, 2)), unit: "nat" };
  return { low: 0, high: 1, unit: what === "margin" ? "first minus second probability" : "" };
}

/** Run `perPixel(row, x, C, width)` over the enlarged map (smooth) or its own cells (raw, then repeated). */
function reduce(Type, data, shape, height, width, smooth, perPixel) {
  const [C, h, w] = shape, H = smooth ? height : h, W = smooth ? width : w;
  const out = new Type(H * W);
  scanRows(data, shape, H, W, (row, y) => {
    for (let x = 0; x < W; x++) out[y * W + x] = perPixel(row, x, C, W);
  });
  return smooth ? out : nearest(out, h, w, height, width);
}

/** The class of the largest score at each of height x width pixels. @returns {Uint8Array} */
export function labelMap(data, shape, height, width, smooth) {
  return reduce(Uint8Array, data, shape, height, width, smooth, (row, x, C, W) => {
    let best = 0, value = row[x];
    for (let c = 1; c < C; c++) if (row[c * W + x] > value) { value = row[c * W + x]; best = c; }
    return best;
  });
}

const PER_PIXEL = {
  probability: (row, x, C, W, k) => {
    const own = row[k * W + x];
    let sum = 0;
    for (let c = 0; c < C; c++) sum += Math.exp(row[c * W + x] - own);
    return 1 / sum; // an overflow to infinity rightly gives 0
  },
  entropy: (row, x, C, W) => {
    let top = -Infinity, sum = 0, mean = 0;
    for (let c = 0; c < C; c++) top = Math.max(top, row[c * W + x]);
    for (let c = 0; c < C; c++) {
      const d = row[c * W + x] - top, e = Math.exp(d);
      sum += e;
      mean += e * d;
    }
    return Math.max(0, Math.log(sum) - mean / sum);
  },
  margin: (row, x, C, W) => {
    let first = -Infinity, second = -Infinity, sum = 0;
    for (let c = 0; c < C; c++) {
      const v = row[c * W + x];
      if (v > first) { second = first; first = v; } else if (v > second) second = v;
    }
    for (let c = 0; c < C; c++) sum += Math.exp(row[c * W + x] - first);
    return (1 - Math.exp(second - first)) / sum;
  },
};

/** Probability of class k, entropy in nats, or margin of the first over the second class. @returns {Float32Array} */
export function scoreMap(data, shape, height, width, smooth, what, k = 0) {
  const perPixel = PER_PIXEL[what];
  return reduce(Float32Array, data, shape, height, width, smooth, (row, x, C, W) => perPixel(row, x, C, W, k));
}

/** Mean probability of each class over the pixels that carry its label; NaN where it has none. @returns {number[]} */
export function classMeans(data, shape, labels, height, width) {
  const C = shape[0], sums = new Float64Array(C), counts = new Uint32Array(C);
  scanRows(data, shape, height, width, (row, y) => {
    for (let x = 0; x < width; x++) {
      const k = labels[y * width + x];
      if (k >= C) continue;
      sums[k] += PER_PIXEL.probability(row, x, C, width, k);
      counts[k]++;
    }
  });
  return Array.from(sums, (s, k) => s / counts[k]);
}
