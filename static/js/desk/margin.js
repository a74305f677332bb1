// The margin: each note stands beside its words, none over another, and both light up together.
import { announce } from "../toast.js";
import * as chooser from "./chooser.js";
import { FOLDED, folded, spread } from "./spread.js";

const TOP = 8;
const MANY = 60;
const NEAR = 200;
const PAUSE_MS = 80;

let active = "";
/** What is lit now. @type {Element[]} */
let lit = [];
/** The pieces of each note, in order. @type {Map<string, HTMLElement[]> | null} */
let pieces = null;
/** Where the notes stand: their ids, tops and ends. @type {{id: string, top: number, end: number, isOut: boolean}[]} */
let placed = [];
/** Until something may have moved. @type {ReturnType<typeof measure> | null} */
let measured = null;
let isPending = false;
/** Looks at what htmx puts in. @type {MutationObserver | null} */
let swaps = null;
let watchSizes = () => {};

const grid = () => document.getElementById("folio");
const margin = () => document.getElementById("margin");
const folio = () => /** @type {HTMLElement | null} */ (document.querySelector(".folio"));

/** The notes, in the order of the text. @returns {HTMLElement[]} */
export function notes() {
  return /** @type {HTMLElement[]} */ ([...(margin()?.children ?? [])]);
}

/** The view of the answer that is seen. @returns {Element | null} */
function text() {
  const shown = document.getElementById("shown");
  return shown && shown.dataset.show !== "answer" ? shown : document.getElementById("answer");
}

/** The id of the active note, if there is one. @returns {string} */
export function current() {
  return active;
}

/** @returns {Map<string, HTMLElement[]>} */
function index() {
  if (pieces) return pieces;
  pieces = new Map();
  for (const piece of /** @type {NodeListOf<HTMLElement>} */ (text()?.querySelectorAll("[data-a]") ?? [])) {
    for (const id of (piece.dataset.a ?? "").split(" ")) {
      const known = pieces.get(id);
      if (known) known.push(piece);
      else pieces.set(id, [piece]);
    }
  }
  return pieces;
}

/**
 * The marks of a note, in order.
 * @param {string} id
 * @returns {HTMLElement[]}
 */
export function marks(id) {
  return index().get(id) ?? [];
}

/** Whether the notes stand beside the text. @returns {boolean} */
export function isBeside() {
  const list = margin();
  return measured !== null || (list !== null && getComputedStyle(list).position === "relative");
}

/* ------------------------------------------------------------------ layout */

/** Lay the notes out anew in the next frame. */
export function schedule() {
  measured = null;
  if (isPending) return;
  isPending = true;
  requestAnimationFrame(() => {
    isPending = false;
    lay();
  });
}

/**
 * Which notes are seen, where in the margin the words of each are, and how the margin lies to the
 * text. Scrolling changes none of it.
 * @param {HTMLElement} area
 * @param {HTMLElement} list
 */
function measure(area, list) {
  const [around, box, answer] = [area, list, text()].map((one) => one?.getBoundingClientRect());
  const [left, top] = [around?.left ?? 0, box?.top ?? 0];
  const all = notes().map((note) => {
    const [line] = marks(note.id)[0]?.getClientRects() ?? [];
    // Resolved notes, and those of others than the chosen author, may be left out of view.
    return { note, isSeen: note.checkVisibility(), line: line ? { top: line.top - top, height: line.height } : null };
  });
  return { all, from: (answer?.right ?? 0) - left + 6, to: (box?.left ?? 0) - left, down: top - (around?.top ?? 0) };
}

