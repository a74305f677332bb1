// Evidence: words of a document are marked for a comment, and each of the two leads to the other.
import { announce } from "../toast.js";
import * as margin from "./margin.js";

const EDGE = 12;
const CARET = "document-caret";

/** @returns {HTMLFormElement | null} */
const form = () => /** @type {HTMLFormElement | null} */ (document.getElementById("mark"));

/** Whether the form is open. @returns {boolean} */
const isOpen = () => form()?.classList.contains("is-open") ?? false;

/**
 * The document of the answer under review that a node lies in.
 * @param {Node | null} node
 * @returns {HTMLElement | null}
 */
function documentOf(node) {
  const element = node instanceof Element ? node : node?.parentElement;
  const text = /** @type {HTMLElement | null | undefined} */ (element?.closest("[data-document]"));
  const answer = document.getElementById("answer");
  return text && text.dataset.of === answer?.dataset.output ? text : null;
}

/**
 * The code points of a document before a point in it.
 * @param {HTMLElement} text
 * @param {Node} node
 * @param {number} offset
 * @returns {number}
 */
function count(text, node, offset) {
  const before = document.createRange();
  before.selectNodeContents(text);
  before.setEnd(node, offset);
  return Number(text.dataset.start) + [...before.toString()].length;
}

/**
 * @param {string} name
 * @param {string | number} value
 */
function set(name, value) {
  const input = form()?.elements.namedItem(name);
  if (input instanceof HTMLInputElement) input.value = String(value);
}

/**
 * Offer the comments beside the answer, the active one first chosen.
 * @param {HTMLFormElement} pop
 */
function offer(pop) {
  const choose = /** @type {HTMLSelectElement} */ (pop.elements.namedItem("annotation"));
  const notes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('#margin > .note[id^="a"]:not([data-state="deleted"])')]);
  choose.replaceChildren(
    ...notes.map((note) => {
      const words = note.querySelector(".note__quote, .note__text")?.textContent?.trim() ?? "";
      const reason = note.querySelector(".cat > :last-child")?.textContent?.trim();
      const label = `${reason ? `${reason}: ` : ""}${words.length > 60 ? `${words.slice(0, 59)}…` : words}`;
      return new Option(label, note.id.slice(1), false, note.classList.contains("is-active"));
    }),
  );
  const isNone = notes.length === 0;
  pop.querySelector("[data-none]")?.toggleAttribute("hidden", !isNone);
  pop.querySelector("[data-choose]")?.toggleAttribute("hidden", isNone);
  pop.querySelector("[type=submit]")?.toggleAttribute("disabled", isNone);
}

/** Open the form for the words that are selected in a document, if any are. @returns {boolean} */
function open() {
  const pop = form();
  const selection = getSelection();
  if (!pop || !selection || selection.isCollapsed || selection.rangeCount === 0) return false;
  const range = selection.getRangeAt(0);
  const text = documentOf(range.commonAncestorContainer);
  const exact = range.toString();
  if (!text || exact.trim() === "") return false;
  const start = count(text, range.startContainer, range.startOffset);
  set("document", text.dataset.document ?? "");
  set("start", start);
  set("end", start + [...exact].length);
  set("exact", exact);
  const quote = pop.querySelector("[data-quote]");
  if (quote) quote.textContent = exact.length > 160 ? `${exact.slice(0, 159)}…` : exact;
  document.getElementById("evidence-errors")?.replaceChildren();
  offer(pop);
  pop.classList.add("is-open");
  pop.dataset.placed = "";
  CSS.highlights.set("pending", new Highlight(range.cloneRange()));
  const words = range.getBoundingClientRect();
  const below = words.bottom + 8;
  const top = below + pop.offsetHeight + EDGE < innerHeight ? below : words.top - 8 - pop.offsetHeight;
  pop.style.top = `${Math.max(EDGE, Math.min(top, innerHeight - pop.offsetHeight - EDGE))}px`;
  pop.style.left = `${Math.max(EDGE, Math.min(words.left, innerWidth - pop.offsetWidth - EDGE))}px`;
  return true;
}

function close() {
  form()?.classList.remove("is-open");
  CSS.highlights.delete("pending");
}

/* ------------------------------------------------------------------ selecting by keys */

/**
 * Move or extend the selection in a focused document, as a text cursor would.
 * @param {HTMLElement} text
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key was one of its own
 */
function move(text, event) {
  const selection = getSelection();
  const key = /^Arrow(Left|Right|Up|Down)$/.exec(event.key)?.[1];
  if (!selection || !key) return false;
  const isHere = selection.focusNode !== null && text.contains(selection.focusNode);
  const isLine = key === "Up" || key === "Down";
  // Without a cursor the keys scroll, as everywhere.
  if (isLine && !isHere && !event.shiftKey) return false;
  if (!isHere) selection.collapse(text, 0);
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  const unit = isLine ? "line" : event.ctrlKey || event.altKey ? "word" : "character";
  selection.modify(event.shiftKey ? "extend" : "move", key.toLowerCase(), unit);
  if (!text.contains(selection.focusNode) && anchorNode && focusNode) {
    selection.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
  }
  show(text, selection);
  return true;
}

