// What can be done to polygons, each giving new ones; what lies under a hand; and a drawing as a message.
import { contains } from "./raster.js";

/**
 * @typedef {{label: number, points: number[][]}} Polygon label: a class, or 255 = ignore
 * @typedef {{polygons: Polygon[], cells: string, draft: number[][]}} State cells: the text of a Painting; draft: the
 * points of the polygon that is not closed yet
 */

export const LEAST_POINTS = 3; // of a polygon

/** A place inside the picture, in hundredths of a pixel. */
export const placed = ([x, y], width, height) => [
  Math.round(100 * Math.min(width, Math.max(0, x))) / 100, Math.round(100 * Math.min(height, Math.max(0, y))) / 100];

export const distance = ([x0, y0], [x1, y1]) => Math.hypot(x1 - x0, y1 - y0);

/** A list with another item in one place. */
export const replaced = (list, index, item) => list.map((old, i) => (i === index ? item : old));

export const without = (list, index) => list.filter((_, i) => i !== index);

/** Index of the point nearest to a place, -1 where none lies within `reach`. */
export function nearestPoint(points, at, reach) {
  let best = -1, least = reach;
  points.forEach((point, i) => {
    const far = distance(point, at);
    if (far <= least) [best, least] = [i, far];
  });
  return best;
}

/** Index of the point that begins the edge nearest to a place, -1 where none passes within `reach`. */
export function nearestEdge(points, at, reach) {
  let best = -1, least = reach;
  points.forEach(([x0, y0], i) => {
    const [x1, y1] = points[(i + 1) % points.length], dx = x1 - x0, dy = y1 - y0, long = dx * dx + dy * dy;
    const t = long ? Math.min(1, Math.max(0, ((at[0] - x0) * dx + (at[1] - y0) * dy) / long)) : 0;
    const far = distance([x0 + t * dx, y0 + t * dy], at);
    if (far <= least) [best, least] = [i, far];
  });
  return best;
}

/** Index of the uppermost polygon under a place, -1 where there is none. */
export const polygonAt = (polygons, at) => polygons.findLastIndex(({ points }) => contains(points, at));

/** Points with one more after the one at `index`. */
export const inserted = (points, index, at) => [...points.slice(0, index + 1), at, ...points.slice(index + 1)];

/** All points moved alike, as far as none leaves the picture. */
export function movedBy(points, [dx, dy], width, height) {
  const within = (values, by, most) => Math.min(most - Math.max(...values), Math.max(-Math.min(...values), by));
  const by = [within(points.map((p) => p[0]), dx, width), within(points.map((p) => p[1]), dy, height)];
  return points.map(([x, y]) => placed([x + by[0], y + by[1]], width, height));
}

/** All points of all polygons. */
export const countPoints = (polygons) => polygons.reduce((sum, { points }) => sum + points.length, 0);

/** What Python is told of a drawing. @param {State} state */
export const asMessage = ({ polygons, cells }) => ({
  polygons: polygons.map(({ label, points }) => [label, points.flat()]), cells });

/** The drawing that a message tells of. @returns {State} */
export const asState = ({ polygons, cells }) => ({
  polygons: polygons.map(([label, flat]) => ({
    label, points: Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]) })),
  cells, draft: [] });
