// What happens on the answer meanwhile: pieces from the server are put in without taking anything
// from the hands of who reads, types or selects.
import { soon } from "../soon.js";
import { announce, toast } from "../toast.js";
import { selected } from "./places.js";

const EVERY_MS = 5000;

/**
 * A piece that waits: the new state of a card or a block, null for a card that is gone.
 * @type {Map<string, DocumentFragment | null>}
 */
const waiting = new Map();
// Requests of the page's own that have not been answered yet.
let busy = 0;
// Whether what is being put in was asked for by nobody.
let isNews = false;
/** @type {Element | null} the form or button whose request is being answered, if it did something */
let sender = null;
/** @type {{card: string, act: string} | null} */
let focused = null;
/** @typedef {{elt: Element, xhr: XMLHttpRequest, requestConfig: {triggeringEvent?: Event}}} Answered */
/** Requests whose menu was open as they began: what was chosen there is meant to close it. @type {WeakSet<XMLHttpRequest>} */
const chosenFrom = new WeakSet();

/** @returns {HTMLElement[]} */
const cards = () => [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#margin > .note"))];

/** @param {Element} card @returns {HTMLTextAreaElement[]} */
const fields = (card) => [...card.querySelectorAll("textarea")];

/** @param {Element} card @returns {boolean} whether somebody types or chooses in it, or has typed */
function isInUse(card) {
  return document.activeElement?.closest(".note__edit form")?.closest(".note") === card || fields(card).some((field) => field === document.activeElement || field.value !== field.defaultValue);
}

/** @param {Element} block @returns {boolean} whether words of it are selected, or commented on */
function isSelected(block) {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.rangeCount && selection.getRangeAt(0).intersectsNode(block)) return true;
  return [...CSS.highlights.values()].some((highlight) => [...highlight].some((range) => range instanceof Range && range.intersectsNode(block)));
}

/**
 * Take over what was typed into a card that is replaced, except what has been sent.
 * @param {Element} from
 * @param {ParentNode} to
 */
function carry(from, to) {
  for (const field of fields(from)) {
    const isSent = sender !== null && (sender === field.form || (sender instanceof HTMLButtonElement && sender.form === field.form && sender.dataset.act === "reply"));
    if (isSent || field.value === field.defaultValue) continue;
    const action = field.form?.getAttribute("action") ?? "";
    const same = to.querySelector(`form[action="${CSS.escape(action)}"] textarea[name="${CSS.escape(field.name)}"]`);
    if (!(same instanceof HTMLTextAreaElement)) continue;
    same.value = field.value;
    same.closest("details")?.setAttribute("open", "");
  }
}

/**
 * Remember what has the focus in an element that is about to be replaced.
 * @param {HTMLElement} card
 */
function remember(card) {
  const active = document.activeElement;
  if (!(active instanceof HTMLElement) || !card.contains(active)) return;
  const isReply = active.closest(".note__form") !== null;
  focused = { card: card.id, act: isReply ? "text" : active.dataset.act ?? "" };
}

/** Give the focus back, to the same control of the new card or to the card. */
function restore() {
  if (!focused) return;
  const { card, act } = focused;
  focused = null;
  const element = document.getElementById(card);
  const control = act === "text" ? element?.querySelector(".note__form textarea") : act && element?.querySelector(`[data-act="${CSS.escape(act)}"]`);
  const target = control instanceof HTMLElement ? control : element;
  target?.focus({ preventScroll: true });
}

/**
 * Say on a card that there is news, to be loaded with a click.
 * @param {HTMLElement} card
 * @param {DocumentFragment | null} news
 */
function offer(card, news) {
  waiting.set(card.id, news);
  const count = (news?.querySelectorAll(".note__reply").length ?? 0) - card.querySelectorAll(".note__reply").length;
  const pill = card.querySelector(".note__pill") ?? document.createElement("button");
  pill.className = "note__pill";
  pill.setAttribute("type", "button");
  pill.textContent = news === null ? "Removed" : count > 0 ? `${count} new` : "Changed";
  card.append(pill);
  announce(`${pill.textContent}: ${card.getAttribute("aria-label") ?? "comment"}`);
}

