// The comments as a sheet at the foot of a narrow page: peek, half or full.
import { soon } from "../soon.js";
import * as margin from "./margin.js";

const SIZES = ["peek", "half", "full"];
const SWIPE = 48;

const notes = () => document.getElementById("notes");

/** @returns {string} */
const size = () => notes()?.dataset.sheet ?? "peek";

/** @param {string | undefined} to */
function resize(to) {
  const sheet = notes();
  if (!sheet || !to) return;
  sheet.dataset.sheet = to;
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (sheet.querySelectorAll("[data-size]"))) {
    button.disabled = SIZES[SIZES.indexOf(to) + Number(button.dataset.size)] === undefined;
  }
}

/** Say which comment is shown, of how many. */
function tell() {
  const words = notes()?.querySelector("[data-notes-at]");
  const all = margin.notes();
  const here = all.findIndex((note) => note.id === margin.current());
  if (words) words.textContent = here < 0 ? String(all.length) : `${here + 1} of ${all.length}`;
}

/** Show a comment that was chosen in the text. */
function opened() {
  tell();
  if (margin.isBeside() || !margin.current()) return;
  if (size() === "peek") resize("half");
  const note = document.getElementById(margin.current());
  note?.scrollIntoView({ block: "nearest" });
  margin.reveal(margin.marks(margin.current())[0]);
}

/** Listen to its buttons, and to a finger that wipes over it. */
export function watch() {
  const sheet = notes();
  if (!sheet) return;
  resize("peek");
  tell();
  document.addEventListener("desk:active", opened);
  document.addEventListener("htmx:afterSettle", soon(tell));
  sheet.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest("[data-size], [data-step]")) : null;
    if (button?.dataset.size) resize(SIZES[SIZES.indexOf(size()) + Number(button.dataset.size)]);
    if (button?.dataset.step) margin.step(button.dataset.step === "1" ? 1 : -1);
  });
  /** @type {Touch | undefined} */
  let from;
  sheet.addEventListener("touchstart", (event) => (from = event.touches.length === 1 ? event.touches[0] : undefined), { passive: true });
  sheet.addEventListener("touchend", (event) => {
    const to = event.changedTouches[0];
    if (!from || !to || margin.isBeside()) return;
    const [x, y] = [to.clientX - from.clientX, to.clientY - from.clientY];
    const isHead = from.target instanceof Element && from.target.closest(".notes__head");
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) margin.step(x < 0 ? 1 : -1);
    else if (isHead && Math.abs(y) > SWIPE) resize(SIZES[SIZES.indexOf(size()) + (y < 0 ? 1 : -1)]);
    from = undefined;
  });
}
