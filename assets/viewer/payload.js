// Take the bytes of pages/kit/payload.py apart: JSON header, then arrays at their own resolution.

/**
 * @typedef {object} Layer
 * @property {string} kind image, labels, heat, mask, boxes, points, lines, cells or tree
 * @property {string} name
 * @property {number[]} box x0, y0, x1, y1 in image pixels
 * @property {?number[]} range low and high of the colour scale
 * @property {string} unit
 * @property {Object<string, number>} attributes
 * @property {number[]} shape
 * @property {string} uid unlike that of any other layer of the trace
 * @property {(Uint8Array|Uint16Array|Float32Array)=} data numbers, or the bytes of an image file
 * @property {{shape: number[], data: Float32Array}=} nodes of a tree
 */

/** @returns {Float32Array} the value of each of the 65536 half-precision bit patterns */
export function halfTable() {
  const table = new Float32Array(65536);
  for (let i = 0; i < 65536; i++) {
    const exponent = (i >> 10) & 31, fraction = i & 1023, sign = i >> 15 ? -1 : 1;
    if (exponent === 31) table[i] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) table[i] = sign * fraction * 2 ** -24;
    else table[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
}

let halves = null;

/** @param {Uint16Array} bits @param {number} scale @returns {Float32Array} */
export function fromHalf(bits, scale = 1) {
  halves ??= halfTable();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = halves[bits[i]] * scale;
  return out;
}

/** The header that begins at `start`, and where its frame ends. @param {Uint8Array} bytes */
export function readFrame(bytes, start = 0) {
  const length = new DataView(bytes.buffer, bytes.byteOffset + start, 4).getUint32(0, true);
  const end = start + 4 + length;
  return { head: JSON.parse(new TextDecoder().decode(bytes.subarray(start + 4, end))), end };
}

/** The packed Trace that begins at `start`: its header, with arrays for blob numbers. @param {Uint8Array} bytes */
export function decodeTrace(bytes, start = 0) {
  const copy = bytes.slice(start); // aligned, and free of Streamlit's message
  const { head, end } = readFrame(copy);
  const made = new Map();
  const view = (part) => {
    const [offset, length] = head.blobs[part.blob];
    const at = end + offset, key = `${part.blob} ${part.dtype} ${part.scale}`;
    if (made.has(key)) return made.get(key);
    let data = copy.subarray(at, at + length);
    if (part.dtype === "f2") data = fromHalf(new Uint16Array(copy.buffer, at, length / 2), part.scale ?? 1);
    if (part.dtype === "u2") data = new Uint16Array(copy.buffer, at, length / 2);
    if (part.dtype === "f4") data = new Float32Array(copy.buffer, at, length / 4);
    made.set(key, data);
    return data;
  };
  head.image.data = view(head.image);
  head.steps.forEach((step, i) => step.layers.forEach((layer, j) => {
    layer.uid = `${i}.${j}`;
    layer.box ??= [0, 0, head.width, head.height];
    if (layer.blob !== undefined) layer.data = view(layer);
    if (layer.nodes) layer.nodes.data = view(layer.nodes);
  }));
  return head;
}
