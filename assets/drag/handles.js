// What is dragged, and what a drag of it does to theta: pure arithmetic, no events.
// Handles lie in the INPUT, in normalised coordinates: each is the place of a point of the output.
import { CONTROL, controlPoints, homography, matrixOf, placeOfPoint } from "./families.js";

/**
 * @typedef {object} Handle
 * @property {string} id
 * @property {"corner"|"edge"|"centre"|"rotation"|"point"} kind
 * @property {number[]} of the point of the output that it belongs to
 * @property {string} label for those who listen
 */

const CORNERS = [["top left", [-1, -1]], ["top right", [1, -1]], ["bottom right", [1, 1]], ["bottom left", [-1, 1]]];
const EDGES = [["top", [0, -1]], ["right", [1, 0]], ["bottom", [0, 1]], ["left", [-1, 0]]];
const SMALL = 0.01; // the least share of its size that a side is scaled to
const STALK = 0.16; // how far the rotation handle stands off, of half the shorter side
const TURN = Math.PI / 12; // Shift turns by steps of 15 degrees

const corners = CORNERS.map(([name, of]) => ({ id: `corner ${name}`, kind: "corner", of, label: `Corner ${name}` }));
const edges = EDGES.map(([name, of]) => ({ id: `edge ${name}`, kind: "edge", of, label: `Edge ${name}` }));
const centre = { id: "centre", kind: "centre", of: [0, 0], label: "Centre" };
const rotation = { id: "rotation", kind: "rotation", of: [0, -1], label: "Rotation" };
const points = controlPoints().map((of, k) => ({
  id: `point ${k}`, kind: "point", of, label: `Control point row ${1 + Math.floor(k / CONTROL)}, column ${1 + (k % CONTROL)}`,
}));

/** The handles of each family, in the order in which Tab walks them. @type {Object<string, Handle[]>} */
export const HANDLES = {
  attention: [centre, ...corners],
  affine: [centre, rotation, ...corners, ...edges],
  projective: [centre, ...corners],
  tps: points,
};

/** @typedef {{family: string, theta: number[], system: ?number[][]}} Transform */

/** Where a handle lies in the input. `aspect`: height / width of the picture.
 * @param {Transform} transform @param {Handle} handle @returns {number[]} */
export function handlePlace(transform, handle, { aspect = 1 } = {}) {
  const { family, theta } = transform;
  if (handle.kind === "point") {
    const k = points.indexOf(handle);
    return theta.slice(2 * k, 2 * k + 2);
  }
  const at = placeOfPoint(transform, ...handle.of);
  if (handle.kind !== "rotation") return at;
  const [a, b, c, d, e, f] = matrixOf(family, theta), x = at[0] - c, y = (at[1] - f) * aspect;
  const length = Math.hypot(x, y), turned = a * e - b * d < 0 ? -1 : 1;
  const [ux, uy] = length > 1e-9 ? [x / length, y / length] : [0, -turned];
  const stalk = STALK * Math.min(1, aspect);
  return [at[0] + stalk * ux, at[1] + (stalk * uy) / aspect];
}

/**
 * theta after a handle was dragged.
 * @param {Transform} start the transform when the drag began
 * @param {Handle} handle
 * @param {number[]} from where the handle was then @param {number[]} to where it is wanted
 * @param {{shift?: boolean, aspect?: number}} [more] shift constrains: centre, edges and points move along one axis,
 *   corners keep the proportion, the rotation snaps to 15 degrees; aspect: height / width of the picture
 * @returns {?number[]} null where no transform of the family does it
 */