/** Put every note at the height of its words; the active one has its way, the others yield. */
export function lay() {
  const area = grid();
  const list = margin();
  if (!area || !list) return;
  const path = document.getElementById("leader");
  // What was put in until now is laid out here, and not once more in the next frame.
  noticed(swaps?.takeRecords() ?? []);
  if (!measured) {
    const beside = isBeside();
    list.classList.toggle("is-placed", beside);
    if (beside) measured = measure(area, list);
    // What follows each other in one move is seen with few; with many it only takes time.
    list.classList.toggle("is-many", beside && list.childElementCount > MANY);
  }
  const seen = measured?.all.filter((one) => one.isSeen) ?? [];
  if (!measured || seen.length === 0) {
    for (const note of notes()) note.classList.remove("is-folded", "is-beyond");
    list.style.minHeight = "";
    placed = [];
    path?.setAttribute("d", "");
    return;
  }
  const all = seen.map(({ note }) => note);
  const wanted = seen.map(({ line }) => line?.top ?? null);
  const pinned = all.findIndex((note) => note.id === active);
  const own = all[pinned];
  const isWriting = own?.contains(document.activeElement) && document.activeElement?.matches("textarea");
  const former = placed;
  const kept = former.find((one) => one.id === active);
  if (isWriting && kept) wanted[pinned] = kept.top;
  const folds = folded(wanted, pinned);
  for (const [place, note] of all.entries()) note.classList.toggle("is-folded", folds[place]);
  // From here all is read before anything is written, so that the page is laid out once.
  const heights = all.map((note, place) => (folds[place] ? FOLDED : note.offsetHeight));
  const tops = spread(wanted, heights, pinned);
  placed = all.map((note, place) => {
    const top = tops[place] ?? 0;
    return { id: note.id, top, end: top + (heights[place] ?? 0), isOut: top < TOP - 1 && place !== pinned };
  });
  const beyond = count();
  const color = own ? getComputedStyle(own).getPropertyValue("--cat-mark") : "";
  move(list, all, former, beyond.top, beyond.shown);
  const line = seen[pinned]?.line;
  path?.setAttribute("d", line ? leader(line, tops[pinned] ?? 0, measured) : "");
  if (path) path.style.stroke = color || "var(--accent)";
  offer(beyond);
}

/**
 * The way from the line of the active note's words to the note, through the gutter so that no
 * word is crossed.
 * @param {{top: number, height: number}} line
 * @param {number} top of the note
 * @param {{from: number, to: number, down: number}} at
 */
function leader(line, top, { from, to, down }) {
  const low = down + top + Math.min(14, line.height / 2);
  return `M${from} ${down + line.top + line.height / 2} H${(from + to) / 2} L${to - 8} ${low} H${to}`;
}

/**
 * Take notes to their places: at once where that is seen, with the others when there is time.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} all
 * @param {typeof placed} former
 * @param {number} top of what is in view
 * @param {number} height
 */
function move(list, all, former, top, height) {
  const isNear = (/** @type {typeof placed[0] | undefined} */ one) => !one || (one.end > top - NEAR && one.top < top + height + NEAR);
  const end = `${Math.round((placed.at(-1)?.end ?? 0) + 24)}px`;
  /** @type {(() => void)[]} */
  const later = [() => (list.style.minHeight = end)];
  for (const [place, note] of all.entries()) {
    const at = placed[place];
    const put = () => {
      if (!at) return;
      note.style.translate = `0 ${at.top}px`;
      note.classList.toggle("is-beyond", at.isOut);
    };
    if (isNear(at) || isNear(former[place])) put();
    else later.push(put);
  }
  const mine = placed;
  const rest = () => {
    if (placed === mine) for (const put of later) put();
  };
  // Not while one goes from note to note: each of these moves restyles all of them.
  if (all.length > MANY) setTimeout(rest, PAUSE_MS);
  else rest();
}

/** The notes above and below what is in view, and where that is in the margin. */
function count() {
  const view = folio();
  const list = margin();
  if (!view || !list) return { above: [], below: [], top: 0, shown: 0 };
  const bar = document.querySelector(".folio__bar")?.clientHeight ?? 0;
  const top = view.scrollTop + bar - list.offsetTop - (grid()?.offsetTop ?? 0) + bar;
  const shown = view.clientHeight - bar;
  return {
    above: placed.filter((one) => one.isOut || one.end < top - bar),
    below: placed.filter((one) => one.top > top - bar + shown),
    top,
    shown,
  };
}

