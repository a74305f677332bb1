// Short messages in the corner, and words for screen readers alone.

const SHOWN_MS = 6000;

/**
 * Let a toast go by itself, but not while somebody points at it or is in it. Bad news stays.
 * @param {HTMLElement} element
 */
export function fade(element) {
  if (element.classList.contains("tone-bad")) return;
  const timer = setInterval(() => {
    if (element.matches(":hover, :focus-within")) return;
    clearInterval(timer);
    element.remove();
  }, SHOWN_MS);
}

/**
 * Show a message. The page's template for a toast gives its looks.
 * @param {string} text
 * @param {"good" | "warn" | "bad" | "ink"} [tone]
 */
export function toast(text, tone = "ink") {
  const template = /** @type {HTMLTemplateElement | null} */ (document.querySelector(`#toast-${tone}`));
  const region = document.getElementById("toasts");
  const element = template?.content.firstElementChild?.cloneNode(true);
  if (!region || !(element instanceof HTMLElement)) return;
  const words = element.querySelector("[data-text]");
  if (words) words.textContent = text;
  region.append(element);
  fade(element);
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
