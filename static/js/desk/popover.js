// The comment on selected words: a bar at the selection, which takes no focus, then a form.
import { announce, toast } from "../toast.js";
import { isField } from "../keys.js";
import * as chooser from "./chooser.js";
import * as kept from "./kept.js";
import { areSeveral, expanded, place, selected } from "./places.js";
import * as preview from "./preview.js";

const EDGE = 12;
const GAP = 8;
const TOUCH_MS = 300;
const UNDO_MS = 8000;
const LAST = "last-reason";

/** @typedef {import("./places.js").Place} Place */

/** What the form is about. @type {Place | null} */
let chosen = null;
/** Where the focus was before the form took it. @type {Element | null} */
let former = null;
let request = "";
/** The Markdown that a suggestion starts from; the words themselves until it is known. */
let offered = "";
/** What was written to an answer that has changed since. @type {import("./kept.js").Kept | null} */
let carried = null;

const form = () => /** @type {HTMLFormElement | null} */ (document.getElementById("pop"));
const answer = () => document.getElementById("answer");
const comment = () => /** @type {HTMLTextAreaElement | null} */ (document.getElementById("pop-comment"));
const replacement = () => /** @type {HTMLTextAreaElement | null} */ (document.getElementById("pop-replacement"));

/** Whether the bar or the form is open. @returns {boolean} */
export function isOpen() {
  return form()?.classList.contains("is-open") ?? false;
}

/** Whether there is a form to write in. @returns {boolean} */
export function isComposing() {
  return isOpen() && form()?.dataset.stage === "note";
}

/**
 * @param {string} name
 * @returns {HTMLInputElement | null}
 */
function field(name) {
  const found = form()?.elements.namedItem(name);
  const one = found instanceof RadioNodeList ? found[0] : found;
  return one instanceof HTMLInputElement ? one : null;
}

/**
 * @param {string} name
 * @param {string | number | boolean} value
 */
function set(name, value) {
  const input = field(name);
  if (input && typeof value === "boolean") input.checked = value;
  else if (input) input.value = String(value);
}

/** @param {string} words */
function say(words) {
  const line = form()?.querySelector("[data-said]");
  if (line) line.textContent = words;
  if (words) announce(words);
}

/** @param {...(Node | string)} nodes */
function complain(...nodes) {
  document.getElementById("pop-errors")?.replaceChildren(...nodes);
}

/* ------------------------------------------------------------------ the bar */

/** Open the bar for what is selected in the answer, if anything is. */
export function open() {
  const text = answer();
  if (!form() || !text || (isComposing() && isTyped())) return;
  if (areSeveral()) {
    toast("Select one stretch of words at a time.", "warn");
    return;
  }
  const place = selected(text);
  if (place) show(place);
}

/** @param {Place} place */
function show(place) {
  const pop = form();
  if (!pop) return;
  if (isComposing()) close();
  chooser.close();
  take(place);
  pop.dataset.stage = "bar";
  pop.classList.add("is-open");
  // The selection itself is what is seen, as long as it is there.
  CSS.highlights.delete("pending");
  say(place.isTrimmed ? "Trimmed to the answer" : "");
  put();
}

/** @param {Place} place */
function take(place) {
  chosen = place;
  offered = place.exact;
  request = crypto.randomUUID();
  for (const name of /** @type {const} */ (["start", "end", "exact"])) set(name, place[name]);
  set("version", answer()?.dataset.version ?? "");
  set("request_key", request);
  press("");
  const quote = form()?.querySelector("[data-quote]");
  if (quote) quote.textContent = place.exact.length > 160 ? `${place.exact.slice(0, 159)}…` : place.exact;
  complain();
}

/**
 * Widen the selection.
 * @param {import("./places.js").Unit} unit
 */
export function widen(unit) {
  const text = answer();
  if (!text || !chosen || isComposing()) return;
  const place = expanded(text, chosen, unit);
  const { startContainer, startOffset, endContainer, endOffset } = place.range;
  getSelection()?.setBaseAndExtent(startContainer, startOffset, endContainer, endOffset);
  show(place);
}

