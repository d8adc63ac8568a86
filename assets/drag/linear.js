// Small dense linear algebra: what the transforms need and no more.

/**
 * X of A X = B by Gaussian elimination with partial pivoting; null where A is singular.
 * @param {number[][]} A (n, n) @param {number[][]} B (n, m) @returns {?number[][]} (n, m)
 */
export function solve(A, B) {
  const n = A.length, rows = A.map((row, i) => [...row, ...B[i]]);
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(rows[i][k]) > Math.abs(rows[best][k])) best = i;
    if (!(Math.abs(rows[best][k]) > 1e-12)) return null;
    [rows[k], rows[best]] = [rows[best], rows[k]];
    for (let i = 0; i < n; i++) {
      const factor = i === k ? 0 : rows[i][k] / rows[k][k];
      if (factor) for (let j = k; j < rows[i].length; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  return rows.map((row, i) => row.slice(n).map((value) => value / row[i]));
}

/** Determinant of a 3x3 matrix, row by row. @param {number[]} m */
export function determinant([a, b, c, d, e, f, g, h, i]) {
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}

/** Inverse of a 3x3 matrix, row by row. @param {number[]} m @returns {number[]} */
export function inverse(m) {
  const [a, b, c, d, e, f, g, h, i] = m, D = determinant(m);
  return [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f,
    d * h - e * g, b * g - a * h, a * e - b * d].map((value) => value / D);
}
