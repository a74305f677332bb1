// @ts-check
/** The keys of a queue: J and K move, Enter opens. Pointing at an item shows why it is here. */

/** @returns {HTMLElement[]} the rows that are on view, folded themes left out */
function rows() {
  const all = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-row]"));
  return [...all].filter((row) => row.checkVisibility());
}

/** @returns {number} the place of the current row, -1 when there is none */
function place() {
  const focused = document.activeElement?.closest("[data-row]");
  return rows().findIndex((row) => (focused ? row === focused : row.classList.contains("is-cur")));
}

/** @param {HTMLElement | undefined} row the row to make current; its panel is loaded */
function make_current(row) {
  if (!row) return;
  for (const other of document.querySelectorAll("[data-row].is-cur")) other.classList.remove("is-cur");
  row.classList.add("is-cur");
  const link = /** @type {HTMLElement} */ (row.querySelector("[data-open]"));
  link.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  clearTimeout(pending);
  // Held down, J passes many rows: only the one it stops at is asked for.
  pending = setTimeout(() => row.querySelector("[data-peek]")?.dispatchEvent(new Event("peek")), 120);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let pending;

/** @param {KeyboardEvent} event */
function on_key(event) {
  const field = /** @type {HTMLElement} */ (event.target).closest("input, textarea, select, dialog");
  if (field || event.ctrlKey || event.metaKey || event.altKey || letters_are_off()) return;
  const key = event.key.toLowerCase();
  if (key === "j") make_current(rows()[Math.min(place() + 1, rows().length - 1)]);
  else if (key === "k") make_current(rows()[Math.max(place() - 1, 0)]);
  else if (event.key === "Enter" && document.activeElement === document.body) open_current();
  else return;
  event.preventDefault();
}

/** @returns {boolean} whether the user has turned single-letter keys off */
function letters_are_off() {
  return document.documentElement.dataset.keys === "off";
}

function open_current() {
  const row = rows()[place()];
  /** @type {HTMLElement | null | undefined} */ (row?.querySelector("[data-open]"))?.click();
}

document.addEventListener("keydown", on_key);