/** Put what is open 8 px under the last selected line, or above the first where there is no room. */
export function put() {
  const pop = form();
  const sheet = pop?.offsetParent;
  if (!pop || !chosen || !isOpen()) return;
  if (getComputedStyle(pop).position === "fixed" || !sheet) {
    pop.style.top = pop.style.left = "";
    return;
  }
  const lines = [...chosen.range.getClientRects()].filter((line) => line.width > 0);
  const folio = pop.closest(".folio")?.getBoundingClientRect();
  const [first, last] = [lines[0], lines.at(-1)];
  if (!first || !last || !folio) return;
  const area = sheet.getBoundingClientRect();
  const ceiling = Math.max(folio.top + (document.querySelector(".folio__bar")?.clientHeight ?? 0), 0) + 4;
  const floor = Math.min(folio.bottom, innerHeight) - 4;
  const { offsetHeight: height, offsetWidth: width } = pop;
  const low = Math.max(...lines.map((line) => line.bottom)) + GAP;
  const high = Math.min(...lines.map((line) => line.top)) - GAP - height;
  // A selection that fills the view leaves room on neither side: then the foot of the view.
  const top = low + height <= floor ? low : high >= ceiling ? high : Math.max(ceiling, floor - height);
  const left = Math.min(last.left, Math.min(folio.right, innerWidth) - width - EDGE);
  pop.style.top = `${top - area.top}px`;
  pop.style.left = `${Math.max(folio.left + EDGE, left) - area.left}px`;
}

/* ------------------------------------------------------------------ the form */

/** Whether anything was typed. @returns {boolean} */
function isTyped() {
  const words = replacement();
  const isChanged = (field("suggests")?.checked ?? false) && words?.value !== offered;
  return (comment()?.value.trim() ?? "") !== "" || isChanged;
}

/** Go on from the bar to the form; a comment kept for these words is there again. */
export function write() {
  const pop = form();
  const [text, words] = [comment(), replacement()];
  if (!pop || !chosen || !text || !words) return;
  if (!isComposing()) {
    former = document.activeElement;
    const version = answer()?.dataset.version ?? "";
    const found = kept.find({ version, start: chosen.start, end: chosen.end });
    const draft = found ?? carried;
    text.value = draft?.comment ?? "";
    words.value = draft?.suggests && found ? draft.replacement : "";
    set("suggests", draft?.suggests ?? false);
    press(draft?.reason ?? "");
    if (found) set("request_key", (request = found.request));
    else if (carried) say("What you wrote to words that are gone is kept here.");
  }
  pop.dataset.stage = "note";
  pop.classList.add("is-open");
  // Focus in a field takes the selection away; this keeps its looks.
  CSS.highlights.set("pending", new Highlight(chosen.range));
  grow();
  put();
  text.focus({ preventScroll: true });
}

/** Suggest other words, starting from the selected ones. */
export function suggest() {
  if (!chosen) return;
  if (!isComposing()) write();
  set("suggests", true);
  prefill();
  put();
  replacement()?.focus({ preventScroll: true });
}

/** Start from the Markdown of the words, and show what comes of it. */
function prefill() {
  const pop = form();
  const words = replacement();
  if (!pop || !words) return;
  const isFirst = !words.value;
  if (isFirst) words.value = offered;
  grow();
  void preview.ask(pop, isFirst).then((source) => {
    if (source !== null && words.value === offered) words.value = source;
    if (source !== null) offered = source;
    grow();
    put();
  });
}

/** Make the fields as high as what is in them. */
function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  for (const area of [comment(), replacement()]) {
    if (!area) continue;
    area.style.height = "";
    area.style.height = `${Math.min(area.scrollHeight + 2, 240)}px`;
  }
}

/** Keep what is typed, in this tab. */
function save() {
  if (!chosen || !isComposing()) return;
  const { start, end, exact } = chosen;
  kept.keep({
    start,
    end,
    exact,
    version: field("version")?.value ?? "",
    reason: field("reason")?.value ?? "",
    comment: comment()?.value ?? "",
    replacement: replacement()?.value ?? "",
    suggests: (field("suggests")?.checked ?? false) && isTyped(),
    request,
    at: Date.now(),
  });
  count();
}

/** Forget what is typed about these words. */
function forget() {
  if (chosen) kept.forget({ version: field("version")?.value ?? "", start: chosen.start, end: chosen.end });
  if (carried) kept.forget(carried);
  carried = null;
  count();
}