/**
 * Say how many notes are out of view, on the buttons that lead there.
 * @param {{above: {id: string}[], below: {id: string}[]}} beyond
 */
function offer({ above, below }) {
  lead("above", above.length, above.at(-1)?.id);
  lead("below", below.length, below[0]?.id);
}

/**
 * @param {"above" | "below"} where
 * @param {number} number
 * @param {string | undefined} id
 */
function lead(where, number, id) {
  const button = document.getElementById(`beyond-${where}`);
  if (!button) return;
  button.hidden = number === 0;
  button.dataset.to = id ?? "";
  const words = button.querySelector("[data-text]");
  const text = `${number} ${where}`;
  if (words && words.textContent !== text) words.textContent = text;
}

/* ------------------------------------------------------------------ light and the active note */

/** @param {string[]} ids */
function light(ids) {
  for (const element of lit) element.classList.remove("is-on");
  lit = ids.flatMap((id) => [...marks(id), document.getElementById(id) ?? []]).flat();
  for (const element of lit) element.classList.add("is-on");
}

/**
 * Make a note the active one: lit, and at the height of its words. "" for none.
 * @param {string} id
 */
export function activate(id) {
  const [former, note] = [document.getElementById(active), document.getElementById(id)];
  if (former !== note) former?.classList.remove("is-active");
  active = id;
  note?.classList.add("is-active");
  // A resolved note may be seen only while it is the active one.
  for (const one of measured?.all ?? []) if ([former, note].includes(one.note) && one.note.dataset.state === "resolved") one.isSeen = one.note.checkVisibility();
  light(id ? [id] : []);
  lay();
  document.dispatchEvent(new CustomEvent("desk:active", { detail: id }));
}

/**
 * Bring words into the middle third of the view, unless they are wholly in it.
 * @param {Element | undefined} words
 */
export function reveal(words) {
  const view = folio();
  const lines = [...(words?.getClientRects() ?? [])];
  if (!view || lines.length === 0) return;
  const box = view.getBoundingClientRect();
  const top = box.top + (document.querySelector(".folio__bar")?.clientHeight ?? 0);
  const sheet = isBeside() ? null : document.getElementById("notes");
  const low = Math.min(box.bottom, innerHeight, sheet?.dataset.sheet ? sheet.getBoundingClientRect().top : Infinity);
  const [first, last] = [Math.min(...lines.map((line) => line.top)), Math.max(...lines.map((line) => line.bottom))];
  if (first >= top && last <= low) return;
  const middle = top + (low - top) / 2;
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  view.scrollBy({ top: (first + Math.min(last, first + (low - top) / 3)) / 2 - middle, behavior: isStill ? "instant" : "smooth" });
}

/**
 * Activate a note, show its words, and focus it.
 * @param {string} id
 */
export function go(id) {
  activate(id);
  const [words] = marks(id);
  const note = document.getElementById(id);
  if (words) reveal(words);
  else note?.scrollIntoView({ block: "nearest" });
  note?.focus({ preventScroll: words !== undefined });
}

/**
 * Whether J and K stop at a note.
 * @param {HTMLElement} note
 */
const isUnresolved = (note) => note.dataset.state !== "resolved" && note.dataset.state !== "deleted" && !note.matches(".is-out");

/**
 * Whether there is a note to go to.
 * @param {(note: HTMLElement) => boolean} [counts]
 * @returns {boolean}
 */
export function hasAny(counts = isUnresolved) {
  return notes().some(counts);
}

/**
 * Go to the next or former note, and say which it is.
 * @param {1 | -1} by
 * @param {(note: HTMLElement) => boolean} [counts] which notes are gone through
 */
