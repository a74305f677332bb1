// The comment on selected words: opens at the selection, stays while the words are typed about.
import { isField } from "../keys.js";
import { place, selected } from "./places.js";

const EDGE = 12;
const TOUCH_MS = 300;
/** @type {Range | null} */
let words = null;

/** @returns {HTMLFormElement | null} */
const form = () => /** @type {HTMLFormElement | null} */ (document.getElementById("pop"));

/** @returns {HTMLElement | null} */
const answer = () => document.getElementById("answer");

/** Whether the form is open. @returns {boolean} */
export function isOpen() {
  return form()?.classList.contains("is-open") ?? false;
}

/**
 * @param {HTMLFormElement} pop
 * @param {string} name
 * @param {string | number} value
 */
function set(pop, name, value) {
  const field = pop.elements.namedItem(name);
  if (field instanceof HTMLInputElement) field.value = String(value);
}

/** Open the form for what is selected in the answer, if anything is. */
export function open() {
  const pop = form();
  const text = answer();
  const chosen = text ? selected(text) : null;
  if (!pop || !text || !chosen) return;
  set(pop, "start", chosen.start);
  set(pop, "end", chosen.end);
  set(pop, "exact", chosen.exact);
  set(pop, "version", text.dataset.version ?? "");
  const quote = pop.querySelector("[data-quote]");
  if (quote) quote.textContent = chosen.exact.length > 160 ? `${chosen.exact.slice(0, 159)}…` : chosen.exact;
  document.getElementById("pop-errors")?.replaceChildren();
  show(pop, chosen.range);
}

/**
 * @param {HTMLFormElement} pop
 * @param {Range} range
 */
function show(pop, range) {
  words = range;
  // Focus in a field takes the selection away; this keeps its looks.
  CSS.highlights.set("pending", new Highlight(range));
  pop.classList.add("is-open");
  pop.dataset.placed = "";
  put();
}

/** Put the open form under the last selected line, or above the first where there is no room. */
export function put() {
  const pop = form();
  const sheet = pop?.offsetParent;
  if (!pop || !sheet || !words || !isOpen()) return;
  const lines = words.getClientRects();
  const first = lines[0];
  const last = lines[lines.length - 1];
  const folio = pop.closest(".folio")?.getBoundingClientRect();
  if (!first || !last || !folio) return;
  const area = sheet.getBoundingClientRect();
  const hasRoom = last.bottom + 8 + pop.offsetHeight + EDGE < folio.bottom;
  const above = first.top - 8 - pop.offsetHeight;
  const top = hasRoom || above < folio.top ? last.bottom + 8 : above;
  const left = Math.min(last.left - area.left - 24, area.width - pop.offsetWidth - EDGE);
  pop.style.top = `${top - area.top}px`;
  pop.style.left = `${Math.max(EDGE, left)}px`;
}

/** Close the form. What was typed stays for the next selection. */
export function close() {
  form()?.classList.remove("is-open");
  CSS.highlights.delete("pending");
  words = null;
}

/** Close the form and forget what was typed. */
export function clear() {
  form()?.reset();
  close();
}

/** Whether anything was chosen or typed. @returns {boolean} */
function isTyped() {
  const pop = form();
  if (!pop) return false;
  const data = new FormData(pop);
  return ["reason", "comment", "replacement"].some((name) => data.get(name));
}

/**
 * Choose the reason with this digit.
 * @param {string} digit
 */
export function choose(digit) {
  const input = form()?.querySelector(`label[data-key="${CSS.escape(digit)}"] input`);
  if (!(input instanceof HTMLInputElement)) return;
  input.checked = true;
  focusComment();
}

/** Go to the comment. */
export function focusComment() {
  document.getElementById("pop-comment")?.focus();
}

/** Suggest other words, starting from the selected ones. */
export function suggest() {
  const pop = form();
  const box = pop?.elements.namedItem("suggests");
  const field = pop?.elements.namedItem("replacement");
  if (!(box instanceof HTMLInputElement) || !(field instanceof HTMLTextAreaElement)) return;
  box.checked = true;
  prefill();
  put();
  field.focus();
}

function prefill() {
  const pop = form();
  const field = pop?.elements.namedItem("replacement");
  const exact = pop?.elements.namedItem("exact");
  if (field instanceof HTMLTextAreaElement && exact instanceof HTMLInputElement && !field.value) field.value = exact.value;
}

/** Send the form. */
export function send() {
  form()?.requestSubmit();
}

/** Listen to selections, and open the form that the address asked for. */
export function watch() {
  const pop = form();
  if (!pop) return;
  document.addEventListener("pointerup", (event) => {
    if (event.target instanceof Element && event.target.closest("#pop")) return;
    // The browser has not yet cleared an old selection when the button is let go.
    setTimeout(open);
  });
  // The handles of a touch screen move the selection without a pointer that is let go here.
  if (matchMedia("(pointer: coarse)").matches) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let pending;
    document.addEventListener("selectionchange", () => {
      clearTimeout(pending);
      pending = setTimeout(open, TOUCH_MS);
    });
  }
  document.addEventListener("keyup", (event) => {
    if (!isField(event.target) && (event.shiftKey || event.key === "Shift")) open();
  });
  document.addEventListener("pointerdown", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (isOpen() && !isTyped() && !target?.closest("#pop")) close();
  });
  pop.querySelector("[data-close]")?.addEventListener("click", clear);
  pop.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.name === "suggests" && event.target.checked) prefill();
    put();
  });
  addEventListener("resize", put);
  const [start, end] = ["start", "end"].map((name) => {
    const field = pop.elements.namedItem(name);
    return field instanceof HTMLInputElement && field.value !== "" ? Number(field.value) : 0;
  });
  const text = answer();
  if (pop.classList.contains("is-open") && text && end) show(pop, place(text, start ?? 0, end).range);
}