/** Say how many comments wait to be sent, on the button that opens them. */
function count() {
  const button = document.getElementById("drafts");
  const waiting = kept.all().length;
  if (!button) return;
  button.hidden = waiting === 0 || (waiting === 1 && isComposing());
  button.textContent = `${waiting} comment${waiting === 1 ? "" : "s"} not sent`;
}

/**
 * Open the form on a kept comment.
 * @param {import("./kept.js").Kept} draft
 * @param {boolean} isAsked whether somebody asked for it, or the page has just come up
 */
function resume(draft, isAsked) {
  const text = answer();
  if (!text) return;
  close();
  const before = document.activeElement;
  const isCurrent = draft.version === text.dataset.version;
  const at = isCurrent ? place(text, draft.start, draft.end) : again(text, draft.exact);
  if (!at || (isCurrent && at.exact !== draft.exact)) {
    carried = draft;
    if (isAsked) toast("The words it was about are gone. Select others and press C; your text will be there.", "warn");
    return;
  }
  take(at);
  if (!isCurrent) {
    kept.forget(draft);
    kept.keep({ ...draft, start: at.start, end: at.end, version: text.dataset.version ?? "", request: crypto.randomUUID() });
  }
  write();
  if (!isCurrent) say("The answer changed. Check that these are still the words you mean.");
  if (isAsked) at.range.startContainer.parentElement?.scrollIntoView({ block: "center" });
  else if (before instanceof HTMLElement) {
    comment()?.blur();
    former = null;
  }
  put();
}

/**
 * The only place of these words in the answer as it is now.
 * @param {HTMLElement} text
 * @param {string} exact
 * @returns {Place | null}
 */
function again(text, exact) {
  const all = place(text, 0, Number.MAX_SAFE_INTEGER).exact;
  const at = all.indexOf(exact);
  if (at < 0 || all.includes(exact, at + 1)) return null;
  const start = [...all.slice(0, at)].length;
  return place(text, start, start + [...exact].length);
}

/* ------------------------------------------------------------------ reasons */

/**
 * Show which reason is chosen.
 * @param {string} slug
 */
function press(slug) {
  set("reason", slug);
  for (const chip of reasons()) chip.setAttribute("aria-pressed", String(chip.value === slug));
}

/** @returns {HTMLButtonElement[]} */
const reasons = () => [.../** @type {NodeListOf<HTMLButtonElement>} */ (form()?.querySelectorAll("[data-reason]") ?? [])];

/** The reason used last stands first. */
function arrange() {
  const slug = localStorage.getItem(LAST);
  const last = slug ? reasons().find((chip) => chip.value === slug) : undefined;
  if (last) last.parentElement?.prepend(last);
  const more = /** @type {HTMLElement | null} */ (form()?.querySelector("[data-pop=more]"));
  if (more) more.hidden = !reasons().some((chip) => chip.matches("[data-more]"));
}

/**
 * From the bar a reason marks the words at once; in the form it is ticked for what is written.
 * @param {HTMLButtonElement} chip
 */
function pick(chip) {
  const isAtOnce = !isComposing();
  press(isAtOnce || field("reason")?.value !== chip.value ? chip.value : "");
  localStorage.setItem(LAST, chip.value);
  if (isAtOnce) send();
  else save();
}

/**
 * Choose the reason with this digit.
 * @param {string} digit
 * @returns {boolean} whether there is one
 */
export function choose(digit) {
  const chip = reasons().find((one) => one.dataset.key === digit);
  if (chip) pick(chip);
  return chip !== undefined;
}

/* ------------------------------------------------------------------ closing and sending */

/** Close what is open. What was typed stays as a draft. */
export function close() {
  const pop = form();
  if (!pop) return;
  ask(false);
  pop.classList.remove("is-open");
  delete pop.dataset.stage;
  preview.clear();
  CSS.highlights.delete("pending");
  chosen = null;
  count();
}

