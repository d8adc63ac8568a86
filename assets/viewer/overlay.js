// What lies over a finished frame: the selected region, the cells under the cursor, the brush, the keyboard's cross.
import { drawCells, drawPath } from "./scene.js";
import { outlinePath } from "./regions.js";
import { treeLayer } from "./tree.js";

/** Draw all of it over a stage whose wipe stands at X = split. @param {import("./stage.js").Stage} stage */
export function drawOver(stage, left, right, split) {
  const { viewer, context, place, ratio } = stage;
  if (left) drawSelected(stage, left, 0, split);
  drawSelected(stage, right, split, stage.canvas.width);
  if (!viewer.brush.on) drawHovered(stage, left, right);
  viewer.brush.draw(context, place, 1.2 * ratio);
  const cross = stage.cursor?.keys ? stage.cursor : stage.marked;
  if (cross) drawCross(stage, cross);
}

/** The outline of the selected region of a tree, between X = from and to of the canvas. */
function drawSelected({ context, viewer, place, ratio, canvas }, side, from, to) {
  const { film, look } = viewer, node = viewer.panel.treeCard.nodeOf(side);
  if (node < 0) return;
  const layer = treeLayer(film.trace.steps[side.step], look);
  const path = film.maps.get(`outline ${layer.uid} ${node}`, () => outlinePath(film, layer, node));
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, canvas.height);
  context.clip();
  drawPath(context, path, look, place, 1.5 * ratio);
  context.restore();
}

/** The cells under the cursor and their receptive fields, where grids of cells are shown. */
function drawHovered(stage, left, right) {
  const { viewer, context, place, ratio } = stage, reading = stage.reading();
  if (!reading?.cells.length) return;
  const side = reading.onLeft ? left : right, step = viewer.film.trace.steps[side.step];
  const cells = side.only === undefined ? reading.cells.filter(({ layer }) => viewer.look.on(step, layer)) : [];
  drawCells(context, cells, viewer.look, place, 2 * ratio);
}

function drawCross({ context, place: { scale, left, top }, ratio }, { x, y }) {
  const X = (x + 0.5) * scale + left, Y = (y + 0.5) * scale + top;
  for (const [width, colour] of [[4, "rgba(0,0,0,.6)"], [2, "#fff"]]) {
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(X + dx * 4 * ratio, Y + dy * 4 * ratio);
      context.lineTo(X + dx * 12 * ratio, Y + dy * 12 * ratio);
    }
    context.stroke();
  }
}
