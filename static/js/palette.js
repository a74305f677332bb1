// The command palette: everything that can be done or gone to from here, found by a few letters.
import * as actions from "./actions.js";
import * as keys from "./keys.js";
import { toast } from "./toast.js";

/** @typedef {{label: string, hint: string, run: () => void}} Command */

const MOST = 60;

const dialog = () => /** @type {HTMLDialogElement | null} */ (document.getElementById("palette"));
const list = () => document.getElementById("palette-list");

/** @type {Command[]} */
let commands = [];
/** @type {Command[]} */
let fitting = [];
let here = 0;

/** @returns {Command[]} */
function gather() {
  /** @type {Map<string, Command>} */
  const found = new Map();
  const add = (/** @type {string} */ label, /** @type {string} */ hint, /** @type {() => void} */ run) => {
    if (label && !found.has(label)) found.set(label, { label, hint, run });
  };
  for (const { label, key, run, may } of actions.all()) {
    if (run && (may?.() ?? true)) add(label, keys.shown(key), () => (run() === false ? toast("There is nothing here to do that to.") : undefined));
  }
  const known = "[data-key], .nav a[href], .crumbs a[href], .top__actions :is(a[href], button), [data-command]";
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(known))) {
    const control = element.matches("label") ? element.querySelector("input") : element;
    if (!control?.checkVisibility() || control.matches(":disabled, [aria-disabled=true]") || element.closest("#pop:not(.is-open)")) continue;
    const key = element.dataset.key;
    const label = element.matches(".crumbs a") ? `Go to ${actions.does(element)}` : actions.does(element);
    add(label, key ? key.split(" ").map(keys.shown).join(" ") : "", () => control.click());
  }
  return [...found.values()];
}

/** Open it, or close it when it is open. */
export function toggle() {
  const sheet = dialog();
  const field = sheet?.querySelector("input");
  if (!sheet || !field) return;
  if (sheet.open) {
    sheet.close();
    return;
  }
  if (document.querySelector("dialog[open]:modal")) return;
  commands = gather();
  field.value = "";
  filter("");
  sheet.showModal();
}

/**
 * How well letters fit a label: they stand in it in order; runs and beginnings of words count.
 * @param {string} label
 * @param {string} typed
 * @returns {number} 0 when they do not
 */
export function fit(label, typed) {
  const text = label.toLowerCase();
  const whole = text.indexOf(typed);
  if (whole >= 0) return 1000 - whole + (whole === 0 || text[whole - 1] === " " ? 500 : 0);
  let score = 1;
  let from = 0;
  let former = -2;
  for (const letter of typed.replaceAll(" ", "")) {
    const at = text.indexOf(letter, from);
    if (at < 0) return 0;
    if (at === former + 1) score += 8;
    if (at === 0 || text[at - 1] === " ") score += 10;
    former = at;
    from = at + 1;
  }
  return score;
}

/** @param {string} text */
function filter(text) {
  const typed = text.trim().toLowerCase();
  const scored = commands.map((command) => ({ command, score: typed ? fit(command.label, typed) : 1 }));
  fitting = scored.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score).slice(0, MOST).map(({ command }) => command);
  list()?.replaceChildren(...fitting.map(option));
  const none = /** @type {HTMLElement | null} */ (dialog()?.querySelector("[data-none]"));
  if (none) none.textContent = fitting.length ? "" : "Nothing fits.";
  point(0);
}

/**
 * @param {Command} command
 * @param {number} place
 * @returns {HTMLElement}
 */
function option(command, place) {
  const line = document.createElement("li");
  line.id = `command-${place}`;
  line.setAttribute("role", "option");
  const words = document.createElement("span");
  words.textContent = command.label;
  line.append(words);
  if (command.hint) {
    const caps = document.createElement("span");
    caps.className = "push";
    caps.append(
      ...command.hint.split(" ").map((key) => {
        const cap = document.createElement("kbd");
        cap.className = "kbd";
        cap.textContent = key;
        return cap;
      }),
    );
    line.append(caps);
  }
  line.addEventListener("click", () => run(place));
  return line;
}

/** @param {number} place */
function point(place) {
  here = place;
  const field = dialog()?.querySelector("input");
  for (const [at, line] of [...(list()?.children ?? [])].entries()) {
    line.setAttribute("aria-selected", String(at === place));
    if (at === place) line.scrollIntoView({ block: "nearest" });
  }
  if (fitting.length) field?.setAttribute("aria-activedescendant", `command-${place}`);
  else field?.removeAttribute("aria-activedescendant");
}

/** @param {number} place */
function run(place) {
  const command = fitting[place];
  if (!command) return;
  // The focus is back where it was before the command looks for it.
  dialog()?.close();
  command.run();
}

/** Listen to its keys; Ctrl or ⌘ and K open it. */
export function watch() {
  const isMac = /Mac|iP(hone|ad)/.test(navigator.userAgent);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || event.altKey || event.shiftKey || !(isMac ? event.metaKey : event.ctrlKey)) return;
    event.preventDefault();
    toggle();
  });
  const field = dialog()?.querySelector("input");
  field?.addEventListener("input", () => filter(field.value));
  field?.addEventListener("keydown", (event) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by && fitting.length) point((here + by + fitting.length) % fitting.length);
    else if (event.key === "Enter" && !event.isComposing) run(here);
    else return;
    event.preventDefault();
  });
}
