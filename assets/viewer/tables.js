// Rows of text and numbers: the reading of a pixel, a step's table, the table behind the picture.
import { make, swatch } from "./dom.js";
import { css } from "./palette.js";
import { className, percent, short } from "./reading.js";
import { classMeans } from "./scores.js";
import { isLogits, labelLayer } from "./film.js";

/** 0.914 as ".91" */
export const chance = (p) => (p >= 0.995 ? "1.00" : p.toFixed(2).replace(/^0/, ""));

/** A pixel's reading as elements; `limit` bounds the scores of layers. */
export function readingRows({ film: { trace }, look }, reading, limit = Infinity) {
  const row = (colour, name, value, soft) => make("div", soft ? { class: "soft" } : {}, [
    ...(colour ? [swatch(css(colour))] : []), make("span", { class: "name" }, name),
    make("span", { class: "value" }, value)]);
  const rows = [make("b", {}, `x ${reading.x} y ${reading.y}`)];
  const { top, label, scores } = reading;
  for (const [k, p] of top) rows.push(row(look.colours[k], className(trace, k), chance(p)));
  if (!top.length && label !== null) rows.push(row(look.colours[label], className(trace, label), ""));
  for (const { name, text, of } of scores.slice(0, limit)) {
    rows.push(row(null, of ? `${name}, ${of}` : name, text, true));
  }
  return rows;
}

const cellOf = (tag, value) => make(tag, { class: typeof value === "number" || value === null ? "number" : false,
  scope: tag === "th" ? "row" : false }, typeof value === "number" || value === null ? short(value) : value);

/** @param {string[]} columns @param {(string|number|null)[][]} rows */
export function tableOf(columns, rows) {
  const numeric = columns.map((_, i) => rows.length > 0 && rows.every((r) => typeof r[i] !== "string"));
  const head = columns.map((c, i) => make("th", { scope: "col", class: numeric[i] ? "number" : false }, c));
  const body = rows.map((r) => make("tr", {}, r.map((v, i) => cellOf(i === 0 ? "th" : "td", v))));
  return make("table", {}, [make("thead", {}, [make("tr", {}, head)]), make("tbody", {}, body)]);
}

/** The last column of nothing but numbers from 0 to 1, null where there is none. @returns {?(number|null)[]} */
export function lastShares(columns, rows) {
  const last = columns.findLastIndex((_, i) => rows.every((r) => typeof r[i] !== "string"));
  const values = rows.map((r) => r[last] ?? null);
  return values.some((v) => v !== null) && values.every((v) => v === null || (v >= 0 && v <= 1)) ? values : null;
}

/**
 * A table whose rows are buttons, each with a bar behind it as long as its share.
 * @param {string} label what a click does @param {string} title of the step; a row that begins with it is marked
 */
export function choicesOf(columns, rows, label, title) {
  const table = tableOf(columns, rows), shares = lastShares(columns, rows);
  table.classList.add("choices");
  Array.from(table.tBodies[0].rows).forEach((row, i) => {
    const [cell] = row.cells, text = `${label}: ${cell.textContent}`;
    if (cell.textContent === title) row.setAttribute("aria-current", "true");
    cell.replaceChildren(make("button", { type: "button", "data-row": i, title: text, "aria-label": text }, cell.textContent));
    row.style.setProperty("--share", shares?.[i] ?? 0);
  });
  return table;
}

/** Class, pixels, share and mean probability of what is shown in a step; null where it has no classes. */
export function behindTable(film, step, look) {
  const layer = labelLayer(step, look), { smooth } = look;
  if (!layer) return null;
  const labels = film.labels(layer, smooth), count = film.areas(layer, look), [w, h] = film.size(layer);
  const means = isLogits(layer)
    && film.maps.get(`means ${layer.uid} ${smooth}`, () => classMeans(layer.data, layer.shape, labels, h, w));
  const all = count.reduce((a, b) => a + b);
  const rows = Array.from(count, (n, k) => [k, n]).filter(([, n]) => n).sort((a, b) => b[1] - a[1]);
  return tableOf(["class", "pixels", "share", ...(means ? ["mean probability"] : [])],
    rows.map(([k, n]) => [className(film.trace, k), n, percent(n / all),
      ...(means ? [means[k] ?? null] : [])]));
}
