// The draft of a decision. Every change is kept in this browser at once, and on the server soon
// after. Tabs of one browser show one draft; another browser is met by its revision.
import { announce } from "../toast.js";

const SAVE_MS = 400;
const RETRY_MS = 10_000;
const MOST_SENT = 4;
// A browser sends this much as a page closes.
const MOST_AT_CLOSE = 60_000;
const NAMES = new Map([
  ["verdict", "Verdict"],
  ["severity", "Severity"],
  ["routes", "Route to"],
  // Goes with the routes, and says nothing by itself.
  ["routes_by", ""],
  ["reasons", "Reasons"],
  ["confidence", "How sure"],
  ["comment", "Comment"],
  ["correction", "Corrected answer"],
]);

/** @typedef {[string, string][]} Fields by name, as a form sends them; empty ones are left out */

/**
 * @typedef {object} Kept
 * @property {number} revision the server's, that the fields were changed from
 * @property {Fields} fields
 * @property {number} edited when somebody entered these, in ms; of two tabs' the later are the draft
 * @property {string} version of the answer beside them
 * @property {boolean} isSaved whether the server has them
 * @property {Fields[]} sent what was sent and not answered: it is no news that the server has that
 */

/** @typedef {{revision: number, at: string, fields?: Record<string, string | string[]>, done?: boolean}} Answer */

/** @type {Kept} */
let kept = { revision: 0, fields: [], edited: 0, version: "", isSaved: true, sent: [] };
/** @type {HTMLFormElement | null} */
let known = null;
/** @type {Answer | null} What was saved elsewhere, while it is asked which one to keep. */
let other = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let pending;
let isSending = false;
let isSubmitting = false;
/** @type {(string | Node)[]} */
let said = [];
/** Why it could not be saved last; empty while all is well. */
let warned = "";

/** @returns {HTMLElement | null} */
const bar = () => document.getElementById("decide");
/** @returns {HTMLFormElement | null} */
const form = () => /** @type {HTMLFormElement | null} */ (document.getElementById("decide-form"));
/** Where drafts of this page go; the bar may be out of the page while it is swapped. */
const address = bar()?.dataset.draft ?? "";
const key = `draft ${bar()?.dataset.by} ${address}`;

/**
 * @param {Fields} one
 * @param {Fields} another
 * @returns {boolean}
 */
function same(one, another) {
  const [a, b] = [one, another].map((fields) => JSON.stringify([...fields].sort((x, y) => (x.join(" ") < y.join(" ") ? -1 : 1))));
  return a === b;
}

/** What the form holds. @returns {Fields} */
function entered() {
  const decision = form();
  if (!decision) return [];
  return [...new FormData(decision)].flatMap(([name, value]) =>
    NAMES.has(name) && typeof value === "string" && value !== "" ? [/** @type {[string, string]} */ ([name, value])] : [],
  );
}

/**
 * Put fields into the form, and nothing else.
 * @param {Fields} fields
 */
function fill(fields) {
  for (const field of form()?.elements ?? []) {
    const name = field.getAttribute("name") ?? "";
    if (!NAMES.has(name)) continue;
    const values = fields.flatMap(([one, value]) => (one === name ? [value] : []));
    if (field instanceof HTMLInputElement && field.matches("[type=radio], [type=checkbox]")) field.checked = values.includes(field.value);
    else if (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement || field instanceof HTMLSelectElement) {
      if (field.value !== (values[0] ?? "")) field.value = values[0] ?? "";
    }
  }
  document.dispatchEvent(new Event("draft"));
}

/* ------------------------------------------------------------------ in this browser */

/** @returns {Kept | null} */
function stored() {
  try {
    return /** @type {Kept | null} */ (JSON.parse(localStorage.getItem(key) ?? "null"));
  } catch {
    return null;
  }
}

/** @returns {boolean} whether this browser could keep it */
function store() {
  try {
    localStorage.setItem(key, JSON.stringify(kept));
    return true;
  } catch {
    return false;
  }
}

/** Take up what another tab of this browser has. @param {Kept} theirs */
function adopt(theirs) {
  if (isSubmitting) return;
  if (theirs.edited < kept.edited) {
    // It was kept there before this tab's was heard of.
    const sent = [...theirs.sent, ...kept.sent, theirs.fields].slice(-MOST_SENT);
    kept = { ...kept, revision: Math.max(kept.revision, theirs.revision), sent };
    store();
    return;
  }
  const isNews = !same(theirs.fields, kept.fields);
  kept = theirs;
  if (isNews) fill(kept.fields);
  say(kept.isSaved ? "Draft saved in another tab" : "Saving in another tab…");
  // The other tab may be gone before it saves.
  if (!kept.isSaved) later(RETRY_MS);
}