/**
 * Put a card in the place of another, with what was typed and its looks.
 * @param {HTMLElement} card
 * @param {DocumentFragment | null} news
 */
function replace(card, news) {
  waiting.delete(card.id);
  const fresh = news?.querySelector(".note");
  if (!fresh) {
    leave(card);
    card.remove();
    return;
  }
  carry(card, fresh);
  keepLooks(card, fresh);
  remember(card);
  card.replaceWith(fresh);
  /** @type {any} */ (window).htmx.process(fresh);
  restore();
}

/** @param {Element} from @param {Element} to */
function keepLooks(from, to) {
  for (const name of ["is-active", "is-on"]) if (from.classList.contains(name)) to.classList.add(name);
}

/** @param {HTMLElement} card the focus goes on to the next card, the former one, or the answer */
function leave(card) {
  if (!card.contains(document.activeElement)) return;
  const all = cards().filter((one) => one === card || one.checkVisibility());
  const here = all.indexOf(card);
  const next = all[here + 1] ?? all[here - 1] ?? document.getElementById("answer");
  if (next && !next.hasAttribute("tabindex")) next.tabIndex = -1;
  next?.focus({ preventScroll: true });
}

/** @param {Event} event htmx is about to put a piece in */
function beforePiece(event) {
  const detail = /** @type {CustomEvent<{target: HTMLElement, fragment: DocumentFragment, shouldSwap: boolean}>} */ (event).detail;
  const { target, fragment } = detail;
  const known = fragment.querySelector(".note");
  const there = known && document.getElementById(known.id);
  if (target.matches("#answer [data-start]")) {
    if (isNews && isSelected(target)) {
      waiting.set(`block ${target.dataset.start}`, fragment);
      detail.shouldSwap = false;
    }
  } else if (target.matches("#margin > .note") && fragment.childNodes.length === 0) {
    detail.shouldSwap = !isNews || !isInUse(target);
    if (detail.shouldSwap) leave(target);
    else offer(target, null);
  } else if (there && known) {
    // Also when it was meant to be added: it may have come twice.
    detail.shouldSwap = false;
    if (isNews && isInUse(there)) offer(there, fragment);
    else replace(there, fragment);
  }
}

/** Put in the blocks that waited for a selection to go. */
function catchUp() {
  for (const [key, fragment] of waiting) {
    const start = /^block (\d+)$/.exec(key)?.[1];
    const block = start && document.querySelector(`#answer [data-start="${start}"]`);
    if (!block || !fragment || isSelected(block)) continue;
    block.replaceChildren(fragment);
    waiting.delete(key);
  }
}

/** Count the cards anew in their names. */
function number() {
  const all = cards();
  for (const [place, card] of all.entries()) {
    const name = card.getAttribute("aria-label") ?? "";
    const right = name.replace(/^Comment \d+ of \d+/, `Comment ${place + 1} of ${all.length}`);
    if (right !== name) card.setAttribute("aria-label", right);
  }
}

/** Ask what happened since, and put it in. @returns {Promise<void>} */
async function look() {
  const folio = /** @type {HTMLElement | null} */ (document.querySelector("[data-changes]"));
  const since = document.getElementById("since");
  if (!folio?.dataset.changes || !(since instanceof HTMLInputElement) || document.hidden || busy > 0) return;
  if (document.querySelector("#outdated:not([hidden])")) return;
  catchUp();
  const asked = since.value;
  const response = await fetch(`${folio.dataset.changes}?since=${encodeURIComponent(asked)}`, { headers: { "HX-Request": "true" }, redirect: "error" });
  if (response.status !== 200) return;
  const pieces = await response.text();
  // An act of one's own was answered meanwhile, or is about to be, with the same news.
  const now = document.getElementById("since");
  if (busy > 0 || !(now instanceof HTMLInputElement) || now.value !== asked) return;
  isNews = true;
  try {
    /** @type {any} */ (window).htmx.swap(document.body, pieces, { swapStyle: "none" });
  } finally {
    isNews = false;
  }
  // What is drawn of all suggestions together asks for itself.
  document.body.dispatchEvent(new CustomEvent("news"));
}

