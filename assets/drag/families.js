// Families of transforms as engine/spatial/transforms.py has them: from theta to the place in the input of each point
// of the output. Points are (x, y) in normalised coordinates, -1 to 1; a transform goes from OUTPUT to INPUT.
import { determinant, inverse, solve } from "./linear.js";

export const CONTROL = 4; // control points of a thin plate spline along each side
const LARGEST = 100; // of theta, as engine/spatial/theta.py has it
const SMALLEST = 1e-6; // determinant, and denominator of a homography
const APART = 1e-4; // control points from each other, and from one line
const FAR = 1e6; // places further away are taken there, as engine/spatial/sampling.py has it

/** Centres of n pixels along one axis, in normalised coordinates. @returns {Float64Array} */
export function centres(n, align) {
  return Float64Array.from({ length: n }, (_, i) => (n === 1 ? 0 : align ? (2 * i) / (n - 1) - 1 : (2 * i + 1) / n - 1));
}

/** The 16 control points in the output, row by row. @returns {number[][]} */
export function controlPoints() {
  const line = Array.from(centres(CONTROL, true));
  return line.flatMap((y) => line.map((x) => [x, y]));
}

export const IDENTITY = {
  attention: [1, 0, 0], affine: [1, 0, 0, 0, 1, 0], projective: [1, 0, 0, 0, 1, 0, 0, 0], tps: controlPoints().flat(),
};

/** Homogeneous 3x3 matrix, row by row, of a theta that has one. @returns {number[]} */
export function matrixOf(family, theta) {
  if (family === "attention") return [theta[0], 0, theta[1], 0, theta[0], theta[2], 0, 0, 1];
  return family === "affine" ? [...theta, 0, 0, 1] : [...theta, 1];
}

/** U(r) = r^2 log r from the square of r. */
export const bending = (squared) => (squared > 0 ? 0.5 * squared * Math.log(squared) : 0);

/** How a spline's 16 weights and its plane follow from its control points. @returns {number[][]} (19, 16) */
export function splineSystem(lambda) {
  const points = controlPoints(), K = points.length;
  const plane = points.map(([x, y]) => [1, x, y]);
  const rows = points.map(([x, y], i) => [
    ...points.map(([u, v], j) => bending((x - u) ** 2 + (y - v) ** 2) + (i === j ? lambda : 0)), ...plane[i]]);
  for (let k = 0; k < 3; k++) rows.push([...plane.map((row) => row[k]), 0, 0, 0]);
  const unit = rows.map((_, i) => Array.from({ length: K }, (_, j) => (i === j ? 1 : 0)));
  return solve(rows, unit);
}

/**
 * How much each control point counts at each point, or how much its change along x or y does.
 * @param {number[][]} system of splineSystem @param {Iterable<number[]>} points
 * @param {"value"|"x"|"y"} what @returns {Float64Array} (N, 16)
 */
export function splineBasis(system, points, what = "value") {
  const control = controlPoints(), K = control.length, list = Array.from(points), out = new Float64Array(list.length * K);
  const row = new Float64Array(K + 3), flat = Float64Array.from(system.flat());
  list.forEach(([x, y], n) => {
    control.forEach(([u, v], k) => {
      const squared = (x - u) ** 2 + (y - v) ** 2;
      if (what === "value") row[k] = bending(squared);
      else row[k] = squared > 0 ? (what === "x" ? x - u : y - v) * (Math.log(squared) + 1) : 0;
    });
    row.set(what === "value" ? [1, x, y] : what === "x" ? [0, 1, 0] : [0, 0, 1], K);
    for (let i = 0; i < K + 3; i++) {
      const r = row[i];
      if (r) for (let k = 0; k < K; k++) out[n * K + k] += r * flat[i * K + k];
    }
  });
  return out;
}

/** Points (N, 2) flat -> their places in the input (N, 2) flat, for a family with a matrix. */
export function project(m, points, out = new Float64Array(points.length)) {
  const [a, b, c, d, e, f] = m;
  if (m[6] === 0 && m[7] === 0 && m[8] === 1) { // affine: nothing to divide by, and theta is too small to lead far away
    for (let i = 0; i < points.length; i += 2) {
      const x = points[i], y = points[i + 1];
      out[i] = a * x + b * y + c;
      out[i + 1] = d * x + e * y + f;
    }
    return out;
  }
  for (let i = 0; i < points.length; i += 2) {
    const x = points[i], y = points[i + 1], w = m[6] * x + m[7] * y + m[8];
    out[i] = Math.max(-FAR, Math.min(FAR, (a * x + b * y + c) / w));
    out[i + 1] = Math.max(-FAR, Math.min(FAR, (d * x + e * y + f) / w));
  }
  return out;
}

/** A spline's places (N, 2) flat for a basis (N, 16). */
export function bend(basis, theta, out) {
  const K = theta.length / 2;
  for (let n = 0, b = 0; n < out.length; n += 2) {
    let x = 0, y = 0;
    for (let k = 0; k < 2 * K; k += 2, b++) {
      x += basis[b] * theta[k];
      y += basis[b] * theta[k + 1];
    }
    out[n] = x;
    out[n + 1] = y;
  }
  return out;
}

