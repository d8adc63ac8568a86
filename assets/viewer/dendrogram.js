// A tree drawn as a dendrogram: where its nodes stand, the line of the cut, and which node lies under a point.
// A merge stands at the logarithm of the number of regions that it leaves, so that the few last merges have as much
// room as the many first ones, and a cut is a horizontal line. For the same reason a node that merges late is wide.
import { css } from "./palette.js";

const layouts = new WeakMap();

/** Height of the line that cuts a tree of n leaves into `regions`, 0 at the top to 1 at the leaves. */
export const lineAt = (regions, n) => Math.log(2 * (regions - 0.5)) / Math.log(2 * n);

/** Regions of the cut whose line is nearest to t. */
export const regionsOfLine = (t, n) => Math.max(1, Math.min(n, Math.round((2 * n) ** t / 2 + 0.5)));

/** Place of each node, and the room that it and what is below take from x = from to x = to; all 0..1. */
export function layoutOf(tree) {
  if (!layouts.has(tree)) layouts.set(tree, makeLayout(tree));
  return layouts.get(tree);
}

function makeLayout({ n, root, parent, children }) {
  const [wide, x, y, from, to] = Array.from({ length: 5 }, () => new Float64Array(root + 1));
  for (let i = 0; i <= root; i++) {
    const [a, b] = children[i], least = i < root ? 1 / (root + 1 - parent[i]) : 1;
    wide[i] = i < n ? least : Math.max(least, wide[a] + wide[b]);
    y[i] = Math.log(2 * (i < n ? n : root + 1 - i)) / Math.log(2 * n);
  }
  to[root] = 1;
  for (let i = root; i >= n; i--) {
    const [a, b] = children[i];
    from[a] = from[i];
    to[a] = from[b] = from[i] + ((to[i] - from[i]) * wide[a]) / (wide[a] + wide[b]);
    to[b] = to[i];
  }
  for (let i = 0; i <= root; i++) x[i] = i < n ? (from[i] + to[i]) / 2 : (x[children[i][0]] + x[children[i][1]]) / 2;
  return { x, y, from, to };
}

/**
 * @typedef {object} View what a dendrogram shows
 * @property {import("./tree.js").Tree} tree
 * @property {Set<number>} shown nodes of the cut or the cover
 * @property {?number} regions of the cut, null where the cover is shown
 * @property {number} selected node, -1 for none
 * @property {number[][]} colours of the classes
 * @property {number[]} ink
 * @property {number[]} accent
 */

/** A dendrogram of a tree on a canvas W x H pixels large, of which `ratio` make one of the page. */
export class Dendrogram {
  /** @param {View} view */
  constructor(view, W, H, ratio) {
    const { x, y, from, to } = layoutOf(view.tree), top = 7 * ratio;
    Object.assign(this, view, { W, H, ratio, from, to });
    this.across = (t) => 5 * ratio + t * (W - 26 * ratio); // the grip of the line stands on the right
    this.X = (i) => this.across(x[i]);
    this.up = (t) => top + t * (H - 2 * top);
    this.Y = (i) => this.up(y[i]);
    this.toLine = (Y) => (Y - top) / (H - 2 * top);
  }

  /** Where a shown node is marked: on the line that cuts it off, or where it stands itself. @returns {number[]} */
  mark(i) {
    return [this.X(i), this.regions === null ? this.Y(i) : this.up(lineAt(this.regions, this.tree.n))];
  }

  /** Add the way from node i up to its parent, from height Y on. */
  edge(path, i, Y = this.Y(i)) {
    const above = this.tree.parent[i];
    path.moveTo(this.X(i), Y);
    path.lineTo(this.X(i), this.Y(above));
    path.lineTo(this.X(above), this.Y(above));
  }