/* ------------------------------------------------------------------ what is said about it */

/** @param {...(string | Node)} words */
function say(...words) {
  said = words;
  document.getElementById("draft")?.replaceChildren(...words);
}

/**
 * @param {string} why
 * @param {...(string | Node)} more
 */
function warn(why, ...more) {
  const isKept = store();
  const words = `Not saved: ${why}${isKept ? ", kept in this browser" : ". This browser cannot keep it: do not close this page"}`;
  if (warned !== words) announce(words);
  warned = words;
  say(words, ...more);
}

/**
 * @param {string} at
 * @returns {string}
 */
function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/* ------------------------------------------------------------------ on the server */

/** @param {number} ms */
function later(ms) {
  clearTimeout(pending);
  pending = setTimeout(() => void save(), ms);
}

/** A sign-in in another tab brings a new token. @returns {string} */
export function token() {
  return /(?:^|; )csrftoken=([^;]*)/.exec(document.cookie)?.[1] ?? "";
}

/**
 * Send the draft.
 * @param {boolean} [isClosing]
 * @returns {Promise<Response>}
 */
function send(isClosing = false) {
  if (!kept.sent.some((one) => same(one, kept.fields))) kept = { ...kept, sent: [...kept.sent, kept.fields].slice(-MOST_SENT) };
  store();
  const body = new URLSearchParams([...kept.fields, ["revision", String(kept.revision)], ["version", kept.version]]);
  const headers = { "X-CSRFToken": token() };
  return fetch(address, { method: "POST", body, headers, keepalive: isClosing });
}

async function save() {
  clearTimeout(pending);
  if (kept.isSaved || isSending || isSubmitting || other) return;
  isSending = true;
  try {
    const sent = kept.fields;
    await settle(await send(), sent);
  } catch {
    warn(navigator.onLine ? "Postil cannot be reached" : "offline");
    later(RETRY_MS);
  } finally {
    isSending = false;
  }
}

/**
 * @param {Response} response
 * @param {Fields} sent
 */
async function settle(response, sent) {
  if (isSubmitting) return;
  if (response.redirected) {
    signedOut();
    return;
  }
  if (!response.ok && response.status !== 409) {
    const said = new Map([
      [403, "it was refused"],
      [404, "the item is gone, or not yours any more"],
    ]);
    warn(said.get(response.status) ?? "the server failed");
    later(RETRY_MS);
    return;
  }
  const answer = /** @type {Answer} */ (await response.json());
  if (answer.done) {
    warn("you have reviewed this");
    return;
  }
  const theirs = response.ok ? sent : pairs(answer.fields ?? {});
  if (response.ok || same(theirs, kept.fields) || kept.sent.some((one) => same(one, theirs))) {
    kept = { ...kept, revision: answer.revision, isSaved: same(theirs, kept.fields), sent: [] };
    store();
    warned = "";
    if (kept.isSaved) say(`Draft saved ${clock(answer.at)}`);
    else later(SAVE_MS);
  } else {
    other = answer;
    ask();
  }
}