/** Close one level, and give the focus back; what was typed is not dropped unasked. */
export function leave() {
  const wasComposing = isComposing();
  if (wasComposing && isTyped() && !isAsking()) {
    ask(true);
    return;
  }
  const range = chosen?.range;
  close();
  if (!wasComposing) {
    getSelection()?.removeAllRanges();
    return;
  }
  if (former instanceof HTMLElement && former.isConnected && former !== document.body) former.focus({ preventScroll: true });
  else answer()?.focus({ preventScroll: true });
  if (range) getSelection()?.setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
}

const question = () => /** @type {HTMLElement | null} */ (form()?.querySelector("[data-ask]"));
const isAsking = () => question()?.hidden === false;

/** @param {boolean} isOn */
function ask(isOn) {
  const asked = question();
  if (!asked || asked.hidden !== isOn) return;
  asked.hidden = !isOn;
  put();
  if (isOn) /** @type {HTMLElement | null} */ (asked.querySelector("[data-pop=keep]"))?.focus();
}

/** Send the form. */
export function send() {
  form()?.requestSubmit();
}

let sent = { isQuiet: false, isOver: true };

/**
 * What was sent is stored: forget it, and offer to take it back.
 * @param {string} id of its card
 * @returns {boolean} whether the words were marked from the bar, without a form
 */
export function written(id) {
  const { isQuiet } = sent;
  sent.isOver = true;
  forget();
  close();
  form()?.reset();
  arrange();
  if (isQuiet) toast("Marked. Enter adds a note.", "good", { label: "Undo", run: () => undo(id), ms: UNDO_MS });
  return isQuiet;
}

/**
 * Take a comment back, without being asked whether that is meant.
 * @param {string} id
 */
function undo(id) {
  const remove = document.getElementById(id)?.querySelector("[data-act=delete]");
  if (!(remove instanceof HTMLElement)) return;
  remove.dataset.sure = "";
  remove.click();
}

/** A request that did not get through: what is typed stays, and one click sends it again. */
function lost() {
  const again = document.createElement("button");
  again.className = "btn btn--s push";
  again.type = "submit";
  again.textContent = "Send again";
  const alert = document.createElement("div");
  alert.className = "alert alert--bad";
  alert.append("Postil cannot be reached. Nothing is lost: it is kept here.", again);
  complain(alert);
  put();
}

/* ------------------------------------------------------------------ listening */

/** @param {Event} event */
function isWithin(event) {
  return event.target instanceof Element && event.target.closest("#pop, #drafts, .toast") !== null;
}

/** After the answer was swapped, the same place lies in other nodes. */
export function renew() {
  const text = answer();
  if (!text || !chosen || (chosen.range.startContainer.isConnected && !chosen.range.collapsed)) return;
  const same = place(text, chosen.start, chosen.end);
  if (same.exact !== chosen.exact) return;
  chosen = same;
  if (isComposing()) CSS.highlights.set("pending", new Highlight(same.range));
  put();
}

/** @type {Record<string, (button: HTMLElement) => void>} */
const PRESSED = {
  comment: write,
  suggest,
  word: () => widen("word"),
  sentence: () => widen("sentence"),
  block: () => widen("block"),
  more: (button) => {
    button.hidden = true;
    for (const chip of reasons()) chip.removeAttribute("data-more");
    put();
  },
  cancel: leave,
  keep: leave,
  discard: () => {
    forget();
    const text = comment();
    if (text) text.value = "";
    set("suggests", false);
    leave();
  },
};

/** @param {HTMLFormElement} pop */
function watchForm(pop) {
  // Pressing a button takes neither the focus nor the selection.
  pop.addEventListener("mousedown", (event) => {
    if (event.target instanceof Element && !event.target.closest("textarea, input, label, [data-quote]")) event.preventDefault();
  });
  pop.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.matches("[data-reason]")) {
      event.preventDefault();
      pick(button);
    } else if (button?.dataset.pop) PRESSED[button.dataset.pop]?.(button);
  });
  pop.addEventListener("input", (event) => {
    grow();
    save();
    if (event.target === replacement()) preview.later(pop, put);
  });
  pop.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.name === "suggests" && event.target.checked) prefill();
    put();
  });
  pop.addEventListener("submit", (event) => {
    sent = { isQuiet: !isComposing(), isOver: false };
    // A button that sends the form from among the errors has to be there until it is sent.
    if (!event.submitter?.closest("#pop-errors")) complain();
  });
  for (const name of ["sendError", "timeout"]) {
    document.addEventListener(`htmx:${name}`, (event) => {
      if (/** @type {CustomEvent<{elt: Element}>} */ (event).detail.elt === pop) lost();
    });
  }
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr } = /** @type {CustomEvent<{elt: Element, xhr: XMLHttpRequest}>} */ (event).detail;
    if (elt !== pop || (xhr.status >= 200 && xhr.status < 300)) return;
    sent.isOver = true;
    put();
  });
}

