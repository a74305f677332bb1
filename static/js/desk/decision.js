// The form of the decision: its keys, and what follows from what is entered.
import * as draft from "./draft.js";

/** Reasons that the reviewer has ticked or unticked. @type {Set<string>} */
const chosen = new Set();
/** What the rules of routing go by. */
const DECIDES = new Set(["verdict", "severity", "reasons"]);

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
 * @param {string} digit
 * @returns {HTMLInputElement | null | undefined}
 */
function box(digit) {
  return form()?.querySelector(`.decide__reasons label[data-cat="${CSS.escape(digit)}"] input`);
}

/**
 * Tick or untick the reason with this digit.
 * @param {string} digit
 */
export function reason(digit) {
  const input = box(digit);
  if (!input) return;
  unfold();
  input.click();
}

/**
 * The reviewer gave a reason on words: tick it here too, unless they have chosen otherwise.
 * @param {string} note the id of its note
 */
export function given(note) {
  const input = box(document.getElementById(note)?.dataset.cat ?? "");
  if (!input || input.checked || chosen.has(input.value)) return;
  input.checked = true;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  chosen.delete(input.value);
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

function openDrawer() {
  const drawer = document.getElementById("drawer");
  if (drawer instanceof HTMLDetailsElement) drawer.open = true;
}

function unfold() {
  openDrawer();
  const more = document.getElementById("dmore");
  if (more instanceof HTMLInputElement) more.checked = true;
}

/**
 * @param {number} count
 * @param {string} noun
 * @returns {string[]}
 */
function counted(count, noun) {
  return count ? [`${count} ${noun}${count === 1 ? "" : "s"}`] : [];
}

/** Say what is given where it is folded away, and tick No action while no route is ticked. */
function sum() {
  const decision = form();
  if (!decision) return;
  const data = new FormData(decision);
  const routes = data.getAll("routes").length;
  const inDrawer = [...counted(data.getAll("reasons").length, "reason"), ...(data.get("comment") ? ["a comment"] : [])];
  const severity = decision.querySelector("[name=severity]:checked")?.closest("label")?.textContent?.trim();
  tell("[data-given]", inDrawer.join(", "));
  tell("[data-more]", [...(severity ? [severity] : []), ...counted(routes, "route"), ...inDrawer].join(", ") || "More");
  const none = decision.querySelector("[data-no-route]");
  if (none instanceof HTMLInputElement) none.checked = routes === 0;
}

/**
 * @param {string} selector
 * @param {string} words
 */
function tell(selector, words) {
  const element = form()?.querySelector(selector);
  if (element) element.textContent = words;
}

/**
 * A mark that is on its way may bring the reason that the decision needs: send after it.
 * @param {Event} event htmx is about to ask the server
 */
function wait(event) {
  const { elt, issueRequest } = /** @type {CustomEvent<{elt: Element, issueRequest: (sure: boolean) => void}>} */ (event).detail;
  if (elt !== form() || !document.querySelector("#pop.htmx-request")) return;
  event.preventDefault();
  const over = new AbortController();
  const go = () => {
    over.abort();
    issueRequest(true);
  };
  document.addEventListener("did", go, { signal: over.signal });
  document.addEventListener("htmx:afterRequest", (answer) => {
    const { elt: asked, successful } = /** @type {CustomEvent<{elt: Element, successful: boolean}>} */ (answer).detail;
    if (asked.id === "pop" && !successful) go();
  }, { signal: over.signal });
}

/** Who chose the routes, as it is sent. @returns {HTMLInputElement | null} */
function routesBy() {
  return form()?.querySelector("[name=routes_by]") ?? null;
}

/** @returns {HTMLInputElement[]} */
const routes = () => [...(form()?.querySelectorAll("[name=routes]") ?? [])].filter((one) => one instanceof HTMLInputElement);

/** What the rules propose. @returns {string[]} */
const proposed = () => document.getElementById("proposed")?.dataset.routes?.split(" ").filter(Boolean) ?? [];

/** Whether what is ticked is what the rules propose. @returns {boolean} */
function isAsProposed() {
  const wanted = proposed();
  return routes().every((route) => route.checked === wanted.includes(route.value));
}

/** Tick what the rules propose, unless the reviewer has chosen, and say which it is. */
function follow() {
  const by = routesBy();
  if (!by) return;
  if (!by.value) by.value = isAsProposed() || !routes().some((route) => route.checked) ? "rule" : "person";
  if (by.value === "rule") for (const route of routes()) route.checked = proposed().includes(route.value);
  const said = document.getElementById("proposed");
  for (const element of said?.querySelectorAll("[data-agreed]") ?? []) element.toggleAttribute("hidden", !isAsProposed());
  for (const element of said?.querySelectorAll("[data-overruled], [data-by-rule]") ?? []) element.toggleAttribute("hidden", isAsProposed());
}

let asked = new AbortController();

/** Ask the rules about what is entered now. Unanswered, they are asked again with the submit. */
async function ask() {
  asked.abort();
  const mine = (asked = new AbortController());
  const decision = form();
  const address = document.getElementById("proposed")?.dataset.ask;
  if (!decision || !address) return;
  const said = [...new FormData(decision)].filter(([name]) => DECIDES.has(name));
  const query = new URLSearchParams(/** @type {[string, string][]} */ (said));
  try {
    const answer = await fetch(`${address}?${query}`, { signal: mine.signal });
    const html = answer.ok && !answer.redirected ? await answer.text() : "";
    const shown = document.getElementById("proposed");
    if (!html || !shown || mine.signal.aborted) return;
    shown.outerHTML = html;
  } catch {
    return;
  }
  follow();
  sum();
}

/** Listen to the form; it may be swapped at any time. */
export function watch() {
  follow();
  document.addEventListener("htmx:confirm", wait);
  // Before the draft is read from the form.
  document.addEventListener("input", (event) => {
    const field = event.target instanceof HTMLInputElement ? event.target : null;
    if (field?.name === "verdict" && field.value !== "accept" && !form()?.querySelector("[name=reasons]:checked")) openDrawer();
    if (field?.id === "dmore" && field.checked) openDrawer();
    if (field?.name === "reasons") chosen.add(field.value);
    if (field?.matches("[data-no-route]")) {
      for (const route of routes()) route.checked = false;
    }
    const by = routesBy();
    if (by && (field?.name === "routes" || field?.matches("[data-no-route]"))) {
      by.value = "person";
      follow();
    }
    if (DECIDES.has(field?.name ?? "")) void ask();
    sum();
  }, { capture: true });
  document.addEventListener("click", (event) => {
    const by = event.target instanceof Element && event.target.closest("[data-by-rule]") ? routesBy() : null;
    if (!by) return;
    by.value = "rule";
    follow();
    by.dispatchEvent(new Event("input", { bubbles: true }));
    routes()[0]?.focus();
  });
  document.addEventListener("draft", () => {
    follow();
    void ask();
    sum();
  });
  draft.watch();
  show();
}

/** What needs a script is shown by it. */
function show() {
  for (const element of document.querySelectorAll("[data-scripted]")) element.removeAttribute("hidden");
  sum();
}

/** The form may have been swapped. */
export function refresh() {
  follow();
  draft.refresh();
  show();
}
