// The text cursor: a caret in the answer, to select words without a mouse.
import { announce } from "../toast.js";
import * as popover from "./popover.js";
import { place, Reading } from "./places.js";

/** @type {HTMLElement | null} */
let caret = null;
/** @type {Element | null} */
let former = null;
/** Code points before the caret, so that it is found again in swapped text. */
let at = 0;

const answer = () => document.getElementById("answer");
const button = () => document.querySelector("[data-cursor-button]");

/** Whether the text cursor is on. @returns {boolean} */
export function isOn() {
  return caret !== null;
}

/** Turn it on, at the selection, at the place it was, or at the first block in view. */
export function enter() {
  const text = answer();
  const selection = getSelection();
  if (!text || !selection || caret) return;
  former = document.activeElement;
  caret = document.createElement("div");
  caret.className = "caret";
  text.parentElement?.append(caret);
  text.dataset.cursor = "";
  text.focus({ preventScroll: true });
  button()?.setAttribute("aria-pressed", "true");
  if (!selection.focusNode || !text.contains(selection.focusNode) || selection.focusNode === text) {
    const { blocks } = new Reading(text);
    const top = (document.querySelector(".folio")?.getBoundingClientRect().top ?? 0) + 44;
    const block = blocks.find(({ element }) => element.getBoundingClientRect().bottom > top + 8);
    move(block?.point ?? 0);
  }
  draw();
  announce("Text cursor. Arrows move, Shift and arrows select, S takes a sentence, P a paragraph, Escape leaves.");
}

/** Turn it off, and give the focus back. */
export function leave() {
  if (!caret) return;
  caret.remove();
  caret = null;
  delete answer()?.dataset.cursor;
  button()?.setAttribute("aria-pressed", "false");
  getSelection()?.removeAllRanges();
  if (former instanceof HTMLElement && former.isConnected && former !== document.body) former.focus({ preventScroll: true });
  else answer()?.blur();
  announce("Text cursor off");
}

/** After a swap the caret stands where it stood. */
export function renew() {
  const text = answer();
  if (!caret || !text) return;
  if (!caret.isConnected) text.parentElement?.append(caret);
  text.dataset.cursor = "";
  const node = getSelection()?.focusNode;
  if (!node || !text.contains(node) || node === text) move(at);
  if (document.activeElement === document.body) text.focus({ preventScroll: true });
  draw();
}

/** @param {number} point code points */
function move(point) {
  const text = answer();
  if (!text) return;
  const { range } = place(text, point, point);
  getSelection()?.collapse(range.startContainer, range.startOffset);
}

/** Put the caret where the selection ends. */
function draw() {
  const text = answer();
  const selection = getSelection();
  const sheet = caret?.offsetParent;
  if (!caret || !text || !selection?.focusNode || !sheet) return;
  const { focusNode: node, focusOffset: offset } = selection;
  const range = document.createRange();
  range.setStart(node, offset);
  let box = range.getClientRects()[0];
  let isAfter = false;
  if (!box && node instanceof Text && node.length > 0) {
    isAfter = offset > 0;
    range.setStart(node, isAfter ? offset - 1 : offset);
    range.setEnd(node, isAfter ? offset : offset + 1);
    const boxes = range.getClientRects();
    box = boxes[boxes.length - 1];
  }
  if (!box) return;
  const area = sheet.getBoundingClientRect();
  caret.style.left = `${(isAfter ? box.right : box.left) - area.left}px`;
  caret.style.top = `${box.top - area.top}px`;
  caret.style.height = `${box.height}px`;
  caret.scrollIntoView({ block: "nearest" });
  const reading = new Reading(text);
  at = reading.point(reading.unit(node, offset));
}

/**
 * Move the end of the selection, within the answer, and over what is no text of it.
 * @param {boolean} isExtending
 * @param {string} direction
 * @param {string} granularity
 */
function modify(isExtending, direction, granularity) {
  const selection = getSelection();
  const text = answer();
  if (!selection?.anchorNode || !selection.focusNode || !text) return;
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  for (let tries = 0; tries < 200; tries += 1) {
    selection.modify(isExtending ? "extend" : "move", direction, granularity);
    if (!selection.focusNode?.parentElement?.closest("[data-no-text]")) break;
  }
  if (!text.contains(selection.focusNode) || selection.focusNode === text) {
    if (isExtending) selection.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
    else selection.collapse(focusNode, focusOffset);
  }
}

/**
 * Select what lies around the caret; what is selected already grows by the next.
 * @param {"sentence" | "block"} unit
 */
function take(unit) {
  const text = answer();
  const selection = getSelection();
  if (!text || !selection?.rangeCount) return;
  const range = selection.getRangeAt(0);
  const reading = new Reading(text);
  const [start, end] = [reading.unit(range.startContainer, range.startOffset), reading.unit(range.endContainer, range.endOffset)];
  let found = reading.expand(start, Math.max(end, start + 1), unit);
  if (found[0] === start && found[1] === end) found = reading.expand(start, Math.min(end + 3, reading.text.length), unit);
  const { startContainer, startOffset, endContainer, endOffset } = reading.range(...found);
  selection.setBaseAndExtent(startContainer, startOffset, endContainer, endOffset);
}

/** Select the whole answer. */
function all() {
  const text = answer();
  if (!text) return;
  const reading = new Reading(text);
  const { startContainer, startOffset, endContainer, endOffset } = reading.range(0, reading.text.length);
  getSelection()?.setBaseAndExtent(startContainer, startOffset, endContainer, endOffset);
}

/** @type {Record<string, [direction: string, granularity: string, byWord: string]>} */
const MOVES = {
  ArrowLeft: ["left", "character", "word"],
  ArrowRight: ["right", "character", "word"],
  ArrowUp: ["backward", "line", "paragraph"],
  ArrowDown: ["forward", "line", "paragraph"],
  Home: ["backward", "lineboundary", "documentboundary"],
  End: ["forward", "lineboundary", "documentboundary"],
};

/**
 * Keys of the text cursor.
 * @param {KeyboardEvent} event
 * @returns {boolean} whether it meant something
 */
export function key(event) {
  const text = answer();
  if (!caret || !text || document.activeElement?.closest("input, textarea, select, dialog")) return false;
  const isBig = event.ctrlKey || event.altKey || event.metaKey;
  const letter = event.key.toLowerCase();
  const to = MOVES[event.key];
  if (to) {
    const granularity = isBig ? to[2] : to[1];
    if (granularity === "documentboundary" && !event.shiftKey) move(to[0] === "backward" ? 0 : new Reading(text).point(new Reading(text).text.length));
    else modify(event.shiftKey, to[0], granularity);
  } else if (isBig && letter === "a") all();
  else if (isBig) return false;
  else if (letter === "s" || letter === "p") take(letter === "s" ? "sentence" : "block");
  else if (event.key === "Escape") leave();
  else if (letter === "g" && popover.isOpen()) popover.suggest();
  else return false;
  draw();
  if (caret && getSelection()?.isCollapsed === false && !popover.isComposing()) popover.open();
  return true;
}
