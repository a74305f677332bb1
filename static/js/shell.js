// What every page does: theme, navigation, keys, toasts, and the rules around htmx requests.
import * as keys from "./keys.js";
import * as palette from "./palette.js";
import { fade, toast } from "./toast.js";

const root = document.documentElement;
const SEQUENCE_MS = 1200;

// Keys are written as on a Mac; elsewhere there is no ⌘.
if (!/Mac|iP(hone|ad)/.test(navigator.userAgent)) {
  document.addEventListener("htmx:load", (event) => {
    for (const cap of /** @type {Element} */ (event.target).querySelectorAll("kbd")) cap.textContent = (cap.textContent ?? "").replace("⌘", "Ctrl ");
  });
}

/* ------------------------------------------------------------------ theme and navigation */

/**
 * Apply a choice at once and store it on the server, instead of loading the page again.
 * @param {HTMLButtonElement} button one of the forms that post to the appearance page
 * @param {HTMLFormElement} form
 */
async function choose(button, form) {
  const { name, value } = button;
  root.dataset[name] = value;
  if (name === "theme") {
    for (const other of document.querySelectorAll("button[name=theme]")) {
      other.setAttribute("aria-pressed", String(other.getAttribute("value") === value));
    }
  } else {
    button.value = value === "rail" ? "full" : "rail";
  }
  const body = new FormData(form);
  body.set(name, value);
  const response = await fetch(form.action, { method: "POST", body, redirect: "manual" });
  if (response.type !== "opaqueredirect") toast("The choice holds for this page only. It was not saved.", "warn");
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const button = event.submitter;
  if (!(button instanceof HTMLButtonElement) || !form.matches("[data-appearance]")) return;
  event.preventDefault();
  choose(button, form).catch(() => toast("Postil cannot be reached. The choice was not saved.", "bad"));
});

/* ------------------------------------------------------------------ keys */

/**
 * The first element for a key that can be used now.
 * @param {string} key as `data-key` spells it
 * @returns {HTMLElement | undefined}
 */