function watchSelection() {
  const isCoarse = matchMedia("(pointer: coarse)");
  document.addEventListener("pointerup", (event) => {
    if (isWithin(event) || isCoarse.matches) return;
    // The browser has not yet cleared an old selection when the button is let go.
    setTimeout(open);
  });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pending;
  document.addEventListener("selectionchange", () => {
    // The handles of a touch screen move the selection without a pointer that is let go here.
    if (isCoarse.matches) {
      clearTimeout(pending);
      pending = setTimeout(() => (getSelection()?.isCollapsed === false ? open() : undefined), TOUCH_MS);
    }
    // A bar without its selection has nothing to be about.
    if (isOpen() && form()?.dataset.stage === "bar" && getSelection()?.isCollapsed && sent.isOver && !document.querySelector("dialog[open]")) close();
  });
  document.addEventListener("keyup", (event) => {
    if (!document.querySelector("dialog[open]") && !isField(event.target) && (event.shiftKey || event.key === "Shift")) open();
  });
  document.addEventListener("pointerdown", (event) => {
    if (isOpen() && !isWithin(event) && !isTyped()) close();
  });
  // Where a long press selects nothing by itself, it takes the word.
  document.addEventListener("contextmenu", (event) => {
    if (!isCoarse.matches || getSelection()?.isCollapsed === false) return;
    const text = answer();
    const at = document.caretRangeFromPoint?.(event.clientX, event.clientY);
    if (!text || !at || !text.contains(at.startContainer)) return;
    event.preventDefault();
    getSelection()?.setBaseAndExtent(at.startContainer, at.startOffset, at.startContainer, at.startOffset);
    getSelection()?.modify("move", "backward", "word");
    getSelection()?.modify("extend", "forward", "word");
  });
}

/** Listen to selections, and open the form that the address or an earlier visit asked for. */
export function watch() {
  const pop = form();
  if (!pop) return;
  arrange();
  watchForm(pop);
  watchSelection();
  document.addEventListener("htmx:confirm", (event) => {
    const { elt, issueRequest } = /** @type {CustomEvent<{elt: HTMLElement, issueRequest: (sure: boolean) => void}>} */ (event).detail;
    if (elt.dataset.sure === undefined) return;
    event.preventDefault();
    issueRequest(true);
  });
  document.getElementById("drafts")?.addEventListener("click", () => {
    const waiting = kept.all();
    const here = waiting.findIndex((one) => chosen && one.start === chosen.start && one.end === chosen.end);
    const next = waiting[(here + 1) % waiting.length];
    if (next) resume(next, true);
  });
  addEventListener("resize", put);
  // Over the keyboard of the screen, where there is one.
  const view = window.visualViewport;
  const lift = () => {
    if (view) document.documentElement.style.setProperty("--keyboard", `${Math.max(0, innerHeight - view.height - view.offsetTop)}px`);
  };
  view?.addEventListener("resize", lift);
  view?.addEventListener("scroll", lift);
  const text = answer();
  const [start, end] = ["start", "end"].map((name) => Number(field(name)?.value ?? ""));
  const [latest] = kept.all();
  if (pop.classList.contains("is-open") && text && end) {
    const typed = [comment()?.value ?? "", field("reason")?.value ?? "", replacement()?.value ?? ""];
    const suggests = field("suggests")?.checked ?? false;
    chosen = place(text, start ?? 0, end);
    request = field("request_key")?.value || crypto.randomUUID();
    set("request_key", request);
    pop.dataset.stage = "note";
    CSS.highlights.set("pending", new Highlight(chosen.range));
    press(typed[1] ?? "");
    set("suggests", suggests);
    put();
  } else if (latest) resume(latest, false);
  count();
}
