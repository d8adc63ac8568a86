// Forward mapping: each pixel of the input is pushed to the nearest pixel of the output, and where none lands is a hole.
import { inverseMatrix, project } from "./families.js";
import { TIE, fromPixel, toPixel } from "./sampling.js";

/** Where a place of the input lands in the output, for a family with a matrix; null where it lies behind. */
export function landing({ family, theta }, u, v) {
  const m = inverseMatrix(family, theta), w = m[6] * u + m[7] * v + m[8];
  return w > 0 ? Array.from(project(m, [u, v])) : null;
}

/**
 * Push a picture through the inverse of theta. The last one to land on a pixel stays.
 * @param {import("./sampling.js").Picture} picture
 * @param {{family: string, theta: number[]}} transform of a family with a matrix
 * @param {Uint32Array} out (W * H) the output, 0 where nothing landed
 */
export function push({ pixels, width: W, height: H }, { family, theta }, out, align) {
  const m = inverseMatrix(family, theta), us = Float64Array.from({ length: W }, (_, x) => fromPixel(x, W, align));
  out.fill(0);
  for (let y = 0, n = 0; y < H; y++) {
    const v = fromPixel(y, H, align);
    for (let x = 0; x < W; x++, n++) {
      const u = us[x], w = m[6] * u + m[7] * v + m[8];
      if (!(w > 0)) continue;
      const X = Math.floor(toPixel((m[0] * u + m[1] * v + m[2]) / w, W, align) + 0.5 + TIE * W);
      const Y = Math.floor(toPixel((m[3] * u + m[4] * v + m[5]) / w, H, align) + 0.5 + TIE * H);
      if (X < 0 || Y < 0 || X >= W || Y >= H) continue;
      out[Y * W + X] = pixels[n];
    }
  }
  return out;
}
