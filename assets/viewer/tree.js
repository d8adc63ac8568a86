// A tree of regions (engine/trace.py, Convention): its cuts, its cover, and the way around in it.

const COLUMN = { parent: 0, height: 1, cost: 2, best: 3, shares: 4 };

export class Tree {
  /**
   * @param {{data: Float32Array, shape: number[]}} nodes 2n - 1 rows of parent, height, cost, best, class shares
   * @param {Uint16Array} leaves of each pixel of a map
   * @param {number} width of that map
   */
  constructor({ data, shape: [count, columns] }, leaves, width) {
    const column = (Type, j) => Type.from({ length: count }, (_, i) => data[i * columns + j]);
    this.n = (count + 1) / 2;
    this.root = count - 1;
    this.parent = column(Int32Array, COLUMN.parent);
    this.height = column(Float32Array, COLUMN.height);
    this.cost = column(Float32Array, COLUMN.cost);
    this.best = column(Int32Array, COLUMN.best);
    /** Class shares of node i. @type {(i: number) => Float32Array} */
    this.shares = (i) => data.subarray(i * columns + COLUMN.shares, (i + 1) * columns);
    /** The likeliest class of each node. */
    this.top = Uint8Array.from(this.parent, (_, i) => this.shares(i).reduce((b, v, k, all) => (v > all[b] ? k : b), 0));
    this.measure(leaves, width);
    this.arrange();
  }

  /** Pixels of each node, its mean column, and its share of the map. */
  measure(leaves, width) {
    const { parent, root } = this;
    this.pixels = new Float64Array(root + 1);
    this.column = new Float64Array(root + 1);
    for (let i = 0; i < leaves.length; i++) {
      this.pixels[leaves[i]]++;
      this.column[leaves[i]] += i % width;
    }
    for (let i = 0; i < root; i++) {
      this.pixels[parent[i]] += this.pixels[i];
      this.column[parent[i]] += this.column[i];
    }
    for (let i = 0; i <= root; i++) this.column[i] /= Math.max(1, this.pixels[i]);
    this.size = Float64Array.from(this.pixels, (count) => count / leaves.length);
  }

  /** Put the leaves in a row, from left to right as they lie in the picture as far as the tree allows. */
  arrange() {
    const { parent, root, n, column } = this;
    this.children = Array.from({ length: root + 1 }, () => []);
    this.leaves = new Int32Array(root + 1).fill(1, 0, n); // below each node
    for (let i = 0; i < root; i++) {
      this.children[parent[i]].push(i);
      this.leaves[parent[i]] += this.leaves[i];
    }
    this.first = new Int32Array(root + 1); // place of a node's first leaf in the row
    for (let i = root; i >= n; i--) {
      const [a, b] = this.children[i].sort((p, q) => column[p] - column[q] || p - q);
      this.first[a] = this.first[i];
      this.first[b] = this.first[i] + this.leaves[a];
    }
  }

  /** Does node i hold this leaf? */
  holds(i, leaf) {
    const at = this.first[leaf] - this.first[i];
    return at >= 0 && at < this.leaves[i];
  }

  /** Node in which each leaf lies after a cut into `regions`. @returns {Int32Array} */
  cut(regions) {
    if (this.lastCut?.regions === regions) return this.lastCut.nodes;
    const { parent, root, n } = this, end = 2 * n - regions, at = Int32Array.from(parent, (_, i) => i);
    for (let i = Math.min(root, end) - 1; i >= 0; i--) if (parent[i] < end) at[i] = at[parent[i]];
    this.lastCut = { regions, nodes: at.subarray(0, n) };
    return this.lastCut.nodes;
  }

  /** The best node on the way from each leaf to the root. @returns {Int32Array} */
  cover() {
    return this.best.subarray(0, this.n);
  }

  /** How many regions the user's number means here; 0 leaves it to the viewer. */
  count(regions) {
    return Math.min(this.n, regions || Math.max(1, Math.round(Math.sqrt(this.n))));
  }

  /** What tells this tree from another. @returns {number} */
  get sign() {
    let hash = this.n;
    for (let i = 0; i < this.root; i++) hash = (Math.imul(hash, 31) + this.parent[i] + this.pixels[i]) | 0;
    return hash;
  }
}

const trees = new WeakMap();

/** The tree of a layer. @returns {Tree} */
export function treeOf(layer) {
  if (!trees.has(layer)) trees.set(layer, new Tree(layer.nodes, layer.data, layer.shape[1]));
  return trees.get(layer);
}

/** The node that is shown at each leaf of a layer. @returns {Int32Array} */
export function shownNodes(layer, { tree: what, regions }) {
  const tree = treeOf(layer);
  return what === "cover" ? tree.cover() : tree.cut(tree.count(regions));
}

/** Nodes that are shown at some leaf. @returns {Set<number>} */
export const shownSet = (layer, look) => new Set(shownNodes(layer, look));

/** Regions at t = 0..1 of a logarithmic scale from 1 to n, and back. */
export const regionsAt = (t, n) => Math.round(Math.exp(Math.min(1, Math.max(0, t)) * Math.log(n)));
export const placeOfRegions = (regions, n) => (n > 1 ? Math.log(regions) / Math.log(n) : 0);

/** Pixels of each class 0..255 among what is shown. @returns {Uint32Array} */
export function treeAreas(layer, look) {
  const tree = treeOf(layer), nodes = shownNodes(layer, look), count = new Uint32Array(256);
  for (let leaf = 0; leaf < tree.n; leaf++) count[tree.top[nodes[leaf]]] += tree.pixels[leaf];
  return count;
}

export const hasTree = (step) => step.layers.some((l) => l.kind === "tree");

/** The tree layer of a step that is shown. @returns {?object} */
export const treeLayer = (step, look) => step.layers.findLast((l) => l.kind === "tree" && look.on(step, l)) ?? null;
