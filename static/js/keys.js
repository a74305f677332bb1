// Which key was pressed, what it means for this reader, and whether keys count right now.
import { soon } from "./soon.js";

const OFF = "keys-off";
const CHOSEN = "keys-chosen";
/** Where it is kept that the ends of comments are not read out. */
export const ENDS = "ends-off";

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

/** The keys chosen in this browser, by the key that Postil gives; "" for none. @returns {Record<string, string>} */
function chosen() {
  try {
    return /** @type {Record<string, string>} */ (JSON.parse(localStorage.getItem(CHOSEN) ?? "{}"));
  } catch {
    return {};
  }
}

/**
 * Choose another key in this browser.
 * @param {string} key the one that Postil gives, as `data-key` spells it
 * @param {string} to "" for none
 */
export function choose(key, to) {
  const all = chosen();
  if (to === key) delete all[key];
  else all[key] = to;
  localStorage.setItem(CHOSEN, JSON.stringify(all));
  paint();
}

/** Go back to the keys that Postil gives. */
export function reset() {
  localStorage.removeItem(CHOSEN);
  paint();
}

/** Whether any key was chosen in this browser. @returns {boolean} */
export function areChosen() {
  return Object.keys(chosen()).length > 0;
}

/**
 * The key to press for what Postil gives this one to.
 * @param {string} key
 * @returns {string} "" when it was switched off
 */
export function shown(key) {
  return chosen()[key] ?? key;
}

/** Show the chosen keys on the caps of the page. */
export function paint() {
  for (const cap of document.querySelectorAll("[data-key] > .kbd, [data-pop] > .kbd")) {
    if (!(cap instanceof HTMLElement)) continue;
    const key = (cap.dataset.was ??= cap.textContent ?? "");
    cap.textContent = shown(key);
    cap.hidden = shown(key) === "";
  }
}

/**
 * Whether an element takes typed text. A field that went out of sight does not, though until the
 * next frame it still has the focus.
 * @param {EventTarget | null} element
 * @returns {boolean}
 */
export function isField(element) {
  if (!(element instanceof HTMLElement) || !element.checkVisibility()) return false;
  if (element.isContentEditable || element.matches("textarea, select")) return true;
  return element instanceof HTMLInputElement && !element.matches("[type=radio], [type=checkbox], [type=button], [type=submit]");
}

/**
 * The name of a pressed single key, as `data-key` spells it: "J", "⇧J", "?", "/", "Enter".
 * Null with ⌘, Ctrl or Alt.
 * @param {KeyboardEvent} event
 * @returns {string | null}
 */
export function name(event) {
  if (event.isComposing || event.metaKey || event.ctrlKey || event.altKey || event.key.length !== 1) return null;
  const isLetter = event.key.toLowerCase() !== event.key.toUpperCase();
  return (isLetter && event.shiftKey ? "⇧" : "") + event.key.toUpperCase();
}

/**
 * The pressed single key, whatever it was chosen for.
 * Null when it is not for the page: with ⌘, Ctrl or Alt, in a field, in a dialog, or off.
 * @param {KeyboardEvent} event
 * @returns {string | null}
 */
export function pressed(event) {
  if (event.defaultPrevented || areOff() || isField(event.target) || document.querySelector("dialog[open]:modal")) return null;
  return name(event);
}

/**
 * The key that Postil gives to what the pressed key is for in this browser.
 * @param {KeyboardEvent} event
 * @returns {string | null}
 */
export function single(event) {
  const key = pressed(event);
  if (key === null) return null;
  const all = chosen();
  const meant = Object.keys(all).find((given) => all[given] === key);
  return meant ?? (all[key] === undefined ? key : null);
}

/** Show what each key is, now and after every swap, and that keys count. */
export function watch() {
  const root = document.documentElement;
  root.dataset.keys = areOff() ? "off" : "on";
  root.toggleAttribute("data-ends", localStorage.getItem(ENDS) === null);
  paint();
  document.addEventListener("htmx:afterSettle", soon(paint));
}
