// Colours of classes and of scales, as 32-bit RGBA words for ImageData and as CSS text.

// Viridis (van der Walt and Smith 2015), nine of its 256 entries: even steps for the eye, colour-blind safe.
const SEQUENTIAL = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129],
  [92, 200, 99], [170, 220, 50], [253, 231, 37]];
// Blue for less, orange for more (after ColorBrewer's PuOr and RdBu ends).
const LESS = [33, 102, 172], MORE = [217, 95, 2];

/** Red, green, blue, alpha 0..255 as one little-endian word. */
export function word([r, g, b], alpha = 255) {
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** @param {number[]} colour @returns {string} */
export function css([r, g, b], alpha = 1) {
  return alpha === 1 ? `rgb(${r}, ${g}, ${b})` : `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

/** Sequential colour at t in 0..1. @returns {number[]} */
export function sequential(t) {
  const at = Math.min(Math.max(t, 0), 1) * (SEQUENTIAL.length - 1), i = Math.min(Math.floor(at), SEQUENTIAL.length - 2);
  return SEQUENTIAL[i].map((a, c) => Math.round(a + (at - i) * (SEQUENTIAL[i + 1][c] - a)));
}

/** Does a scale from low to high read as signed? */
export const signed = (low, high) => low < 0 && high > 0;

/**
 * 256 words for a scale. A signed one spans -m..m with m = max(|low|, |high|), clear at zero and strong at its ends,
 * so that the picture shows where nothing was added.
 * @returns {{table: Uint32Array, low: number, high: number}}
 */
export function scale(low, high) {
  const table = new Uint32Array(256);
  if (signed(low, high)) {
    const m = Math.max(-low, high);
    for (let i = 0; i < 256; i++) {
      const t = (i / 255) * 2 - 1;
      table[i] = word(t < 0 ? LESS : MORE, Math.round(255 * Math.min(1, Math.abs(t) ** 0.7)));
    }
    return { table, low: -m, high: m };
  }
  for (let i = 0; i < 256; i++) table[i] = word(sequential(i / 255), low === 0 ? Math.round(255 * Math.sqrt(i / 255)) : 255);
  return { table, low, high: high > low ? high : low + 1 };
}

/** CSS gradient of a scale, for the colour bar. */
export function gradient(low, high) {
  const { table } = scale(low, high), stops = [];
  for (let i = 0; i < 256; i += 15) {
    const v = table[i];
    stops.push(css([v & 255, (v >> 8) & 255, (v >> 16) & 255], Number(((v >>> 24) / 255).toFixed(3))));
  }
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** The pixel that begins at byte i without its colour, and a little darker. @param {ArrayLike<number>} rgba */
export function greyWord(rgba, i) {
  const light = Math.round(64 + 0.62 * (0.299 * rgba[i] + 0.587 * rgba[i + 1] + 0.114 * rgba[i + 2]));
  return word([light, light, light]);
}

/** 256 words, one for each label; 0 (clear) for hidden ones, for void and past the palette. */
export function labelTable(colours, hidden) {
  const table = new Uint32Array(256);
  colours.forEach((colour, i) => { if (i < 255 && !hidden.has(i)) table[i] = word(colour); });
  return table;
}
