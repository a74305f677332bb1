// Which key was pressed, and whether keys count right now.

const OFF = "keys-off";

/** Whether the user turned single-letter keys off (WCAG 2.1.4). @returns {boolean} */
export function areOff() {
  return localStorage.getItem(OFF) !== null;
}

/**
 * Turn single-letter keys on or off, in this browser.
 * @param {boolean} off
 */
export function turnOff(off) {
  if (off) localStorage.setItem(OFF, "1");
  else localStorage.removeItem(OFF);
  document.documentElement.dataset.keys = off ? "off" : "on";
}

/**
 * Whether an element takes typed text.
 * @param {EventTarget | null} element
 * @returns {boolean}
 */
export function isField(element) {
  if (!(element instanceof HTMLElement)) return false;
  if (element.isContentEditable || element.matches("textarea, select")) return true;
  return element instanceof HTMLInputElement && !element.matches("[type=radio], [type=checkbox], [type=button], [type=submit]");
}

/**
 * The name of a pressed single key, as `data-key` spells it: "J", "⇧J", "?", "/".
 * Null when the key is not for the page: with ⌘, Ctrl or Alt, in a field, in a dialog, or off.
 * @param {KeyboardEvent} event
 * @returns {string | null}
 */
export function single(event) {
  if (event.defaultPrevented || event.isComposing || event.metaKey || event.ctrlKey || event.altKey) return null;
  if (areOff() || isField(event.target) || document.querySelector("dialog[open]:modal")) return null;
  if (event.key.length !== 1) return null;
  const isLetter = event.key.toLowerCase() !== event.key.toUpperCase();
  return (isLetter && event.shiftKey ? "⇧" : "") + event.key.toUpperCase();
}
