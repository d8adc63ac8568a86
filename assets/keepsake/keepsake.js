// What a tab keeps of its visit, for the server that has forgotten it: the picture in hand, its truths, and the number of
// other things. It lies in sessionStorage, one visit for each tab, and ends with the tab.
import { readFrame } from "../viewer/payload.js";

const PLACE = "saccade_visit";

/** @param {Uint8Array} bytes @returns {string} base64 */
export function encode(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}

/** The visit that the server tells of, with its files as text. */
export function visitOf(head, bytes, end) {
  let at = end;
  const file = (length) => encode(bytes.subarray(at, (at += length)));
  const picture = head.picture && { ...head.picture, data: file(head.picture.bytes) };
  const truths = head.truths.map((truth) => ({ ...truth, data: file(truth.bytes) }));
  return { session: head.session, picture, slug: head.slug, truths, lost: head.lost };
}

export function worth({ picture, truths, lost }) {
  return Boolean(picture || truths.length || Object.values(lost).some(Boolean));
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE));
  } catch {
    return null; // forbidden, or not ours
  }
}

function write(visit) {
  const bare = { ...visit, picture: visit.picture && { ...visit.picture, data: "" }, truths: [] };
  for (const kept of [visit, bare]) {
    try {
      sessionStorage.setItem(PLACE, JSON.stringify(kept));
      return;
    } catch {
      // no room for the files: then at least what there was
    }
  }
}

export default function ({ data, setTriggerValue }) {
  if (!data) return;
  const { head, end } = readFrame(data), former = read();
  const unknown = former && former.session !== head.session && former.session !== head.took;
  if (!unknown || !worth(former)) write(visitOf(head, data, end));
  else if (window.__saccade_back !== `${former.session} ${head.session}`) {
    window.__saccade_back = `${former.session} ${head.session}`; // once for each visit
    setTriggerValue("back", former);
  }
}
