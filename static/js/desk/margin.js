// The margin: each note stands beside its words, none over another, and both light up together.
import { announce } from "../toast.js";

const GAP = 8;
const TOP = 8;
// With more notes than this, those that are not in use fold to their first line.
const MOST_OPEN = 8;

let active = "";

/** @returns {HTMLElement | null} */
const grid = () => document.getElementById("folio");
/** @returns {HTMLElement | null} */
const margin = () => document.getElementById("margin");

/** @returns {HTMLElement[]} */
function notes() {
  return /** @type {HTMLElement[]} */ ([...(margin()?.children ?? [])]);
}

/** The view of the answer that is seen. @returns {Element | null} */
function text() {
  const shown = document.getElementById("shown");
  return shown && shown.dataset.show !== "answer" ? shown : document.getElementById("answer");
}

/**
 * The marks of a note, in order.
 * @param {string} id
 * @returns {HTMLElement[]}
 */
export function marks(id) {
  return [.../** @type {NodeListOf<HTMLElement>} */ (text()?.querySelectorAll(`mark[data-a~="${CSS.escape(id)}"]`) ?? [])];
}

/** Put every note at the height of its words; the active one has its way, the others yield. */
export function lay() {
  const area = grid();
  const list = margin();
  if (!area || !list) return;
  const all = notes();
  const isBeside = getComputedStyle(list).position === "relative";
  list.classList.toggle("margin--dense", isBeside && all.length > MOST_OPEN);
  list.classList.toggle("is-placed", isBeside);
  if (!isBeside || all.length === 0) {
    for (const note of all) note.style.top = "";
    list.style.minHeight = "";
    lead(null);
    return;
  }
  const origin = area.getBoundingClientRect().top;
  const heights = all.map((note) => note.offsetHeight);
  const wanted = all.map((note) => {
    const first = marks(note.id)[0];
    return first ? first.getBoundingClientRect().top - origin - 8 : null;
  });
  const tops = spread(wanted, heights, all.findIndex((note) => note.id === active));
  for (const [place, note] of all.entries()) note.style.top = `${tops[place]}px`;
  const last = all.length - 1;
  list.style.minHeight = `${(tops[last] ?? 0) + (heights[last] ?? 0) + 24}px`;
  lead(document.getElementById(active));
}

/**
 * Tops without overlap, in order. A note that wants no place follows the one before it.
 * @param {(number | null)[]} wanted
 * @param {number[]} heights
 * @param {number} pinned the note that gets what it wants, -1 for none
 * @returns {number[]}
 */
export function spread(wanted, heights, pinned) {
  /** @type {number[]} */
  const tops = [];
  const after = (/** @type {number} */ place) => (tops[place] ?? 0) + (heights[place] ?? 0) + GAP;
  const pin = pinned >= 0 ? wanted[pinned] : null;
  const from = pin === null || pin === undefined ? 0 : pinned;
  tops[from] = Math.max(TOP, pin ?? wanted[0] ?? TOP);
  for (let place = from - 1; place >= 0; place -= 1) {
    const limit = (tops[place + 1] ?? 0) - (heights[place] ?? 0) - GAP;
    tops[place] = Math.min(wanted[place] ?? limit, limit);
  }
  if ((tops[0] ?? TOP) < TOP) {
    tops[0] = TOP;
    for (let place = 1; place <= from; place += 1) tops[place] = Math.max(tops[place] ?? 0, after(place - 1));
  }
  for (let place = from + 1; place < wanted.length; place += 1) {
    tops[place] = Math.max(wanted[place] ?? 0, after(place - 1));
  }
  return tops;
}

/**
 * Join the active note to the line of its words, through the gutter so that no word is crossed.
 * @param {HTMLElement | null} note
 */
function lead(note) {
  const path = document.getElementById("leader");
  const area = grid()?.getBoundingClientRect();
  const first = note ? marks(note.id)[0] : undefined;
  const answer = document.getElementById("answer")?.getBoundingClientRect();
  const line = first?.getClientRects()[0];
  if (!path) return;
  if (!note || !area || !answer || !line) {
    path.setAttribute("d", "");
    return;
  }
  const card = note.getBoundingClientRect();
  const from = answer.right - area.left + 6;
  path.setAttribute("d", `M${from} ${line.top + line.height / 2 - area.top} h10 L${card.left - area.left} ${note.offsetTop + 18}`);
  path.style.stroke = getComputedStyle(note).getPropertyValue("--cat-mark") || "var(--accent)";
}

/** @param {string} id */
function light(id) {
  for (const element of document.querySelectorAll("#answer mark, #margin > .note")) {
    const ids = element instanceof HTMLElement ? (element.dataset.a ?? element.id).split(" ") : [];
    element.classList.toggle("is-on", id !== "" && ids.includes(id));
  }
}

/**
 * Make a note the active one: lit, and at the height of its words.
 * @param {string} id
 */
export function activate(id) {
  active = id;
  for (const note of notes()) note.classList.toggle("is-active", note.id === id);
  light(id);
  lay();
}

/**
 * Go to the next or former note, and say which it is.
 * @param {1 | -1} step
 */
export function step(step) {
  const all = notes();
  if (all.length === 0) return;
  const here = all.findIndex((note) => note.id === active);
  const there = here < 0 ? (step > 0 ? 0 : all.length - 1) : (here + step + all.length) % all.length;
  const note = all[there];
  if (!note) return;
  activate(note.id);
  const words = marks(note.id)[0];
  (words ?? note).scrollIntoView({ block: "nearest" });
  note.focus({ preventScroll: words !== undefined });
  announce(`Comment ${there + 1} of ${all.length}`);
}

/**
 * The notes that an event is about, the topmost first.
 * @param {Event} event
 * @returns {string[]}
 */
function about(event) {
  const target = event.target instanceof Element ? event.target : null;
  const mark = /** @type {HTMLElement | null | undefined} */ (target?.closest("#answer mark"));
  if (mark) return (mark.dataset.a ?? "").split(" ");
  const note = target?.closest("#margin > .note");
  return note ? [note.id] : [];
}

/** Listen to the answer and the margin; they may be swapped at any time. */
export function watch() {
  document.addEventListener("mouseover", (event) => light(about(event)[0] ?? active));
  document.addEventListener("focusin", (event) => {
    const ids = about(event);
    if (ids.length && !ids.includes(active)) activate(ids[0] ?? "");
  });
  document.addEventListener("click", (event) => {
    const ids = about(event);
    if (ids.length === 0 || getSelection()?.isCollapsed === false) return;
    // Where notes overlap, each click on the words goes to the next one.
    const next = ids[(ids.indexOf(active) + 1) % ids.length];
    activate(next ?? "");
    if (event.target instanceof Element && !event.target.closest("#answer")) marks(active)[0]?.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("toggle", () => requestAnimationFrame(lay), { capture: true });
  addEventListener("resize", () => requestAnimationFrame(lay));
  document.fonts.ready.then(lay, () => undefined);
  if (location.hash.length > 1 && document.getElementById(location.hash.slice(1))?.matches(".note")) activate(location.hash.slice(1));
  else lay();
}
