// Where the focus goes: one stop for the answer, one for each card, and never to nowhere.
import { soon } from "../soon.js";
import * as margin from "./margin.js";

const CONTROLS = "a[href], button, input, textarea, select, summary";

/** The element that had the focus last. @type {HTMLElement | null} */
let last = null;
/** The cards from its card on, then those before it, the nearest first. @type {string[]} */
let near = [];

const answer = () => document.getElementById("answer");

/** @returns {HTMLElement[]} the first piece of each note, in order */
function stops() {
  return [.../** @type {NodeListOf<HTMLElement>} */ (answer()?.querySelectorAll("[data-a][tabindex]") ?? [])];
}

/**
 * Make the answer one stop for Tab.
 * @param {HTMLElement} [to] the piece that Tab goes to
 */
function roll(to) {
  const all = stops();
  const [chosen = all[0]] = [to ?? all.find((piece) => piece.dataset.a?.split(" ").includes(margin.current()))];
  for (const piece of all) {
    const index = piece === chosen ? 0 : -1;
    if (piece.tabIndex !== index) piece.tabIndex = index;
  }
}

/** Controls of cards that are not active are no stops. */
function tame() {
  const active = margin.current();
  for (const note of margin.notes()) {
    const isTame = note.id !== active;
    if (note.dataset.tame === String(isTame)) continue;
    note.dataset.tame = String(isTame);
    for (const control of note.querySelectorAll(CONTROLS)) {
      if (isTame) control.setAttribute("tabindex", "-1");
      else control.removeAttribute("tabindex");
    }
  }
}

function refresh() {
  const focused = document.activeElement;
  // After the active note went, the one that has the focus is the active one.
  const active = margin.current();
  if (active && !document.getElementById(active)) margin.activate(focused?.closest("#margin > .note")?.id ?? "");
  roll(focused instanceof HTMLElement && focused.matches("#answer [data-a][tabindex]") ? focused : undefined);
  tame();
}

/** @param {FocusEvent} event */
function remember(event) {
  if (!(event.target instanceof HTMLElement)) return;
  last = event.target;
  const all = margin.notes().map((note) => note.id);
  const here = all.indexOf(last.closest("#margin > .note")?.id ?? "");
  near = here < 0 ? [] : [...all.slice(here), ...all.slice(0, here).reverse()];
}

/** After what had the focus is gone, give it to what took its place, or to what is next to it. */
export function keep() {
  if (!last || last.isConnected || document.activeElement !== document.body) return;
  const gone = last;
  const same = gone.id ? document.getElementById(gone.id) : null;
  const card = near.map((id) => document.getElementById(id)).find((one) => one !== null) ?? null;
  const act = gone.closest("[data-act]")?.getAttribute("data-act");
  const name = gone.getAttribute("name");
  const alike = card?.id === near[0] && (name || act) ? card?.querySelector(name ? `[name="${CSS.escape(name)}"]` : `button[data-act="${act}"]`) : null;
  const form = gone.closest("#decide") ? document.querySelector("#decide :is(input:checked, button, input)") : null;
  const next = [same, alike, card, form, answer()].find((one) => one instanceof HTMLElement && one.checkVisibility());
  if (!(next instanceof HTMLElement)) return;
  if (next === card) margin.activate(card.id);
  next.focus({ preventScroll: true });
}

/**
 * Go to the next of the answer, the comments and the decision.
 * @param {1 | -1} by
 */
export function cycle(by) {
  const note = document.getElementById(margin.current()) ?? margin.notes()[0];
  const parts = [
    { area: answer(), stop: stops().find((piece) => piece.tabIndex === 0) ?? answer() },
    { area: document.getElementById("notes"), stop: note },
    { area: document.getElementById("decide"), stop: /** @type {HTMLElement | null} */ (document.querySelector("#decide :is(input:checked, input:not([type=hidden]), button, a)")) },
  ].filter((part) => part.area && part.stop);
  const here = parts.findIndex((part) => part.area?.contains(document.activeElement));
  const to = parts[here < 0 ? (by > 0 ? 0 : parts.length - 1) : (here + by + parts.length) % parts.length];
  to?.stop?.focus();
}

/**
 * Keys within the answer and the margin.
 * @param {KeyboardEvent} event
 * @returns {boolean} whether it meant something
 */
export function key(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (target.matches("#answer [data-a]")) {
    const all = stops();
    const here = all.indexOf(target);
    const to = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) {
      const piece = all[Math.min(Math.max(to, 0), all.length - 1)];
      roll(piece);
      piece?.focus();
      return true;
    }
    if (event.key !== "Enter" && event.key !== " ") return false;
    const ids = (target.dataset.a ?? "").split(" ");
    if (ids.length > 1) target.click();
    else margin.go(ids[0] ?? "");
    return true;
  }
  if (!target.matches("#margin > .note") || event.key !== "Enter") return false;
  const [words] = margin.marks(target.id);
  if (target.id !== margin.current() || !words) margin.go(target.id);
  else {
    margin.reveal(words);
    words.focus({ preventScroll: true });
  }
  return true;
}

/** Listen to the focus, and to what takes it away. */
export function watch() {
  document.addEventListener("focusin", remember);
  document.addEventListener("desk:active", refresh);
  // A click that takes the focus to nowhere is meant.
  document.addEventListener("focusout", (event) => {
    if (event.relatedTarget === null && event.target instanceof Element && event.target.isConnected) setTimeout(() => (last?.isConnected && document.activeElement === document.body ? (last = null) : undefined));
  });
  const again = soon(() => {
    refresh();
    keep();
  });
  for (const name of ["htmx:afterSettle", "htmx:oobAfterSwap", "did"]) document.addEventListener(name, again);
  refresh();
}
