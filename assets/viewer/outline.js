// What label maps look like from outside: their edges, and how much of the picture each label covers.

export const VOID = 255;

/** Pixels in each label 0..255. @param {Uint8Array} labels */
export function areas(labels) {
  const count = new Uint32Array(256);
  for (let i = 0; i < labels.length; i++) count[labels[i]]++;
  return count;
}

/** 1 where a pixel of a (height, width) label map has another label within `reach` left, right, above or below. */
export function edges(labels, height, width, reach = 1) {
  const out = new Uint8Array(labels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x, own = labels[i];
      for (let r = 1; r <= reach && !out[i]; r++) {
        if ((x >= r && labels[i - r] !== own) || (x + r < width && labels[i + r] !== own)
          || (y >= r && labels[i - r * width] !== own) || (y + r < height && labels[i + r * width] !== own)) out[i] = 1;
      }
    }
  }
  return out;
}

/** The label map with every label that `table` leaves clear turned into void. */
export function onlyShown(labels, table) {
  const out = new Uint8Array(labels.length);
  for (let i = 0; i < labels.length; i++) out[i] = table[labels[i]] ? labels[i] : VOID;
  return out;
}
