// Zoom and pan of a picture in a frame: pure arithmetic, no events.
import { fit } from "./scene.js";

export const MAX_ZOOM = 32;
const CLOSE_UP = 12; // zoom at most that nobody's hand has chosen

/** @typedef {{zoom: number, x: number, y: number}} Camera zoom >= 1, and the image point in the middle of the frame */

/** @returns {Camera} */
export const wholePicture = (width, height) => ({ zoom: 1, x: width / 2, y: height / 2 });

/** The camera within bounds: an axis that fits is centred, the other keeps the frame filled. @returns {Camera} */
export function bound({ zoom, x, y }, width, height, W, H) {
  zoom = Math.min(MAX_ZOOM, Math.max(1, zoom));
  const scale = fit(width, height, W, H).scale * zoom;
  const within = (at, size, frame) => {
    const half = frame / scale / 2;
    return half * 2 >= size ? size / 2 : Math.min(size - half, Math.max(half, at));
  };
  return { zoom, x: within(x, width, W), y: within(y, height, H) };
}

/** Where the camera puts the image in a W x H frame. @returns {import("./scene.js").Place} */
export function placeOf({ zoom, x, y }, width, height, W, H) {
  const scale = fit(width, height, W, H).scale * zoom;
  return { scale, left: W / 2 - scale * x, top: H / 2 - scale * y };
}

/** The camera that shows a box (x0, y0, x1, y1) of the image with as much around it on each side. @returns {Camera} */
export function cameraOn([x0, y0, x1, y1], width, height, W, H) {
  const whole = fit(width, height, W, H).scale, scale = fit(2 * (x1 - x0), 2 * (y1 - y0), W, H).scale;
  return bound({ zoom: Math.min(scale / whole, CLOSE_UP), x: (x0 + x1) / 2, y: (y0 + y1) / 2 }, width, height, W, H);
}

/** Zoom by `factor` so that the image point under frame position (X, Y) stays there. @returns {Camera} */
export function zoomAbout(camera, factor, X, Y, width, height, W, H) {
  const before = placeOf(camera, width, height, W, H);
  const px = (X - before.left) / before.scale, py = (Y - before.top) / before.scale;
  const zoom = Math.min(MAX_ZOOM, Math.max(1, camera.zoom * factor)), scale = (before.scale * zoom) / camera.zoom;
  return bound({ zoom, x: px - (X - W / 2) / scale, y: py - (Y - H / 2) / scale }, width, height, W, H);
}