  draw(context) {
    const { tree, shown, ratio, colours, ink } = this, owner = new Int32Array(tree.root + 1).fill(-1);
    const above = new Path2D(), below = new Map(), belowOf = (i) => {
      const k = tree.top[owner[i]];
      if (!below.has(k)) below.set(k, new Path2D());
      return below.get(k);
    };
    for (let i = tree.root; i >= 0; i--) {
      owner[i] = shown.has(i) ? i : i < tree.root ? owner[tree.parent[i]] : -1;
      const [x, Y] = owner[i] === i ? this.mark(i) : [];
      if (owner[i] === i) {
        belowOf(i).moveTo(x, this.Y(i));
        belowOf(i).lineTo(x, Y);
      }
      if (i < tree.root) this.edge(owner[i] < 0 || owner[i] === i ? above : belowOf(i), i, Y);
    }
    context.clearRect(0, 0, this.W, this.H);
    context.lineJoin = "round";
    context.lineWidth = 0.8 * ratio;
    context.globalAlpha = 0.6;
    for (const [k, path] of below) {
      context.strokeStyle = css(colours[k] ?? ink);
      context.stroke(path);
    }
    context.globalAlpha = 0.75;
    context.lineWidth = Math.max(0.5, 1.3 - 0.35 * Math.log10(shown.size)) * ratio;
    context.strokeStyle = css(ink);
    context.stroke(above);
    context.globalAlpha = 1;
    if (this.regions !== null) this.drawLine(context);
    if (this.selected >= 0) this.drawWay(context);
    this.drawMarks(context);
    if (this.selected >= 0) this.drawSelected(context);
  }

  drawLine(context) {
    const { ratio, accent, W } = this, Y = this.up(lineAt(this.regions, this.tree.n));
    context.fillStyle = css(accent);
    context.fillRect(0, Y - 0.75 * ratio, W, 1.5 * ratio);
    context.beginPath();
    context.roundRect(W - 16 * ratio, Y - 5 * ratio, 16 * ratio, 10 * ratio, 5 * ratio);
    context.fill();
  }

  /** The marks of what is shown; the fewer they are, the larger. */
  drawMarks(context) {
    const { tree, shown, ratio, colours, ink, W } = this;
    const r = Math.max(1.5 * ratio, Math.min(4 * ratio, W / shown.size / 2));
    context.lineWidth = 0.75 * ratio;
    context.strokeStyle = css(ink);
    for (const i of shown) {
      this.disc(context, ...this.mark(i), r);
      context.fillStyle = css(colours[tree.top[i]] ?? ink);
      context.fill();
      if (r > 2 * ratio) context.stroke();
    }
  }

  /** All that lies below the selected node, and its way to the root. */
  drawWay(context) {
    const { tree, selected: node, ratio, accent } = this, way = new Path2D();
    const left = this.across(this.from[node]) - ratio, right = this.across(this.to[node]) + ratio;
    context.fillStyle = css(accent, 0.2);
    context.fillRect(left, this.Y(node), right - left, this.up(1) - this.Y(node));
    for (let i = node; i < tree.root; i = tree.parent[i]) this.edge(way, i);
    context.strokeStyle = css(accent);
    context.lineWidth = 1.6 * ratio;
    context.stroke(way);
  }

  /** The selected node, and a ring around the best one on its way. */
  drawSelected(context) {
    const { selected: node, ratio, accent } = this, best = this.tree.best[node];
    context.strokeStyle = context.fillStyle = css(accent);
    context.lineWidth = 2 * ratio;
    this.disc(context, this.X(node), this.Y(node), 4.5 * ratio);
    context.fill();
    this.disc(context, this.X(best), this.Y(best), 7.5 * ratio);
    context.stroke();
  }

  disc(context, x, y, r) {
    context.beginPath();
    context.arc(x, y, r, 0, 2 * Math.PI);
  }

  /** Does the line of the cut pass at this height? */
  onLine(Y) {
    return this.regions !== null && Math.abs(Y - this.up(lineAt(this.regions, this.tree.n))) < 6 * this.ratio;
  }

  /** The node at a point, rather one that is marked, -1 where none is near. */
  nodeAt(px, py) {
    const { tree, shown, ratio } = this, { children, parent, root } = tree;
    let found = -1, least = 7 * ratio;
    const offer = (i, distance) => { if (distance < least) { least = distance; found = i; } };
    for (const i of shown) {
      const [x, y] = this.mark(i);
      offer(i, Math.hypot(px - x, py - y));
    }
    if (found >= 0) return found;
    const off = (v, a, b) => Math.max(0, Math.min(a, b) - v, v - Math.max(a, b));
    for (let i = root; i >= 0; i--) {
      const x = this.X(i), y = this.Y(i), [a, b] = children[i];
      if (i < root) offer(i, Math.hypot(px - x, off(py, y, this.Y(parent[i]))));
      if (a !== undefined) offer(i, Math.hypot(off(px, this.X(a), this.X(b)), py - y));
    }
    return found;
  }
}
