// A digit placed on its task's canvas by hand, as engine/spatial/placing.py has it: pure arithmetic, no events.
// Places are normalised (x, y) on the canvas; ink goes from the digit to the canvas, sampling the other way.
import { inverse, solve } from "../drag/linear.js";
import { bending, centres, controlPoints, homography, matrixOf, placeOfPoint, project } from "../drag/families.js";
import { HANDLES, dragged, handlePlace } from "../drag/handles.js";
import { sample } from "../drag/sampling.js";

export const DIGIT = 28, PIECE = 6; // pixels of a digit's side, and of a distractor's
const LEAST_SCALE = 0.3, MOST_SCALE = 2, MOST_REACH = 2; // as engine/spatial/placing.py has them
const LEAST_TURN = 0.02, NEAREST = 0.05;
const SNAP = 15; // degrees
const SQUARE = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
const HOW = { mode: "bilinear", padding: "zeros", align: false };

export const UPRIGHT = { pose: [0, 1, 0, 0], corners: SQUARE.flat(), points: controlPoints().flat().map(thousandth) };

/** @typedef {{kind: "pose"|"corners"|"points", size: number}} Canvas */

/** A number as it is told to Python. */
export function thousandth(value) { return Math.round(value * 1000) / 1000 + 0; }

const pairsOf = (numbers) => Array.from({ length: numbers.length / 2 }, (_, i) => numbers.slice(2 * i, 2 * i + 2));

/** From the digit to the canvas, as the handles want it. @param {Canvas} canvas @param {number[]} numbers */
export function inkTransform({ kind, size }, numbers) {
  if (kind === "points") return { family: "tps", theta: numbers, system: null };
  if (kind === "corners") return { family: "projective", theta: homography(pairsOf(numbers)), system: null };
  const [angle, scale, x, y] = numbers, turn = (angle * Math.PI) / 180, ratio = (DIGIT * scale) / size;
  const c = Math.cos(turn) * ratio, s = Math.sin(turn) * ratio;
  return { family: "affine", theta: [c, s, (2 * x) / size, -s, c, (2 * y) / size], system: null };
}

/** The handles of a kind of placement, in the order in which Tab walks them. */
export function placingHandles(kind) {
  if (kind === "pose") return HANDLES.affine.filter((handle) => handle.kind !== "edge");
  return kind === "corners" ? HANDLES.projective : HANDLES.tps;
}

/** Where a handle lies on the canvas. @returns {number[]} */
export const placingHandleAt = (canvas, numbers, handle) => handlePlace(inkTransform(canvas, numbers), handle);

/**
 * The placement after a handle was dragged from one place to another; null where there is none.
 * With Shift the centre and points move along one axis, and the angle snaps to 15 degrees.
 */
export function placingDragged(canvas, numbers, handle, from, to, shift = false) {
  const start = inkTransform(canvas, numbers);
  if (canvas.kind !== "pose") {
    const theta = dragged(start, handle, from, to, { shift });
    if (!theta || canvas.kind === "points") return theta;
    return SQUARE.flatMap((corner) => placeOfPoint({ ...start, theta }, ...corner));
  }
  const [angle, scale, x, y] = numbers, middle = [(2 * x) / canvas.size, (2 * y) / canvas.size];
  const away = ([u, v]) => [u - middle[0], v - middle[1]], a = away(from), b = away(to);
  if (handle.kind === "centre") {
    const by = [b[0] - a[0], b[1] - a[1]];
    if (shift) by[Math.abs(by[0]) > Math.abs(by[1]) ? 1 : 0] = 0;
    return placingMoved(canvas, numbers, by);
  }
  if (handle.kind === "rotation") {
    const turn = angle - ((Math.atan2(b[1], b[0]) - Math.atan2(a[1], a[0])) * 180) / Math.PI;
    return withinPose(canvas, [shift ? Math.round(turn / SNAP) * SNAP : turn, scale, x, y]);
  }
  return withinPose(canvas, [angle, (scale * Math.hypot(...b)) / Math.hypot(...a), x, y]);
}

/** Moved by a normalised step. */
export function placingMoved(canvas, numbers, [dx, dy]) {
  if (canvas.kind !== "pose") return numbers.map((value, i) => value + (i % 2 ? dy : dx));
  const [angle, scale, x, y] = numbers, half = canvas.size / 2;
  return withinPose(canvas, [angle, scale, x + dx * half, y + dy * half]);
}

