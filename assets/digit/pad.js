// A pad of 28 x 28 pixels to draw a digit on, its strokes anti-aliased: pure arithmetic, no events.
import { DIGIT } from "./placing.js";

const STEP = 0.25; // pixels between the stamps of a stroke

export class Pad {
  constructor() { this.ink = new Float32Array(DIGIT * DIGIT); }

  get blank() { return this.ink.every((value) => value === 0); }

  /** The pad as bytes, ink bright. @returns {Uint8Array} (784) */
  bytes() { return Uint8Array.from(this.ink, (value) => Math.round(255 * value)); }

  load(bytes) { this.ink = Float32Array.from(bytes, (value) => value / 255); }

  clear() { this.ink.fill(0); }

  /** A round stamp at (x, y) in pixels from the pad's corner; each pixel is covered as far as the edge reaches it. */
  stamp(x, y, radius, erases) {
    const [left, right, top, bottom] = [x - radius - 1, x + radius + 1, y - radius - 1, y + radius + 1];
    for (let j = Math.max(0, Math.floor(top)); j < Math.min(DIGIT, bottom); j++) {
      for (let i = Math.max(0, Math.floor(left)); i < Math.min(DIGIT, right); i++) {
        const far = Math.hypot(i + 0.5 - x, j + 0.5 - y), cover = Math.min(1, Math.max(0, radius + 0.5 - far)), at = j * DIGIT + i;
        this.ink[at] = erases ? Math.min(this.ink[at], 1 - cover) : Math.max(this.ink[at], cover);
      }
    }
  }

  /** A stroke between two places. @param {number[]} from @param {number[]} to */
  stroke(from, to, radius, erases = false) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / STEP));
    for (let k = 0; k <= steps; k++) {
      const t = k / steps;
      this.stamp(from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1]), radius, erases);
    }
  }
}

/** Bytes as base64 text. */
export const asText = (bytes) => btoa(String.fromCharCode(...bytes));