/** Fixed points of the output whose places in the input follow theta; of a spline only what moved is added anew. */
export class Points {
  /** @param {Float64Array} points (N, 2) flat, of the output */
  constructor(points) {
    this.points = points;
    this.places = new Float64Array(points.length);
    this.system = null; // the spline that `basis` is for
    this.last = null; // the spline's theta that `places` is for
  }

  *pairs() {
    for (let i = 0; i < this.points.length; i += 2) yield [this.points[i], this.points[i + 1]];
  }

  /** The places for theta. @param {{family: string, theta: number[], system: ?number[][]}} transform */
  follow({ family, theta, system }, afresh = false) {
    if (family !== "tps") {
      this.last = null;
      return project(matrixOf(family, theta), this.points, this.places);
    }
    if (this.system !== system) {
      this.basis = splineBasis(system, this.pairs());
      this.system = system;
      this.last = null;
    }
    const moved = this.last && !afresh ? theta.flatMap((value, i) => (value === this.last[i] ? [] : [i])) : null;
    if (moved && moved.length <= 4) moved.forEach((i) => this.add(i, theta[i] - this.last[i]));
    else bend(this.basis, theta, this.places);
    this.last = [...theta];
    return this.places;
  }

  add(i, step) {
    const { basis, places } = this, K = CONTROL * CONTROL;
    for (let n = i % 2, b = i >> 1; n < places.length; n += 2, b += K) places[n] += basis[b] * step;
  }
}

/** Place in the input of one point of the output. @returns {number[]} */
export function placeOfPoint({ family, theta, system }, x, y) {
  if (family !== "tps") return Array.from(project(matrixOf(family, theta), [x, y]));
  return Array.from(bend(splineBasis(system, [[x, y]]), theta, new Float64Array(2)));
}

/** 1 where the Jacobian determinant of output -> input is not positive, at points (N, 2) flat. @returns {Uint8Array} */
export function foldsAt({ family, theta, system }, points, bases) {
  const N = points.length / 2, out = new Uint8Array(N);
  if (family !== "tps") {
    const m = matrixOf(family, theta), D = determinant(m);
    for (let n = 0; n < N; n++) {
      const w = m[6] * points[2 * n] + m[7] * points[2 * n + 1] + m[8];
      out[n] = D <= 0 || w <= 0 ? 1 : 0; // det J = D / w^3; behind where w <= 0
    }
    return out;
  }
  const alongX = bend(bases.x, theta, new Float64Array(2 * N)), alongY = bend(bases.y, theta, new Float64Array(2 * N));
  for (let n = 0; n < 2 * N; n += 2) out[n / 2] = alongX[n] * alongY[n + 1] - alongX[n + 1] * alongY[n] <= 0 ? 1 : 0;
  return out;
}

/** The homography that takes the output's four corners, clockwise from (-1, -1), to these places; null if none. */
export function homography(corners) {
  const rows = [], right = [];
  [[-1, -1], [1, -1], [1, 1], [-1, 1]].forEach(([x, y], i) => {
    const [u, v] = corners[i];
    rows.push([x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]);
    right.push([u], [v]);
  });
  return solve(rows, right)?.flat() ?? null;
}

/** What is wrong with theta, in one sentence, or "". Python's `theta.check` rules likewise and has the last word. */
export function fault(family, theta) {
  if (theta.length !== IDENTITY[family].length || !theta.every(Number.isFinite)) return "Each parameter must be a finite number.";
  if (theta.some((value) => Math.abs(value) > LARGEST)) return `Each parameter must lie between -${LARGEST} and ${LARGEST}.`;
  return family === "tps" ? pointsFault(theta) : matrixFault(matrixOf(family, theta));
}

function matrixFault(m) {
  if (Math.abs(determinant(m)) < SMALLEST) return "This matrix is singular: it squeezes the whole grid into a line or a point.";
  const least = m[8] - Math.abs(m[6]) - Math.abs(m[7]);
  return least < SMALLEST ? "The horizon of this homography runs through the output: its denominator vanishes there." : "";
}

function pointsFault(theta) {
  const K = theta.length / 2, xs = theta.filter((_, i) => i % 2 === 0), ys = theta.filter((_, i) => i % 2);
  const [x0, y0] = [xs, ys].map((values) => values.reduce((a, b) => a + b) / K);
  const sum = (f) => xs.reduce((total, x, k) => total + f(x - x0, ys[k] - y0), 0);
  const xx = sum((x) => x * x), yy = sum((_, y) => y * y), xy = sum((x, y) => x * y);
  const across = (xx + yy - Math.hypot(xx - yy, 2 * xy)) / 2; // the smaller eigenvalue of their scatter
  if (across < APART * APART * K) return "All control points lie on one line.";
  for (let i = 0; i < K; i++) {
    for (let j = i + 1; j < K; j++) {
      if (Math.hypot(xs[i] - xs[j], ys[i] - ys[j]) < APART) return `The control points ${i + 1} and ${j + 1} lie in the same place.`;
    }
  }
  return "";
}

/** The inverse of a theta that has a matrix, input -> output, row by row. */
export const inverseMatrix = (family, theta) => inverse(matrixOf(family, theta));
