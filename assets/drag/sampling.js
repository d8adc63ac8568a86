// Sampling as torch.nn.functional.grid_sample does it, in the browser: places in the input -> colours of the output.
// Places are (x, y) in normalised coordinates; pixels are 32 bits each, red in the lowest byte (see engine/spatial/sampling.py).

export const MODES = ["bilinear", "nearest", "bicubic"];
export const PADDINGS = ["zeros", "border", "reflection"];
export const TIE = 1e-9; // normalised: of two pixels equally near the one to the right, or below
const CUBIC = -0.75; // a of Keys' cubic, as in torch

/** @typedef {{mode: string, padding: string, align: boolean}} Sampling */
/** @typedef {{pixels: Uint32Array, width: number, height: number}} Picture */

/** Normalised coordinate -> pixel coordinate, in which pixel i has its centre at i. */
export const toPixel = (at, n, align) => (align ? ((at + 1) / 2) * (n - 1) : ((at + 1) * n - 1) / 2);

/** Pixel coordinate -> normalised coordinate. */
export const fromPixel = (at, n, align) => (align && n > 1 ? (2 * at) / (n - 1) - 1 : (2 * at + 1) / n - 1);

/** Is a place in the picture? Its edges belong to it. */
export const isInside = (x, y) => Math.abs(x) <= 1 + TIE && Math.abs(y) <= 1 + TIE;

function reflected(at, low, high) {
  const span = high - low;
  if (span <= 0) return 0;
  const off = Math.abs(at - low), extra = off % span;
  return Math.floor(off / span) % 2 ? span - extra + low : extra + low;
}

/** A pixel coordinate after padding; zeros leaves it where it is. */
export function padded(at, n, { padding, align }) {
  if (padding === "zeros") return at;
  const to = padding === "border" ? at : align ? reflected(at, 0, n - 1) : reflected(at, -0.5, n - 0.5);
  return Math.min(Math.max(to, 0), n - 1);
}

/** Round to the nearest whole number, a half to the even one, as torch's nearest does. */
export function roundEven(at) {
  const low = Math.floor(at), rest = at - low;
  return rest === 0.5 ? low + (low & 1) : Math.floor(at + 0.5);
}

/** The four weights of Keys' cubic for a place t past the second pixel. */
export function cubic(t) {
  const near = (x) => ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
  const far = (x) => ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}

const inRange = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);

function bilinear({ pixels, width: W, height: H }, grid, out, how) {
  const plain = how.padding === "zeros", { align } = how;
  for (let i = 0, n = 0; n < out.length; n++, i += 2) {
    let x = align ? ((grid[i] + 1) / 2) * (W - 1) : ((grid[i] + 1) * W - 1) / 2;
    let y = align ? ((grid[i + 1] + 1) / 2) * (H - 1) : ((grid[i + 1] + 1) * H - 1) / 2;
    if (!plain && !(x >= 0 && y >= 0 && x <= W - 1 && y <= H - 1)) [x, y] = [padded(x, W, how), padded(y, H, how)];
    const x0 = Math.floor(x), y0 = Math.floor(y), fx = x - x0, fy = y - y0;
    let p = 0, q = 0, r = 0, s = 0;
    if (x0 >= 0 && y0 >= 0 && x0 < W - 1 && y0 < H - 1) {
      const at = y0 * W + x0;
      p = pixels[at], q = pixels[at + 1], r = pixels[at + W], s = pixels[at + W + 1];
    } else {
      const left = x0 >= 0 && x0 < W, right = x0 >= -1 && x0 < W - 1;
      if (y0 >= 0 && y0 < H) p = left ? pixels[y0 * W + x0] : 0, q = right ? pixels[y0 * W + x0 + 1] : 0;
      if (y0 >= -1 && y0 < H - 1) r = left ? pixels[(y0 + 1) * W + x0] : 0, s = right ? pixels[(y0 + 1) * W + x0 + 1] : 0;
    }
    const a = (1 - fx) * (1 - fy), b = fx * (1 - fy), c = (1 - fx) * fy, d = fx * fy;
    const red = a * (p & 255) + b * (q & 255) + c * (r & 255) + d * (s & 255) + 0.5;
    const green = a * ((p >> 8) & 255) + b * ((q >> 8) & 255) + c * ((r >> 8) & 255) + d * ((s >> 8) & 255) + 0.5;
    const blue = a * ((p >> 16) & 255) + b * ((q >> 16) & 255) + c * ((r >> 16) & 255) + d * ((s >> 16) & 255) + 0.5;
    out[n] = 0xff000000 | (blue << 16) | (green << 8) | red;
  }
}

function nearest({ pixels, width: W, height: H }, grid, out, how) {
  for (let i = 0, n = 0; n < out.length; n++, i += 2) {
    const x = roundEven(padded(toPixel(grid[i] + TIE, W, how.align), W, how));
    const y = roundEven(padded(toPixel(grid[i + 1] + TIE, H, how.align), H, how));
    out[n] = x >= 0 && y >= 0 && x < W && y < H ? pixels[y * W + x] | 0xff000000 : 0xff000000;
  }
}

