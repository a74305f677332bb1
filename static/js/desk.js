// The reviewer's desk, and the page of one answer.
import * as keys from "./keys.js";
import * as copy from "./desk/copy.js";
import * as decision from "./desk/decision.js";
import * as evidence from "./desk/evidence.js";
import * as lease from "./desk/lease.js";
import * as live from "./desk/live.js";
import * as margin from "./desk/margin.js";
import * as popover from "./desk/popover.js";
import * as trail from "./desk/trail.js";
import { accept, announce } from "./toast.js";

/** The comment marked last, which Enter adds a note to. */
let marked = "";

margin.watch();
copy.watch();
popover.watch();
decision.watch();
lease.watch();
live.watch();
trail.watch();
evidence.watch();

/**
 * Act on a single key.
 * @param {string} key
 * @returns {boolean} whether it meant something here
 */
function act(key) {
  if (key === "J" || key === "K") margin.step(key === "J" ? 1 : -1);
  else if (/^[1-9]$/.test(key)) {
    if (popover.isOpen()) return popover.choose(key);
    decision.reason(key);
  } else if (key === "C") popover.isOpen() ? popover.write() : decision.focusComment();
  else if (key === "E" && popover.isOpen()) popover.suggest();
  else if (key === "W" && popover.isOpen()) popover.widen("word");
  else if (key === "S" && popover.isOpen()) popover.widen("sentence");
  else if (key === "P" && popover.isOpen()) popover.widen("block");
  else if (["Y", "F", "X"].includes(key)) return decision.verdict(key);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !event.isComposing) {
    event.preventDefault();
    if (popover.isComposing()) popover.send();
    else if (decision.isThere()) decision.send();
    return;
  }
  if (event.key === "Escape" && popover.isOpen()) {
    event.preventDefault();
    popover.leave();
    return;
  }
  if (event.key.toLowerCase() === "z" && (event.metaKey || event.ctrlKey) && !keys.isField(event.target) && accept()) {
    event.preventDefault();
    return;
  }
  const key = keys.single(event);
  if (key !== null && act(key)) event.preventDefault();
});

document.addEventListener("htmx:afterSettle", () => {
  popover.renew();
  margin.lay();
  decision.refresh();
});

// The server says what an act did, once its pieces are in place.
document.addEventListener("did", (event) => {
  const { did, card, said } = /** @type {CustomEvent<{did: string, card: string, said: string}>} */ (event).detail;
  if (did === "annotated") {
    const isQuiet = popover.written(card);
    decision.given(card);
    marked = isQuiet ? card : "";
    getSelection()?.removeAllRanges();
    margin.activate(card);
    if (isQuiet) return;
    document.getElementById(card)?.focus({ preventScroll: true });
  }
  margin.lay();
  announce(said);
});

document.addEventListener("htmx:afterSwap", (event) => {
  const { elt } = /** @type {CustomEvent<{elt: Element}>} */ (event).detail;
  if (elt.id === "lease" || elt.id === "decide") lease.read();
});