/** The session has ended: nothing is lost, and the way back leads here. */
export function signedOut() {
  const link = document.createElement("a");
  link.href = `${document.body.dataset.signIn}?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Sign in";
  if (kept.isSaved) say("Your sign-in has ended. ", link);
  else warn("your sign-in has ended", ". ", link);
}

/* ------------------------------------------------------------------ two drafts */

/**
 * @param {Record<string, string | string[]>} fields
 * @returns {Fields}
 */
function pairs(fields) {
  return Object.entries(fields).flatMap(([name, value]) => [value].flat().flatMap((one) => (one ? [/** @type {[string, string]} */ ([name, one])] : [])));
}

/** Show both drafts side by side, and ask for one. */
function ask() {
  const theirs = other;
  const template = /** @type {HTMLTemplateElement | null} */ (document.getElementById("conflict"));
  const panel = template?.content.firstElementChild?.cloneNode(true);
  if (!theirs || !(panel instanceof HTMLElement) || document.querySelector(".conflict")) return;
  const when = panel.querySelector("[data-when]");
  if (when) when.textContent = `, at ${clock(theirs.at)}`;
  panel.querySelector("[data-mine]")?.append(...described(kept.fields));
  panel.querySelector("[data-other]")?.append(...described(pairs(theirs.fields ?? {})));
  panel.querySelector("[data-keep]")?.addEventListener("click", () => choose({ ...kept, revision: theirs.revision }));
  panel.querySelector("[data-take]")?.addEventListener("click", () =>
    choose({ ...kept, revision: theirs.revision, fields: pairs(theirs.fields ?? {}), edited: now(), isSaved: true }),
  );
  bar()?.prepend(panel);
  store();
  say("Not saved: choose a draft");
}

/** @param {Kept} one */
function choose(one) {
  const isOther = one.isSaved;
  other = null;
  kept = one;
  document.querySelector(".conflict")?.remove();
  store();
  if (isOther) {
    fill(kept.fields);
    say("The other draft is here now");
  } else {
    void save();
  }
  document.getElementById("decide-comment")?.focus();
}

/**
 * Fields in the words of the form.
 * @param {Fields} fields
 * @returns {HTMLElement[]}
 */
function described(fields) {
  return [...NAMES].flatMap(([name, label]) => {
    const values = fields.flatMap(([one, value]) => (one === name ? [word(name, value)] : []));
    if (!label || values.length === 0) return [];
    const term = document.createElement("dt");
    const words = document.createElement("dd");
    term.textContent = label;
    words.textContent = values.join(", ");
    words.dir = "auto";
    return [term, words];
  });
}

/**
 * What the form calls a value.
 * @param {string} name
 * @param {string} value
 * @returns {string}
 */
function word(name, value) {
  const field = form()?.querySelector(`[name="${name}"][value="${CSS.escape(value)}"], [name="${name}"] option[value="${CSS.escape(value)}"]`);
  const label = (field?.closest("label") ?? field)?.cloneNode(true);
  if (!(label instanceof HTMLElement)) return value;
  for (const cap of label.querySelectorAll("kbd, .cat__n")) cap.remove();
  return label.textContent?.trim() || value;
}

/* ------------------------------------------------------------------ when */

/** Later than what was entered so far, whatever the clock says; drafts may be kept without a time. @returns {number} ms */
function now() {
  return Math.max(Date.now(), (kept.edited || 0) + 1);
}

function changed() {
  kept = { ...kept, fields: entered(), edited: now(), isSaved: false };
  if (!store()) warn("the draft is not on the server yet");
  else if (!warned) say("Saving…");
  later(SAVE_MS);
}

/** Begin with what the server wrote into the form, or with what this browser has beyond it. */
function begin() {
  known = form();
  const version = known?.elements.namedItem("version");
  kept = {
    revision: Number(bar()?.dataset.revision ?? 0),
    fields: entered(),
    edited: 0,
    version: version instanceof HTMLInputElement ? version.value : "",
    isSaved: true,
    sent: [],
  };
  const local = stored();
  if (local && !local.isSaved && !(known && same(local.fields, kept.fields))) {
    kept = local;
    fill(kept.fields);
    void save();
  } else {
    localStorage.removeItem(key);
  }
}

/** The form may have been swapped: what was entered is in the new one too. */
export function refresh() {
  if (!address) return;
  if (form() !== known) {
    if (kept.isSaved && !known) begin();
    else {
      known = form();
      fill(kept.fields);
    }
  }
  if (other) ask();
  if (said.length) say(...said);
}

/** Listen to the form; it may be swapped at any time. */
export function watch() {
  if (!address) return;
  begin();
  document.addEventListener("input", (event) => {
    const field = event.target instanceof Element ? event.target : null;
    if (field?.closest("#decide-form, [form=decide-form]")) changed();
  });
  addEventListener("storage", (event) => {
    if (event.key === key && event.newValue) adopt(/** @type {Kept} */ (JSON.parse(event.newValue)));
  });
  // A page that comes back from the browser's memory has heard nothing of other tabs.
  addEventListener("pageshow", (event) => {
    const local = event.persisted ? stored() : null;
    if (local) adopt(local);
  });
  // On the way back from the sign-in page in another tab, too.
  document.addEventListener("visibilitychange", () => void save());
  addEventListener("online", () => void save());
  addEventListener("pagehide", () => {
    if (kept.isSaved || isSubmitting || other || JSON.stringify(kept).length > MOST_AT_CLOSE) return;
    send(true).catch(() => undefined);
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, xhr } = /** @type {CustomEvent<{elt: Element, xhr: XMLHttpRequest}>} */ (event).detail;
    if (elt !== form()) return;
    isSubmitting = true;
    clearTimeout(pending);
    xhr.addEventListener("loadend", () => submitted(xhr));
  });
}

/**
 * A submit was answered. What was refused is a draft again.
 * @param {XMLHttpRequest} xhr
 */
function submitted(xhr) {
  if (xhr.getResponseHeader("HX-Redirect")) {
    kept = { ...kept, isSaved: true };
    localStorage.removeItem(key);
    return;
  }
  isSubmitting = false;
  if (!kept.isSaved) later(SAVE_MS);
}
