// Viewers of one page that step and zoom together: what one is asked to show, those of the same link show too, with no
// message.
import { registry } from "./registry.js";

const SHARED = ["step", "opacity", "smooth", "layers"]; // of a State

/** The viewers that step together with this one and have a picture. @returns {import("./viewer.js").Viewer[]} */
export function partners(viewer) {
  const others = [...registry().viewers.values()].filter((v) => v !== viewer && v.film);
  return viewer.link ? others.filter((v) => v.link === viewer.link) : [];
}

/** The viewer itself and its partners. @returns {import("./viewer.js").Viewer[]} */
export const linked = (viewer) => [viewer, ...partners(viewer)];

/** Is every viewer of the page this one, or linked with it? */
export function ownsPage(viewer) {
  return [...registry().viewers.values()].every((v) => v === viewer || (viewer.link && v.link === viewer.link));
}

/** Let the partners show what is shared of a patch; they take it and tell nobody. */
export function share(viewer, patch, options) {
  const part = Object.fromEntries(Object.entries(patch).filter(([name]) => SHARED.includes(name)));
  if (!Object.keys(part).length) return;
  for (const v of partners(viewer)) {
    const moves = part.step !== undefined && part.step !== v.state.step;
    v.take(moves ? { ...part, right: "" } : part, options);
  }
}

/** Begin with what the partners show now. */
export function joinIn(viewer) {
  const [other] = partners(viewer);
  if (other) for (const name of SHARED) viewer.state[name] = other.state[name];
}

/** Let the partners look at the same place of their pictures, in shares of width and height, equally enlarged. */
export function shareCamera(viewer) {
  for (const { stage } of partners(viewer)) stage.take(elsewhere(viewer.stage, stage));
}

/** Where the partners look, for the picture of this viewer; null without partners. @returns {?Camera} */
export function partnersCamera(viewer) {
  const other = partners(viewer).find(({ stage }) => stage.camera);
  return other ? elsewhere(other.stage, viewer.stage) : null;
}

/** The camera of one stage for the picture of another. @returns {import("./gestures.js").Camera} */
function elsewhere({ camera: { zoom, x, y }, image: [width, height] }, { image: [w, h] }) {
  return { zoom, x: (x / width) * w, y: (y / height) * h };
}

/** Mark the same pixel in partners that show the same picture. @param {?{x: number, y: number}} cursor */
export function sharePoint(viewer, cursor) {
  for (const { film, stage } of partners(viewer)) {
    stage.mark(film.trace.image_id === viewer.film.trace.image_id ? cursor : null);
  }
}

/** This viewer and all others, from the top of the page to its end. @returns {import("./viewer.js").Viewer[]} */
export function onPage(viewer) {
  const host = ({ refs: { wrap } }) => wrap.getRootNode().host ?? wrap;
  const follows = (a, b) => host(a).compareDocumentPosition(host(b)) & Node.DOCUMENT_POSITION_FOLLOWING;
  return [...new Set([viewer, ...registry().viewers.values()])].sort((a, b) => (follows(a, b) ? -1 : 1));
}