export function step(by, counts = isUnresolved) {
  const all = notes().filter((note) => counts(note) || note.id === active);
  const through = all.filter(counts);
  if (through.length === 0) {
    announce("There is no such comment");
    return;
  }
  const here = all.findIndex((note) => note.id === active);
  let at = here < 0 ? (by > 0 ? 0 : all.length - 1) : (here + by + all.length) % all.length;
  if (!counts(/** @type {HTMLElement} */ (all[at]))) at = (at + by + all.length) % all.length;
  const note = /** @type {HTMLElement} */ (all[at]);
  const isWrapped = here >= 0 && (by > 0 ? at <= here : at >= here) && through.length > 1;
  go(note.id);
  announce(`${isWrapped ? (by > 0 ? "From the first again: " : "From the last again: ") : ""}Comment ${through.indexOf(note) + 1} of ${through.length}`);
}

/* ------------------------------------------------------------------ listening */

/**
 * The notes that an event is about, the topmost first.
 * @param {Event} event
 * @returns {string[]}
 */
function about(event) {
  const target = event.target instanceof Element ? event.target : null;
  const piece = /** @type {HTMLElement | null | undefined} */ (target?.closest(":is(#answer, #shown) [data-a]"));
  if (piece) return (piece.dataset.a ?? "").split(" ");
  const note = target?.closest("#margin > .note");
  return note ? [note.id] : [];
}

/** @param {MouseEvent} event */
function clicked(event) {
  const target = event.target instanceof Element ? event.target : null;
  const ids = about(event);
  if (!target || ids.length === 0) return;
  const piece = target.closest(":is(#answer, #shown) [data-a]");
  if (!piece) {
    if (getSelection()?.isCollapsed === false && !target.closest("button, a, summary")) return;
    if (ids[0] !== active) activate(ids[0] ?? "");
    if (!target.closest("button, a, input, textarea, select, summary, label")) reveal(marks(active)[0]);
    return;
  }
  // A link within marked words is followed with Ctrl or ⌘; a plain click is about the comment.
  if (target.closest("a") && (event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (getSelection()?.isCollapsed === false) return;
  const known = ids.filter((id) => document.getElementById(id));
  if (known.length > 1) chooser.open(/** @type {HTMLElement} */ (piece), known, active, { show: activate, pick: go });
  else if (known[0]) activate(known[0]);
}

/** @param {HTMLElement} area */
function observe(area) {
  const sizes = new ResizeObserver((entries) => {
    if (entries.some(({ target, borderBoxSize: [box] }) => {
      const known = placed.find((one) => one.id === target.id);
      return target === text() || Math.abs((box?.blockSize ?? 0) - (known ? known.end - known.top : 0)) > 1;
    })) schedule();
  });
  watchSizes = () => {
    sizes.disconnect();
    for (const element of [text(), ...notes()]) if (element) sizes.observe(element);
  };
  swaps = new MutationObserver((changes) => noticed(changes) && schedule());
  swaps.observe(area, { childList: true, subtree: true });
  watchSizes();
}

/**
 * Forget what was known of the notes and their words if some were put in or taken out.
 * @param {MutationRecord[]} changes
 * @returns {boolean} whether there were any; numbers about the notes are no news of them
 */
function noticed(changes) {
  if (changes.every(({ target }) => target instanceof Element && target.closest(".notes__head, .beyond"))) return false;
  pieces = null;
  measured = null;
  watchSizes();
  return true;
}

/** Listen to the answer and the margin; they may be swapped at any time. */
export function watch() {
  const area = grid();
  if (!area) return;
  document.addEventListener("mouseover", (event) => {
    const [id] = about(event);
    light([id ?? active].filter(Boolean));
  });
  document.addEventListener("focusin", (event) => {
    const ids = about(event);
    if (ids[0]) light([ids.includes(active) ? active : ids[0]]);
  });
  document.addEventListener("click", clicked);
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-beyond]") : null;
    if (button instanceof HTMLElement && button.dataset.to) go(button.dataset.to);
  });
  folio()?.addEventListener("scroll", () => requestAnimationFrame(() => placed.length > 0 && offer(count())), { passive: true });
  addEventListener("resize", schedule);
  document.fonts.ready.then(schedule, () => undefined);
  observe(area);
  const asked = document.getElementById(location.hash.slice(1));
  if (asked?.matches(".note")) go(asked.id);
  else lay();
}
