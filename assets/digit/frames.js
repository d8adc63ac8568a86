// What networks made of one picture, or of all frames of a film: the bytes of pages/kit/digit.py taken apart.

/**
 * @typedef {object} Frame
 * @property {Uint8Array} input (S * S) @property {Uint8Array} crop (28 * 28), what the classifier sees
 * @property {Float32Array} lattice (9 * 9 * 2) and @property {Float32Array} outline (65 * 2), in pixels of the input
 * @property {Float32Array} linear (6) the affine transform nearest to theta, row by row
 * @property {Float32Array} summary angle in degrees, scale, and shift x, y in pixels, of the grid
 * @property {Float32Array} theta @property {Float32Array} chances (10) @property {Float32Array} plain (10), or empty
 */

/** Frames one after the other. @param {{frames: number, parts: [string, number, number][]}} head @param {Uint8Array} bytes */
export function decodeFrames(head, bytes) {
  const copy = bytes.slice(), views = {}; // aligned
  let at = 0;
  for (const [name, width, each] of head.parts) {
    const count = head.frames * width;
    views[name] = each === 4 ? new Float32Array(copy.buffer, at, count) : copy.subarray(at, at + count);
    at += count * each;
  }
  return Array.from({ length: head.frames }, (_, i) => Object.fromEntries(
    head.parts.map(([name, width]) => [name, views[name].subarray(i * width, (i + 1) * width)])));
}

/** The most probable digit. */
export const winner = (chances) => chances.indexOf(Math.max(...chances));