export function dragged(start, handle, from, to, { shift = false, aspect = 1 } = {}) {
  const by = [to[0] - from[0], to[1] - from[1]];
  if (handle.kind === "rotation") return turned(start, angle(start, to, aspect) - angle(start, from, aspect), { shift, aspect });
  if (shift && (handle.kind !== "corner" || start.family === "projective")) {
    by[Math.abs(by[0]) > Math.abs(by[1]) * aspect ? 1 : 0] = 0;
  }
  if (handle.kind === "point") {
    const k = points.indexOf(handle);
    return start.theta.map((value, i) => (i >> 1 === k ? value + by[i % 2] : value));
  }
  if (handle.kind === "centre") return moved(start, by);
  if (start.family === "attention") return scaled(start, handle, by, aspect);
  if (start.family === "projective") return cornerFreed(start, handle, by);
  return handle.kind === "edge" ? edgeDragged(start, handle, by) : cornerDragged(start, handle, by, shift, aspect);
}

/** theta that looks `by` further. @param {Transform} transform @param {number[]} by normalised */
export function moved({ family, theta }, [dx, dy]) {
  if (family === "attention") return [theta[0], theta[1] + dx, theta[2] + dy];
  if (family === "tps") return theta.map((value, i) => value + (i % 2 ? dy : dx));
  const m = matrixOf(family, theta), out = m.map((value, i) => (i < 3 ? value + dx * m[6 + i] : i < 6 ? value + dy * m[3 + i] : value));
  return out.slice(0, theta.length); // the last row stays, so its last entry stays 1
}

/** Angle of a place seen from the middle of the grid, in pixels of the input. */
function angle({ family, theta }, [x, y], aspect) {
  const m = matrixOf(family, theta);
  return Math.atan2((y - m[5]) * aspect, x - m[2]);
}

/**
 * An affine theta turned about its centre, in pixels of the input, so that nothing is sheared.
 * @param {Transform} transform @param {number} by radians, clockwise on the screen
 */
export function turned({ theta }, by, { shift = false, aspect = 1 } = {}) {
  const [a, b, c, d, e, f] = theta;
  if (shift) {
    const now = Math.atan2(d * aspect, a);
    by = Math.round((now + by) / TURN) * TURN - now;
  }
  const cos = Math.cos(by), sin = Math.sin(by), s = sin * aspect, t = sin / aspect;
  return [cos * a - s * d, cos * b - s * e, c, t * a + cos * d, t * b + cos * e, f];
}

function scaled({ theta: [s, x, y] }, { of }, by, aspect) {
  const weight = [of[0], of[1] * aspect * aspect]; // the nearest point of the diagonal, in pixels
  const to = s + (weight[0] * by[0] + weight[1] * by[1]) / (weight[0] * of[0] + weight[1] * of[1]);
  return Math.abs(to) < SMALL ? null : [to, x, y];
}

function cornerFreed(start, handle, by) {
  const places = corners.map((corner) => {
    const at = placeOfPoint(start, ...corner.of);
    return corner === handle ? [at[0] + by[0], at[1] + by[1]] : at;
  });
  return homography(places);
}

/** One side follows, the opposite one stays: along the grid it scales, across it shears. */
function edgeDragged({ theta: [a, b, c, d, e, f] }, { of: [i, j] }, [dx, dy]) {
  const x = dx / 2, y = dy / 2; // half goes into the side, half into the centre
  return [a + i * x, b + j * x, c + x, d + i * y, e + j * y, f + y];
}

/** A corner scales both sides, the opposite corner stays. */
function cornerDragged({ theta: [a, b, c, d, e, f] }, { of: [i, j] }, [dx, dy], shift, aspect) {
  let p, q; // how much longer the sides become, in their own lengths
  if (shift) {
    const x = i * a + j * b, y = (i * d + j * e) * aspect;
    p = q = (dx * x + dy * aspect * y) / (2 * (x * x + y * y));
  } else {
    const D = a * e - b * d;
    p = (i * (dx * e - dy * b)) / (2 * D);
    q = (j * (dy * a - dx * d)) / (2 * D);
  }
  if (Math.abs(1 + p) < SMALL || Math.abs(1 + q) < SMALL) return null;
  return [a * (1 + p), b * (1 + q), c + i * p * a + j * q * b, d * (1 + p), e * (1 + q), f + i * p * d + j * q * e];
}
