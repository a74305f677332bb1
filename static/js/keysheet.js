// The cheat sheet: every key of the page as it is now, each to be changed or switched off.
import * as actions from "./actions.js";
import * as keys from "./keys.js";

/** @typedef {{key: string, label: string, group: string, isFixed: boolean}} Row */

const dialog = () => /** @type {HTMLDialogElement | null} */ (document.getElementById("keys"));

/** The row whose key is asked for. @type {{row: Row, cap: HTMLButtonElement} | null} */
let asked = null;

/** @returns {Row[]} */
function rows() {
  /** @type {Map<string, Row>} */
  const found = new Map();
  const add = (/** @type {Row} */ row) => found.has(row.key) || found.set(row.key, row);
  for (const [key, label, isFixed] of /** @type {const} */ ([["Ctrl K", "Do something or go somewhere", true], ["/", "Search", false], ["?", "Show the keys", false]])) {
    add({ key, label, group: "Everywhere", isFixed });
  }
  for (const { key, label, group = "This page", isFixed = false } of actions.all()) add({ key, label, group, isFixed });
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-key]"))) {
    const key = element.dataset.key ?? "";
    const isWay = key.includes(" ");
    add({ key, label: actions.does(element), group: isWay ? "Go to" : "This page", isFixed: isWay });
  }
  return [...found.values()];
}

/** Fill the sheet and open it. */
export function open() {
  const sheet = dialog();
  if (!sheet || sheet.open) return;
  fill();
  say("");
  sheet.showModal();
}

function fill() {
  const list = dialog()?.querySelector("[data-keys]");
  /** @type {Map<string, Row[]>} */
  const groups = new Map();
  for (const row of rows()) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
  list?.replaceChildren(
    ...[...groups].map(([name, among]) => {
      const group = document.createElement("section");
      const title = document.createElement("h3");
      title.textContent = name;
      group.append(title, ...among.map(line));
      return group;
    }),
  );
  const reset = /** @type {HTMLElement | null} */ (dialog()?.querySelector("[data-keys-reset]"));
  if (reset) reset.hidden = !keys.areChosen();
}

/**
 * @param {Row} row
 * @returns {HTMLElement}
 */
function line(row) {
  const element = document.createElement("div");
  const words = document.createElement("span");
  words.textContent = row.label;
  element.append(words, row.isFixed ? caps(row.key) : change(row));
  return element;
}

/**
 * @param {string} key
 * @returns {HTMLElement}
 */
function caps(key) {
  const found = document.createElement("span");
  for (const [place, part] of key.split(" ").entries()) {
    if (place && key.startsWith("G ")) found.append(" then ");
    const cap = document.createElement("kbd");
    cap.className = "kbd kbd--keep";
    cap.textContent = part;
    found.append(cap);
  }
  return found;
}

/**
 * @param {Row} row
 * @returns {HTMLButtonElement}
 */
function change(row) {
  const now = keys.shown(row.key);
  const cap = document.createElement("button");
  cap.type = "button";
  cap.className = "kbd kbd--keep";
  cap.textContent = now || "off";
  cap.setAttribute("aria-label", `${row.label}: ${now || "off"}. Change`);
  cap.addEventListener("click", () => {
    stop();
    asked = { row, cap };
    cap.textContent = "…";
    cap.setAttribute("aria-pressed", "true");
    say("Press the new key, Delete for none, Escape to leave it.");
  });
  return cap;
}

/** @param {string} words */
function say(words) {
  const line = dialog()?.querySelector("[data-keys-said]");
  if (line) line.textContent = words;
}

/** Leave the asked key as it is. */
function stop() {
  if (!asked) return;
  asked.cap.textContent = keys.shown(asked.row.key) || "off";
  asked.cap.removeAttribute("aria-pressed");
  asked = null;
}

/** @param {KeyboardEvent} event */
function answered(event) {
  if (!asked) return;
  const { row } = asked;
  if (["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.key === "Escape") {
    stop();
    say("");
    return;
  }
  const key = event.key === "Delete" || event.key === "Backspace" ? "" : keys.name(event);
  const taken = key ? rows().find((one) => one.key !== row.key && (keys.shown(one.key) === key || one.key.split(" ")[0] === key)) : undefined;
  if (key === null) say("Press a single key, with or without Shift.");
  else if (taken) say(`${key} already stands for “${taken.label}”. Press another.`);
  else {
    keys.choose(row.key, key);
    asked = null;
    fill();
    say(key ? `“${row.label}” has ${key} now.` : `“${row.label}” has no key now.`);
    const caps = [.../** @type {NodeListOf<HTMLElement>} */ (dialog()?.querySelectorAll("[data-keys] button") ?? [])];
    caps.find((cap) => cap.getAttribute("aria-label")?.startsWith(`${row.label}: `))?.focus();
  }
}

/**
 * Listen to the sheet's switches and to the key that is asked for.
 * @param {HTMLDialogElement} sheet
 */
function watch(sheet) {
  const root = document.documentElement;
  sheet.addEventListener("keydown", answered, { capture: true });
  sheet.addEventListener("cancel", (event) => (asked ? event.preventDefault() : undefined));
  sheet.addEventListener("close", stop);
  sheet.querySelector("[data-keys-reset]")?.addEventListener("click", () => {
    keys.reset();
    fill();
    say("Every key is as it was.");
  });
  const on = /** @type {HTMLInputElement | null} */ (sheet.querySelector("[data-keys-on]"));
  const ends = /** @type {HTMLInputElement | null} */ (sheet.querySelector("[data-ends-on]"));
  if (on) on.checked = !keys.areOff();
  if (ends) ends.checked = root.hasAttribute("data-ends");
  on?.addEventListener("change", () => keys.turnOff(!on.checked));
  ends?.addEventListener("change", () => {
    if (ends.checked) localStorage.removeItem(keys.ENDS);
    else localStorage.setItem(keys.ENDS, "1");
    root.toggleAttribute("data-ends", ends.checked);
  });
}

const sheet = dialog();
if (sheet) watch(sheet);
