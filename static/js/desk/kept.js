// Comments not sent yet, kept in this tab by person, answer, version and place until sent or discarded.

/**
 * @typedef {object} Kept
 * @property {number} start code points, as of a place
 * @property {number} end
 * @property {string} exact the words there
 * @property {string} version of the answer
 * @property {string} reason
 * @property {string} comment
 * @property {string} replacement
 * @property {boolean} suggests
 * @property {string} request the key that lets the server know a second sending
 * @property {number} at milliseconds since 1970
 */

const answer = () => document.getElementById("answer");

/** Of this person and answer, whatever the page it is on. @returns {string} */
const prefix = () => `note:${document.getElementById("pop")?.dataset.by}:${answer()?.dataset.output ?? location.pathname}:`;

/**
 * @param {{version: string, start: number, end: number}} of
 * @returns {string}
 */
const key = (of) => `${prefix()}${of.version}:${of.start}-${of.end}`;

/**
 * Keep a comment, or forget it when nothing is typed.
 * @param {Kept} kept
 */
export function keep(kept) {
  if (kept.comment || kept.suggests) sessionStorage.setItem(key(kept), JSON.stringify(kept));
  else forget(kept);
}

/** @param {{version: string, start: number, end: number}} of */
export function forget(of) {
  sessionStorage.removeItem(key(of));
}

/**
 * @param {{version: string, start: number, end: number}} of
 * @returns {Kept | null}
 */
export function find(of) {
  return read(key(of));
}

/** Every kept comment on this answer, the latest first. @returns {Kept[]} */
export function all() {
  const names = Object.keys(sessionStorage).filter((name) => name.startsWith(prefix()));
  return names.flatMap((name) => read(name) ?? []).sort((a, b) => b.at - a.at);
}

/**
 * @param {string} name
 * @returns {Kept | null}
 */
function read(name) {
  try {
    return /** @type {Kept | null} */ (JSON.parse(sessionStorage.getItem(name) ?? "null"));
  } catch {
    return null;
  }
}
