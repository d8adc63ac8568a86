// The arrow from a pixel of the one picture to its place in the other, drawn over both.

export class Arrow {
  /** @param {SVGElement} svg that covers both pictures; it holds lines and heads, a dark one below a bright one */
  constructor(svg) {
    this.svg = svg;
  }

  /** @param {?number[]} from @param {?number[]} to in the client's window; null hides it */
  show(from, to) {
    const { svg } = this;
    svg.classList.toggle("off", !from || !to);
    if (!from || !to) return;
    const box = svg.getBoundingClientRect();
    const [x0, y0, x1, y1] = [from[0] - box.left, from[1] - box.top, to[0] - box.left, to[1] - box.top];
    const angle = Math.atan2(y1 - y0, x1 - x0), wing = (by) => `${x1 - 11 * Math.cos(angle + by)} ${y1 - 11 * Math.sin(angle + by)}`;
    const path = `M ${x0} ${y0} L ${x1} ${y1} M ${wing(0.45)} L ${x1} ${y1} L ${wing(-0.45)}`;
    for (const line of svg.children) line.setAttribute("d", path);
  }
}
