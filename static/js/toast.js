// Short messages in the corner, and words for screen readers alone.

const SHOWN_MS = 6000;
// One that can be undone stays longer.
const OFFERED_MS = 10_000;

/** @typedef {{label: string, run: () => void, ms?: number}} Offer */

/** What the newest message that offers something offers. @type {(() => void) | null} */
let offered = null;

/**
 * Let a toast go by itself, but not while somebody points at it or is in it. Bad news stays.
 * @param {HTMLElement} element
 * @param {number} [ms] how long it is shown
 * @param {() => void} [gone]
 */
export function fade(element, ms = element.querySelector("form") ? OFFERED_MS : SHOWN_MS, gone) {
  if (element.classList.contains("tone-bad")) return;
  const timer = setInterval(() => {
    if (element.isConnected && element.matches(":hover, :focus-within")) return;
    clearInterval(timer);
    element.remove();
    gone?.();
  }, ms);
}

/**
 * Show a message, and say it. The page's template for a toast gives its looks.
 * @param {string} text
 * @param {"good" | "warn" | "bad" | "ink"} [tone]
 * @param {Offer} [offer] a button in it; `ms` is how long it is offered
 */
export function toast(text, tone = "ink", offer) {
  const template = /** @type {HTMLTemplateElement | null} */ (document.querySelector(`#toast-${tone}`));
  const region = document.getElementById("toasts");
  const element = template?.content.firstElementChild?.cloneNode(true);
  if (!region || !(element instanceof HTMLElement)) return;
  const words = element.querySelector("[data-text]");
  if (words) words.textContent = text;
  region.append(element);
  announce(offer ? `${text} ${offer.label} is offered.` : text);
  if (!offer) {
    fade(element);
    return;
  }
  const button = document.createElement("button");
  button.className = "btn btn--s";
  button.type = "button";
  button.textContent = offer.label;
  const run = () => {
    offered = null;
    element.remove();
    offer.run();
  };
  button.addEventListener("click", run);
  words?.after(button);
  offered = run;
  fade(element, offer.ms, () => {
    if (offered === run) offered = null;
  });
}

/**
 * Take what the newest message offers.
 * @returns {boolean} whether it offers anything
 */
export function accept() {
  if (!offered) return false;
  offered();
  return true;
}

/**
 * Say something to screen readers.
 * @param {string} text
 */
export function announce(text) {
  const region = document.getElementById("live");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}