function bicubic({ pixels, width: W, height: H }, grid, out, how) {
  const columns = new Int32Array(4), rows = new Int32Array(4);
  for (let i = 0, n = 0; n < out.length; n++, i += 2) {
    const x = toPixel(grid[i], W, how.align), y = toPixel(grid[i + 1], H, how.align);
    const x0 = Math.floor(x), y0 = Math.floor(y), wx = cubic(x - x0), wy = cubic(y - y0);
    for (let k = 0; k < 4; k++) {
      columns[k] = padded(x0 + k - 1, W, how);
      rows[k] = padded(y0 + k - 1, H, how);
    }
    let red = 0, green = 0, blue = 0;
    for (let j = 0; j < 4; j++) {
      if (rows[j] < 0 || rows[j] >= H) continue;
      for (let k = 0; k < 4; k++) {
        if (columns[k] < 0 || columns[k] >= W) continue;
        const p = pixels[rows[j] * W + columns[k]], weight = wx[k] * wy[j];
        red += weight * (p & 255);
        green += weight * ((p >> 8) & 255);
        blue += weight * ((p >> 16) & 255);
      }
    }
    out[n] = 0xff000000 | ((inRange(blue) + 0.5) << 16) | ((inRange(green) + 0.5) << 8) | (inRange(red) + 0.5);
  }
}

const SAMPLERS = { bilinear, nearest, bicubic };

/**
 * Fill `out` with the picture sampled at each place.
 * @param {Picture} picture @param {Float64Array} grid (N, 2) flat @param {Uint32Array} out (N,) @param {Sampling} how
 */
export function sample(picture, grid, out, how) {
  SAMPLERS[how.mode](picture, grid, out, how);
  return out;
}

/** Red, green and blue of 32 bits. @returns {number[]} */
export const channels = (p) => [p & 255, (p >> 8) & 255, (p >> 16) & 255];

/**
 * Which pixels of the input one place is mixed from, and how, as engine/spatial/sampling.py explains it.
 * @returns {{index: number[], read: number[], neighbours: {x: number, y: number, weight: number, value: number[],
 *   padded: boolean}[], total: number[], seen: number[]}} index: the place in pixels; read: after padding, which moves
 *   each neighbour instead with bicubic. padded: padding gave the value. total: before rounding; seen: 0 to 255.
 */
export function explain({ pixels, width: W, height: H }, u, v, how) {
  const nudge = how.mode === "nearest" ? TIE : 0, sides = [[u, W], [v, H]];
  const at = sides.map(([place, n]) => toPixel(place + nudge, n, how.align));
  const read = at.map((place, k) => (how.mode === "bicubic" ? place : padded(place, sides[k][1], how)));
  const [columns, rows] = sides.map(([, n], k) => along(at[k], read[k], n, how));
  const neighbours = rows.flatMap(([y, wy, py]) => columns.map(([x, wx, px]) => {
    const known = x >= 0 && y >= 0 && x < W && y < H;
    return { x, y, weight: wx * wy, value: known ? channels(pixels[y * W + x]) : [0, 0, 0], padded: px || py || !known };
  }));
  const total = [0, 1, 2].map((c) => neighbours.reduce((sum, one) => sum + one.weight * one.value[c], 0));
  const index = sides.map(([place, n]) => toPixel(place, n, how.align));
  return { index, read, neighbours, total, seen: total.map((value) => Math.floor(inRange(value) + 0.5)) };
}

/** The neighbours along one side of n pixels. @returns {[number, number, boolean][]} pixel, weight, moved by padding */
function along(at, read, n, how) {
  if (how.mode === "nearest") return [[roundEven(read), 1, read !== at]];
  const first = Math.floor(read), t = read - first;
  if (how.mode === "bilinear") return [[first, 1 - t, read !== at], [first + 1, t, read !== at]];
  return cubic(t).map((weight, k) => {
    const i = first + k - 1, to = Math.trunc(padded(i, n, how));
    return [to, weight, to !== i];
  });
}

/** The largest difference of two pictures in grey levels. @param {Uint32Array} a @param {Uint8Array} b (N, 3) flat */
export function largestDifference(a, b) {
  let most = 0;
  for (let n = 0, i = 0; n < a.length; n++, i += 3) {
    for (let k = 0; k < 3; k++) most = Math.max(most, Math.abs(((a[n] >> (8 * k)) & 255) - b[i + k]));
  }
  return most;
}

/** (N, 3) bytes -> 32 bits each, opaque. @param {Uint8Array} bytes @returns {Uint32Array} */
export function toPixels(bytes) {
  const out = new Uint32Array(bytes.length / 3);
  for (let n = 0, i = 0; n < out.length; n++, i += 3) out[n] = 0xff000000 | (bytes[i + 2] << 16) | (bytes[i + 1] << 8) | bytes[i];
  return out;
}