/**
 * Show where the cursor stands: a page that cannot be edited has none of its own.
 * @param {HTMLElement} text
 * @param {Selection} selection
 */
function show(text, selection) {
  const node = selection.focusNode;
  const caret = document.createRange();
  if (node instanceof Text) {
    const at = Math.min(selection.focusOffset, node.length - 1);
    caret.setStart(node, at);
    caret.setEnd(node, at + 1);
    const place = caret.getBoundingClientRect();
    const box = text.getBoundingClientRect();
    if (place.bottom > box.bottom) text.scrollTop += place.bottom - box.bottom + EDGE;
    if (place.top < box.top) text.scrollTop -= box.top - place.top + EDGE;
  }
  CSS.highlights.set(CARET, new Highlight(caret));
}

/* ------------------------------------------------------------------ from one to the other */

/**
 * The cards that an event is about: from a mark in a document or the answer, or a card itself.
 * @param {Event} event
 * @returns {string[]}
 */
function about(event) {
  const target = event.target instanceof Element ? event.target : null;
  const mark = /** @type {HTMLElement | null | undefined} */ (target?.closest("mark[data-a]"));
  if (mark) return (mark.dataset.a ?? "").split(" ");
  const note = target?.closest("#margin > .note");
  return note ? [note.id] : [];
}

/** @param {Event} event */
function light(event) {
  const ids = about(event);
  for (const mark of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".doc__text mark[data-a]"))) {
    mark.classList.toggle("is-on", (mark.dataset.a ?? "").split(" ").some((id) => ids.includes(id)));
  }
  if (!inDocument(event)) return;
  for (const id of ids) document.getElementById(id)?.classList.add("is-on");
}

/** @param {Event} event @returns {boolean} */
const inDocument = (event) => event.target instanceof Element && event.target.closest(".doc__text mark[data-a]") !== null;

/**
 * Show one of the panes of a narrow screen.
 * @param {"trail" | "notes"} name
 */
function pane(name) {
  const input = document.getElementById(`pane-${name}`);
  if (input instanceof HTMLInputElement && input.closest("fieldset")?.checkVisibility()) input.checked = true;
}

/**
 * Go to the card that words of a document are evidence for.
 * @param {string} id
 */
function goToCard(id) {
  pane("notes");
  margin.activate(id);
  const note = document.getElementById(id);
  note?.scrollIntoView({ block: "nearest" });
  note?.focus({ preventScroll: true });
}

/**
 * Go to the words of a document.
 * @param {string} id of their anchor
 * @returns {boolean} whether they are on the page
 */
function goToWords(id) {
  const anchor = document.getElementById(id);
  const words = /** @type {HTMLElement | null | undefined} */ (anchor?.parentElement?.querySelector(`#${CSS.escape(id)} ~ mark`));
  if (!anchor || !words) return false;
  pane("trail");
  for (let fold = anchor.closest("details"); fold; fold = fold.parentElement?.closest("details") ?? null) fold.open = true;
  words.scrollIntoView({ block: "center" });
  words.focus({ preventScroll: true });
  return true;
}

/** Listen to the documents, their form, and the cards; any may be swapped at any time. */
export function watch() {
  document.addEventListener("mouseover", light);
  document.addEventListener("focusin", light);
  document.addEventListener("pointerup", (event) => {
    // The browser has not yet cleared an old selection when the button is let go.
    if (event.target instanceof Element && !event.target.closest("#mark")) setTimeout(open);
  });
  document.addEventListener("pointerdown", (event) => {
    CSS.highlights.delete(CARET);
    if (isOpen() && event.target instanceof Element && !event.target.closest("#mark")) close();
  });
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const link = /** @type {HTMLElement | null | undefined} */ (target?.closest("a[data-evidence]"));
    if (link && goToWords(link.dataset.evidence ?? "")) event.preventDefault();
    const card = inDocument(event) && getSelection()?.isCollapsed ? about(event)[0] : undefined;
    if (card) goToCard(card);
    if (target?.closest("#mark [data-close]")) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOpen()) {
      event.preventDefault();
      close();
      documentOf(getSelection()?.focusNode ?? null)?.focus({ preventScroll: true });
      return;
    }
    const target = event.target instanceof HTMLElement ? event.target : null;
    if (event.key === "Enter" && target?.matches(".doc__text mark[data-a]")) goToCard(about(event)[0] ?? "");
    if (!target?.matches("[data-document]")) return;
    if (event.key === "Enter" && isOpen()) {
      event.preventDefault();
      document.getElementById("mark-annotation")?.focus();
    } else if (documentOf(target) && move(target, event)) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === "Shift" && documentOf(event.target instanceof Node ? event.target : null) && open()) {
      announce("Words chosen. Press Enter to mark them as evidence.");
    }
  });
  // What a response about evidence says: the id of what was added, or nothing.
  document.addEventListener("evidence", (event) => {
    const { added } = /** @type {CustomEvent<{added?: string}>} */ (event).detail;
    const isFocusLost = document.activeElement === document.body || form()?.contains(document.activeElement);
    close();
    requestAnimationFrame(margin.lay);
    announce(added ? "Marked as evidence" : "Evidence removed");
    if (added && isFocusLost) goToWords(added);
  });
}
