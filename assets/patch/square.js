// The grey square as numbers: pure arithmetic, the same as `engine.debug.probe.Patch`.

/** @typedef {{x: number, y: number, side: number}} Square middle and side, whole pixels of the picture */

const SQUARE_KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 16; // pixels of a step with Shift
const GROWS = 8; // pixels of a step of the side

/** Left, top, right and bottom of what of the square lies in a picture of this size. @param {Square} square */
export function squareEdges({ x, y, side }, width, height) {
  const half = Math.floor(side / 2), within = (at, most) => Math.min(Math.max(at, 0), most);
  return [within(x - half, width), within(y - half, height), within(x - half + side, width), within(y - half + side, height)];
}

/** The nearest square of whole pixels whose middle lies in the picture. @param {Square} square @returns {Square} */
export function squareWithin({ x, y, side }, width, height, most) {
  const whole = (value, last) => Math.min(Math.max(Math.round(value), 0), last);
  return { x: whole(x, width - 1), y: whole(y, height - 1), side: whole(side, most) };
}

/** What a key makes of the square: arrows move it, [ and ] change its side; null for another key.
 * @param {Square} square @param {string} key @param {boolean} shift larger steps @returns {?Square} */
export function squareKeyed({ x, y, side }, key, shift) {
  const arrow = SQUARE_KEYS[key], far = shift ? FAR : 1;
  if (arrow) return { x: x + far * arrow[0], y: y + far * arrow[1], side };
  const grows = { "[": -GROWS, "]": GROWS }[key];
  return grows ? { x, y, side: side + grows } : null;
}