function target(key) {
  const found = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`));
  return [...found].find((element) => !element.matches(":disabled, [aria-disabled=true]"));
}

function search() {
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("main [data-search], [data-search]"));
  const field = [...fields].sort((a, b) => Number(!!b.closest("main")) - Number(!!a.closest("main"))).find((one) => one.checkVisibility());
  if (field) {
    field.focus();
    field.select();
  } else {
    fields[0]?.form?.requestSubmit();
  }
}

let pending = "";
let pendingSince = 0;

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target instanceof HTMLInputElement && event.target.matches("[data-search]")) {
    event.target.blur();
    return;
  }
  const pressed = keys.pressed(event);
  if (pressed === null) return;
  const isSecond = pending !== "" && event.timeStamp - pendingSince < SEQUENCE_MS;
  const first = pending;
  pending = "";
  if (isSecond) {
    const element = target(`${first} ${pressed}`);
    if (element) {
      event.preventDefault();
      element.click();
      // No page module shall see the second key as a key of its own.
      event.stopImmediatePropagation();
    }
    return;
  }
  const key = keys.single(event);
  if (key === "G") {
    pending = key;
    pendingSince = event.timeStamp;
  } else if (key === "/") {
    event.preventDefault();
    search();
  } else if (key === "?") {
    event.preventDefault();
    openKeys();
  }
}, { capture: true });

// Any other key presses the button or link that names it. On the window, so that a page's own
// handlers come first, and one that prevents the default keeps the key to itself.
window.addEventListener("keydown", (event) => {
  const key = event.repeat ? null : keys.single(event);
  const element = key === null ? undefined : target(key);
  if (!element?.matches("button, a") || !element.checkVisibility()) return;
  event.preventDefault();
  element.click();
});

keys.watch();
palette.watch();

/** Open the cheat sheet, whose script comes when it is first asked for. */
function openKeys() {
  import("./keysheet.js").then((sheet) => sheet.open(), () => toast("The keys could not be loaded.", "bad"));
}

/* ------------------------------------------------------------------ toasts and dialogs */

document.addEventListener("click", (event) => {
  const element = event.target instanceof Element ? event.target : null;
  element?.closest("[data-dismiss]")?.closest(".toast")?.remove();
  if (element?.closest("[data-keys-open]")) openKeys();
  // A click on the backdrop lands on the dialog itself.
  if (element instanceof HTMLDialogElement && element.matches(":modal")) element.close();
});

for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#toasts > .toast"))) fade(element);

// A response's HX-Trigger header may carry {"toast": {"text": …, "tone": …}}.
document.addEventListener("toast", (event) => {
  const { text, tone } = /** @type {CustomEvent<{text: string, tone?: "good" | "warn" | "bad" | "ink"}>} */ (event).detail;
  toast(text, tone);
});

/* ------------------------------------------------------------------ htmx */

/**
 * @typedef {object} HtmxDetail
 * @property {HTMLElement} elt
 * @property {XMLHttpRequest} xhr
 * @property {boolean} shouldSwap
 * @property {{triggeringEvent?: Event}} [requestConfig]
 */

/**
 * The button to show as busy during a request.
 * @param {HtmxDetail} detail
 * @returns {Element | null}
 */
function pressed(detail) {
  const cause = detail.requestConfig?.triggeringEvent;
  if (cause instanceof SubmitEvent && cause.submitter) return cause.submitter;
  return detail.elt.closest("button, a");
}

/**
 * @param {string} name
 * @param {(detail: HtmxDetail, event: Event) => void} act
 */
function onHtmx(name, act) {
  document.addEventListener(`htmx:${name}`, (event) => act(/** @type {CustomEvent<HtmxDetail>} */ (event).detail, event));
}

// htmx takes up what it has put in only once that has settled. Who is quicker is not to load a
// whole page, or nothing at all.
for (const name of ["click", "submit"]) {
  document.addEventListener(
    name,
    (event) => {
      const added = event.target instanceof Element ? event.target.closest(".htmx-added") : null;
      if (added) /** @type {any} */ (window).htmx.process(added);
    },
    { capture: true },
  );
}

// After a sign-in in another tab the page's own token is out of date; the cookie's is not.
document.addEventListener("htmx:configRequest", (event) => {
  const { headers, parameters } = /** @type {CustomEvent<{headers: Record<string, string>, parameters: Record<string, string>}>} */ (event).detail;
  const token = /(?:^|; )csrftoken=([^;]*)/.exec(document.cookie)?.[1];
  if (!token) return;
  headers["x-csrftoken"] = token;
  if ("csrfmiddlewaretoken" in parameters) parameters.csrfmiddlewaretoken = token;
});
onHtmx("beforeSend", (detail) => pressed(detail)?.setAttribute("aria-busy", "true"));
onHtmx("afterRequest", (detail) => pressed(detail)?.removeAttribute("aria-busy"));
onHtmx("sendError", () => toast("Postil cannot be reached. Nothing was saved. Try again.", "bad"));
onHtmx("timeout", () => toast("Postil took too long to answer. Try again.", "bad"));
onHtmx("responseError", (detail) => {
  const said = new Map([
    [403, "You may not do this in this project."],
    [404, "This is gone, or not yours any more. Nothing was saved."],
    [429, "Too many requests. Wait a moment and try again."],
  ]);
  toast(said.get(detail.xhr.status) ?? "Something went wrong on the server. Nothing was saved. Try again.", "bad");
});

// A request after the session has ended is answered with the sign-in page: go there, whole. Only
// what a person did leads away; what the page asks by itself must not take it from who types.
onHtmx("beforeSwap", (detail, event) => {
  const signIn = document.body.dataset.signIn;
  if (!signIn || !detail.xhr.responseURL) return;
  const answered = new URL(detail.xhr.responseURL);
  if (answered.pathname !== signIn) return;
  event.preventDefault();
  const cause = detail.requestConfig?.triggeringEvent;
  const isAsked = cause instanceof UIEvent || cause instanceof SubmitEvent || cause?.type === "change";
  if (isAsked) location.assign(`${signIn}?next=${encodeURIComponent(location.pathname + location.search)}`);
});