/** Turned counter-clockwise by degrees and scaled by a factor, about the digit's middle. */
export function placingTurned(canvas, numbers, degrees, factor = 1) {
  if (canvas.kind === "pose") return withinPose(canvas, [numbers[0] + degrees, numbers[1] * factor, numbers[2], numbers[3]]);
  const points = pairsOf(numbers), [u, v] = [0, 1].map((k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);
  const turn = (degrees * Math.PI) / 180, c = Math.cos(turn) * factor, s = Math.sin(turn) * factor;
  return points.flatMap(([x, y]) => [u + c * (x - u) + s * (y - v), v - s * (x - u) + c * (y - v)]);
}

function withinPose({ size }, [angle, scale, x, y]) {
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  const turn = angle - 360 * Math.round(angle / 360), half = size / 2;
  return [turn, within(scale, LEAST_SCALE, MOST_SCALE), within(x, -half, half), within(y, -half, half)];
}

/** What is wrong with a placement, in one sentence, or "". Python's `placing.check` rules likewise. */
export function placingFault({ kind }, numbers) {
  if (!numbers || !numbers.every(Number.isFinite)) return "The digit cannot be placed like this.";
  if (kind === "pose") return "";
  if (numbers.some((value) => Math.abs(value) > MOST_REACH)) return "That is too far out.";
  const points = pairsOf(numbers);
  if (kind === "corners") {
    const sides = points.map(([x, y], i) => [points[(i + 1) % 4][0] - x, points[(i + 1) % 4][1] - y]);
    const least = Math.min(...sides.map(([x, y], i) => x * sides[(i + 1) % 4][1] - y * sides[(i + 1) % 4][0]));
    return least < LEAST_TURN ? "The four corners must stay in their order around the digit." : "";
  }
  const close = points.some((p, i) => points.some((q, j) => j > i && Math.hypot(p[0] - q[0], p[1] - q[1]) < NEAREST));
  return close ? "Two control points lie in the same place." : "";
}

/** Where each pixel of the canvas lies in the digit. @returns {Float64Array} (S * S, 2) flat */
export function placesInDigit(canvas, numbers) {
  const line = centres(canvas.size, false), points = new Float64Array(2 * canvas.size ** 2);
  let i = 0;
  for (const y of line) for (const x of line) points.set([x, y], 2 * i++);
  if (canvas.kind === "points") return landmarks(pairsOf(numbers), controlPoints(), points);
  const { family, theta } = inkTransform(canvas, numbers);
  return project(inverse(matrixOf(family, theta)), points);
}

/** Points (N, 2) flat through the thin plate spline that takes each of `from` to its place in `to`. */
export function landmarks(from, to, points) {
  const plane = from.map(([x, y]) => [1, x, y]), K = from.length;
  const rows = from.map(([x, y], i) => [...from.map(([u, v]) => bending((x - u) ** 2 + (y - v) ** 2)), ...plane[i]]);
  for (let k = 0; k < 3; k++) rows.push([...plane.map((row) => row[k]), 0, 0, 0]);
  const weights = solve(rows, [...to, [0, 0], [0, 0], [0, 0]]), out = new Float64Array(points.length);
  for (let n = 0; n < points.length; n += 2) {
    const x = points[n], y = points[n + 1], terms = [1, x, y];
    let u = 0, v = 0;
    for (let k = 0; k < K + 3; k++) {
      const term = k < K ? bending((x - from[k][0]) ** 2 + (y - from[k][1]) ** 2) : terms[k - K];
      u += term * weights[k][0];
      v += term * weights[k][1];
    }
    out[n] = u;
    out[n + 1] = v;
  }
  return out;
}

/**
 * The canvas: a digit at its place, with distractors added. @param {Uint8Array} digit (28 * 28)
 * @param {{cut: Uint8Array, places: number[][]}} pieces @returns {Uint8Array} (S * S)
 */
export function drawCanvas(digit, canvas, numbers, { cut, places }) {
  const { size } = canvas, seen = new Uint32Array(size * size);
  const picture = { pixels: Uint32Array.from(digit), width: DIGIT, height: DIGIT };
  sample(picture, placesInDigit(canvas, numbers), seen, HOW);
  const out = Uint8Array.from(seen, (pixel) => pixel & 255);
  places.forEach(([left, top], k) => {
    for (let i = 0; i < PIECE * PIECE; i++) {
      const at = (top + Math.floor(i / PIECE)) * size + left + (i % PIECE);
      out[at] = Math.min(255, out[at] + cut[k * PIECE * PIECE + i]);
    }
  });
  return out;
}
