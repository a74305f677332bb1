// The trail beside the answer: words are marked as they are typed, and what failed to load can be tried again.
import { soon } from "../soon.js";

const MOST_MARKS = 500;
// Of the search field, which stays in sight above the turns.
const SEARCH_HEIGHT = 48;

/** The words that the turns on the page were searched for. */
let shown = "";

/** @returns {HTMLInputElement | null} */
const field = () => /** @type {HTMLInputElement | null} */ (document.getElementById("trail-find"));

/**
 * The places of words in what the trail shows now.
 * @param {string} words
 * @returns {Range[]}
 */
function places(words) {
  const wanted = words.toLowerCase();
  const turns = document.getElementById("turns");
  /** @type {Range[]} */
  const found = [];
  if (!turns || wanted.trim() === "") return found;
  const texts = document.createTreeWalker(turns, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node && found.length < MOST_MARKS; node = texts.nextNode()) {
    const text = (node.nodeValue ?? "").toLowerCase();
    // A letter whose small form is longer would shift all that follows.
    if (text.length !== node.nodeValue?.length) continue;
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + wanted.length);
      found.push(range);
    }
  }
  return found;
}

/** @param {string} words */
function mark(words) {
  const found = places(words);
  if (found.length) CSS.highlights.set("find", new Highlight(...found));
  else CSS.highlights.delete("find");
}

/**
 * Say that a part of the trail did not load, and offer to try again.
 * @param {Element} part
 */
function failed(part) {
  const alert = document.createElement("p");
  const again = document.createElement("button");
  alert.className = "small soft";
  alert.setAttribute("role", "alert");
  alert.textContent = "This could not be loaded. ";
  again.type = "button";
  again.className = "link";
  again.textContent = "Try again";
  again.addEventListener("click", () => part.dispatchEvent(new Event("again")));
  alert.append(again);
  part.removeAttribute("aria-busy");
  part.replaceChildren(alert);
}

/** Listen to the search field and to what the trail loads. */
export function watch() {
  shown = document.getElementById("turns")?.dataset.words ?? "";
  document.addEventListener("input", (event) => {
    if (event.target === field()) mark(field()?.value ?? "");
  });
  document.addEventListener("htmx:afterSettle", soon(() => {
    // The server has marked the words that it was asked for.
    const turns = document.getElementById("turns");
    const asked = turns?.dataset.words ?? "";
    if (turns && asked !== shown) turns.closest("#trail")?.scrollTo({ top: turns.offsetTop - SEARCH_HEIGHT });
    shown = asked;
    const typed = field()?.value.trim() ?? "";
    mark(typed === asked ? "" : typed);
  }));
  for (const name of ["responseError", "sendError", "timeout"]) {
    document.addEventListener(`htmx:${name}`, (event) => {
      const { elt } = /** @type {CustomEvent<{elt: Element}>} */ (event).detail;
      if (elt.matches(".related__lazy")) failed(elt);
    });
  }
}
