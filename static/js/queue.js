// The keys of a queue: J and K move through the rows, Enter opens one, A unfolds what is alike,
// N takes the next item.
import * as keys from "./keys.js";

const PEEK_MS = 120;

/** @returns {HTMLElement[]} the rows on view; those of folded themes are not */
function rows() {
  const all = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-row]"));
  return [...all].filter((row) => row.checkVisibility());
}

/**
 * The place of the current row: the one with focus, else the one whose reasons are shown.
 * @param {HTMLElement[]} among
 * @returns {number} -1 when there is none
 */
function place(among) {
  const focused = document.activeElement?.closest("[data-row]");
  return among.findIndex((row) => (focused ? row === focused : row.classList.contains("is-cur")));
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let pending;
let isPointed = false;

/**
 * Focus a row, and show beside the list why it is there.
 * @param {HTMLElement | undefined} row
 */
function go(row) {
  if (!row) return;
  mark(row);
  /** @type {HTMLElement | null} */ (row.querySelector("[data-open]"))?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  clearTimeout(pending);
  // Held down, J passes many rows; only the one it stops at is asked for.
  pending = setTimeout(() => row.querySelector("[data-peek]")?.dispatchEvent(new Event("peek")), PEEK_MS);
}

/** @param {Element} row */
function mark(row) {
  for (const other of document.querySelectorAll("[data-row].is-cur")) other.classList.remove("is-cur");
  row.classList.add("is-cur");
}

/**
 * Show or hide what is nearly the same as a row. From one of those, back to the row.
 * @param {HTMLElement | undefined} row
 */
function unfold(row) {
  const around = row?.closest("[data-alike]");
  /** @type {HTMLElement | null | undefined} */ ((around ?? row?.nextElementSibling)?.querySelector("[data-unfold]"))?.click();
  if (around) go(/** @type {HTMLElement | undefined} */ (around.previousElementSibling ?? undefined));
}

document.addEventListener("keydown", (event) => {
  const found = rows();
  const here = place(found);
  if (event.key === "Enter" && document.activeElement === document.body) {
    /** @type {HTMLElement | null | undefined} */ (found[here]?.querySelector("[data-open]"))?.click();
    return;
  }
  const key = keys.single(event);
  if (key === "J") go(found[Math.min(here + 1, found.length - 1)]);
  else if (key === "K") go(found[Math.max(here - 1, 0)]);
  else if (key === "A") unfold(found[here]);
  else if (key === "N") /** @type {HTMLElement | null} */ (document.querySelector("[data-key=N]"))?.click();
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const row = event.target instanceof Element ? event.target.closest("[data-peek]")?.closest("[data-row]") : null;
  isPointed = !!row;
  if (row) mark(row);
});

// On a narrow page the panel stands above the list, so a tap has to lead there.
document.addEventListener("htmx:afterSettle", () => {
  if (isPointed) document.getElementById("peek")?.scrollIntoView({ block: "nearest" });
});
