// The keys of the candidates: J and K move, A accepts, X rejects (then a digit or Enter says why), E edits.
import * as actions from "./actions.js";
import * as keys from "./keys.js";

/** @returns {HTMLElement[]} */
function rows() {
  return [...(/** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#candidates [data-row]")))];
}

/** The place of the current row; -1 when there is none. */
function place() {
  const found = rows();
  const focused = found.findIndex((row) => row.contains(document.activeElement));
  return focused >= 0 ? focused : found.findIndex((row) => row.classList.contains("is-cur"));
}

/**
 * Focus a row.
 * @param {number} at
 */
function go(at) {
  const found = rows();
  const row = found[Math.max(0, Math.min(at, found.length - 1))];
  if (!row) return false;
  for (const other of found) other.classList.toggle("is-cur", other === row);
  /** @type {HTMLElement | null} */ (row.querySelector("[data-open]"))?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  return true;
}

/** @returns {HTMLElement | undefined} the current row, else the first */
const current = () => rows()[Math.max(place(), 0)];

/** @param {string} act @returns {HTMLElement | null | undefined} */
const control = (act) => current()?.querySelector(`[data-act=${act}]`);

/** @param {string} act */
function press(act) {
  const found = control(act);
  if (!found) return false;
  go(Math.max(place(), 0));
  found.click();
  return true;
}

/** Open the reasons of the current row and focus the first. */
function reject() {
  const at = Math.max(place(), 0);
  const details = /** @type {HTMLDetailsElement | null | undefined} */ (control("reject")?.closest("details"));
  if (!details) return false;
  go(at);
  details.open = true;
  details.querySelector("button")?.focus();
  return true;
}

const some = () => rows().length > 0;
actions.register([
  { key: "J", group: "Candidates", label: "Next candidate", may: some, run: () => go(place() + 1) },
  { key: "K", group: "Candidates", label: "Previous candidate", may: some, run: () => go(place() - 1) },
  { key: "A", group: "Candidates", label: "Accept the candidate", may: () => !!control("accept"), run: () => press("accept") },
  { key: "X", group: "Candidates", label: "Reject the candidate: then a digit, or Enter, says why", may: () => !!control("reject"), run: reject },
  { key: "E", group: "Candidates", label: "Edit the candidate before accepting it", may: () => !!control("edit"), run: () => press("edit") },
]);

/** The row to go to after a decision: the one that moves up into its place. */
let next = -1;

document.addEventListener("keydown", (event) => {
  const key = keys.single(event);
  const open = document.activeElement?.closest("details[open]") ?? current()?.querySelector("details[open]");
  if (event.key === "Escape" && open instanceof HTMLDetailsElement) {
    open.open = false;
    go(place());
    return;
  }
  const field = event.key === "Enter" && !event.isComposing && event.target instanceof HTMLInputElement && event.target.closest(".cand__reject");
  if (field) {
    // What is put in words is another reason than those with a button.
    /** @type {HTMLElement | null} */ (field.querySelector("[value$=other]"))?.click();
    event.preventDefault();
    return;
  }
  if (key === null) return;
  const digit = "123456789".indexOf(key);
  const reason = digit >= 0 && open ? open.querySelectorAll("button")[digit] : undefined;
  if (reason) reason.click();
  else if (!actions.act(key)) return;
  event.preventDefault();
});

// Not when it is asked for: a key may be quicker than what the last reply put in settles.
document.addEventListener("htmx:beforeSwap", () => {
  next = Math.max(place(), next);
});

document.addEventListener("htmx:afterSettle", () => {
  const alert = /** @type {HTMLElement | null} */ (document.querySelector("#candidates [role=alert], #candidates .err"));
  if (next >= 0) go(next);
  next = -1;
  alert?.scrollIntoView({ block: "nearest" });
});
