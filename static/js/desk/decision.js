// The form of the decision: its keys, the corrected answer, and the draft kept in this browser.

const SAVE_MS = 400;
const FIELDS = ["verdict", "severity", "confidence", "comment", "correction", "reasons", "routes"];

/** @typedef {{at: string, fields: [string, string][]}} Draft */

/** @returns {HTMLFormElement | null} */
const form = () => /** @type {HTMLFormElement | null} */ (document.getElementById("decide-form"));

/** Whether there is a decision to take. @returns {boolean} */
export function isThere() {
  return form() !== null;
}

/**
 * Press the verdict with this key.
 * @param {string} key
 * @returns {boolean} whether there was one
 */
export function verdict(key) {
  const input = form()?.querySelector(`label[data-key="${CSS.escape(key)}"] input`);
  if (!(input instanceof HTMLInputElement)) return false;
  input.click();
  return true;
}

/**
 * Tick or untick the reason with this digit.
 * @param {string} digit
 */
export function reason(digit) {
  const input = form()?.querySelector(`.decide__reasons label[data-cat="${CSS.escape(digit)}"] input`);
  if (!(input instanceof HTMLInputElement)) return;
  unfold();
  input.click();
}

/** Go to the comment on the whole answer. */
export function focusComment() {
  unfold();
  document.getElementById("decide-comment")?.focus();
}

/** Send the decision. */
export function send() {
  form()?.requestSubmit();
}

function unfold() {
  const drawer = document.getElementById("drawer");
  if (drawer instanceof HTMLDetailsElement) drawer.open = true;
}

/** The answer as it was sent. @returns {string} */
function source() {
  const data = document.getElementById("source")?.textContent;
  return data ? /** @type {string} */ (JSON.parse(data)) : "";
}

/* ------------------------------------------------------------------ draft */

/** @returns {string} */
function key() {
  const page = /** @type {HTMLElement | null} */ (document.querySelector("[data-item]"));
  return `draft-${page?.dataset.item ?? ""}`;
}

/** @returns {Draft | null} */
function stored() {
  const text = localStorage.getItem(key());
  try {
    return text ? /** @type {Draft} */ (JSON.parse(text)) : null;
  } catch {
    return null;
  }
}

/** What the form holds. @returns {[string, string][]} */
function fields() {
  const decision = form();
  if (!decision) return [];
  return [...new FormData(decision)].flatMap(([name, value]) =>
    FIELDS.includes(name) && typeof value === "string" && value !== "" ? [/** @type {[string, string]} */ ([name, value])] : [],
  );
}

function save() {
  const given = fields();
  if (given.length === 0) localStorage.removeItem(key());
  else localStorage.setItem(key(), JSON.stringify({ at: new Date().toISOString(), fields: given }));
  say(given.length ? `Draft kept ${clock(new Date())}` : "");
}

/**
 * @param {Date} at
 * @returns {string}
 */
function clock(at) {
  return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/**
 * @param {string} text
 * @param {...(Node | string)} more
 */
function say(text, ...more) {
  document.getElementById("draft")?.replaceChildren(text, ...more);
}

/** Offer what was typed before the page was left, unless the server has kept it. */
function offer() {
  const draft = stored();
  if (!draft || !form() || fields().length) return;
  const restore = button("Restore");
  const discard = button("Discard");
  restore.addEventListener("click", () => fill(draft));
  discard.addEventListener("click", () => {
    localStorage.removeItem(key());
    say("");
  });
  say(`Draft from ${clock(new Date(draft.at))}. `, restore, " ", discard);
}

/**
 * @param {string} text
 * @returns {HTMLButtonElement}
 */
function button(text) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "link";
  made.textContent = text;
  return made;
}

/** @param {Draft} draft */
function fill(draft) {
  for (const [name, value] of draft.fields) {
    for (const field of form()?.elements ?? []) {
      if (field.getAttribute("name") !== name) continue;
      if (field instanceof HTMLInputElement) field.checked ||= field.value === value;
      else if (field instanceof HTMLTextAreaElement || field instanceof HTMLSelectElement) field.value = value;
    }
  }
  if (draft.fields.some(([name]) => !["verdict", "severity", "routes"].includes(name))) unfold();
  save();
}

/** Listen to the form; it may be swapped at any time. */
export function watch() {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pending;
  document.addEventListener("input", (event) => {
    const field = event.target instanceof Element ? event.target : null;
    if (!field?.closest("#decide-form")) return;
    if (field instanceof HTMLInputElement && field.name === "verdict" && field.value !== "accept") unfold();
    clearTimeout(pending);
    pending = setTimeout(save, SAVE_MS);
  });
  document.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element ? event.target.closest("[data-prefill]") : null;
    const field = document.getElementById("decide-correction");
    if (!pressed || !(field instanceof HTMLTextAreaElement)) return;
    if (!field.value) field.value = source();
    field.focus();
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { elt, xhr } = /** @type {CustomEvent<{elt: Element, xhr: XMLHttpRequest}>} */ (event).detail;
    if (elt !== form() || !xhr.getResponseHeader("HX-Redirect")) return;
    clearTimeout(pending);
    localStorage.removeItem(key());
  });
  refresh();
  offer();
}

/** What needs a script is shown by it. */
export function refresh() {
  for (const element of document.querySelectorAll("[data-prefill]")) element.removeAttribute("hidden");
}