/** Show resolved comments, too, or not; the cards and marks of one author only, or of all. */
function filter() {
  const resolved = document.getElementById("show-resolved");
  document.getElementById("folio")?.toggleAttribute("data-all", resolved instanceof HTMLInputElement && resolved.checked);
  const choice = document.getElementById("by-author");
  if (!(choice instanceof HTMLSelectElement)) return;
  const author = choice.value;
  const out = new Set(cards().filter((card) => author !== "" && card.dataset.author !== author).map((card) => card.id));
  for (const card of cards()) card.classList.toggle("is-out", out.has(card.id));
  for (const mark of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#answer mark[data-a]"))) {
    mark.classList.toggle("is-out", out.size > 0 && (mark.dataset.a ?? "").split(" ").every((id) => out.has(id)));
  }
}

/**
 * Fill in the selected words before a card is attached to them.
 * @param {Event} event
 * @param {HTMLButtonElement} button
 */
function attach(event, button) {
  const answer = document.getElementById("answer");
  const words = answer ? selected(answer) : null;
  if (!words) {
    event.preventDefault();
    event.stopImmediatePropagation();
    toast("Select the words in the answer first.", "warn");
    return;
  }
  for (const name of /** @type {const} */ (["start", "end", "exact"])) {
    const field = button.form?.elements.namedItem(name);
    if (field instanceof HTMLInputElement) field.value = String(words[name]);
  }
}

/**
 * Change nothing under the hand of who has opened a menu: ask when that closes.
 * @param {Event} event
 * @param {Element} menu
 */
function putOff(event, menu) {
  event.preventDefault();
  menu.addEventListener("toggle", () => document.body.dispatchEvent(new CustomEvent("news")), { once: true });
}

/** Keep up with the answer of this page. */
export function watch() {
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, xhr, requestConfig } = /** @type {CustomEvent<Answered>} */ (event).detail;
    const menu = elt.querySelector(":popover-open");
    if (menu && requestConfig.triggeringEvent?.type === "news") {
      putOff(event, menu);
      return;
    }
    if (menu) chosenFrom.add(xhr);
    busy += 1;
  });
  document.addEventListener("htmx:afterRequest", () => (busy = Math.max(0, busy - 1)));
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt, xhr, requestConfig } = /** @type {CustomEvent<Answered>} */ (event).detail;
    sender = xhr?.status === 200 ? elt : null;
    const menu = elt.querySelector(":popover-open");
    if (menu && !chosenFrom.has(xhr) && ["did", "news"].includes(requestConfig?.triggeringEvent?.type ?? "")) putOff(event, menu);
  });
  document.addEventListener("htmx:oobBeforeSwap", beforePiece);
  document.addEventListener("htmx:afterSettle", soon(() => {
    sender = null;
    number();
    filter();
  }));
  document.addEventListener("click", (event) => {
    const pill = event.target instanceof Element ? event.target.closest(".note__pill") : null;
    const card = /** @type {HTMLElement | null | undefined} */ (pill?.closest(".note"));
    if (!pill || !card) return;
    const news = waiting.get(card.id) ?? null;
    pill.remove();
    replace(card, news);
    document.dispatchEvent(new CustomEvent("htmx:afterSettle", { detail: { elt: card } }));
  });
  const attaching = (/** @type {Event} */ event) => event.target instanceof Element ? event.target.closest("button[data-act=reattach]") : null;
  // The selection shall outlive the press.
  document.addEventListener("mousedown", (event) => attaching(event) && event.preventDefault());
  document.addEventListener("click", (event) => {
    const button = attaching(event);
    if (button instanceof HTMLButtonElement) attach(event, button);
  }, { capture: true });
  document.addEventListener("change", (event) => {
    if (event.target instanceof Element && event.target.matches("#by-author, #show-resolved")) {
      filter();
      dispatchEvent(new Event("resize"));
    }
  });
  // A reply is sent with Ctrl+Enter, and nothing else is.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    const field = event.target instanceof HTMLTextAreaElement && event.target.closest(".note") ? event.target : null;
    if (!field) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    field.form?.requestSubmit();
  }, { capture: true });
  // A browser may have kept what was chosen.
  filter();
  const again = () => look().catch(() => undefined);
  setInterval(again, EVERY_MS);
  document.addEventListener("visibilitychange", again);
}
