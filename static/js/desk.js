// The reviewer's desk, and the page of one answer: its keys, and what follows an act.
import "./tags.js";
import * as actions from "./actions.js";
import * as keys from "./keys.js";
import * as chooser from "./desk/chooser.js";
import * as copy from "./desk/copy.js";
import * as cursor from "./desk/cursor.js";
import * as decision from "./desk/decision.js";
import * as evidence from "./desk/evidence.js";
import * as focus from "./desk/focus.js";
import * as lease from "./desk/lease.js";
import * as live from "./desk/live.js";
import * as margin from "./desk/margin.js";
import * as popover from "./desk/popover.js";
import * as sheet from "./desk/sheet.js";
import * as trail from "./desk/trail.js";
import { soon } from "./soon.js";
import { accept, announce } from "./toast.js";

/** The comment marked last, which Enter adds a note to. */
let marked = "";
/** Whether Ctrl+Alt+N was pressed just now, and says what C and P mean. */
let isGoing = false;

/**
 * A control of a card that can be pressed.
 * @param {string} act as `data-act` names it
 * @param {string} id of the card
 * @returns {HTMLElement | undefined}
 */
function control(act, id) {
  const card = document.getElementById(id);
  const found = [.../** @type {NodeListOf<HTMLElement>} */ (card?.querySelectorAll(`[data-act="${act}"]`) ?? [])];
  return found.find((one) => one.checkVisibility());
}

/**
 * Press a control of a card, if it is there; one that opens a field leads into it.
 * @param {string} act as `data-act` names it
 * @param {string} [id] of the card
 * @returns {boolean}
 */
function press(act, id = margin.current()) {
  if (id !== margin.current() && document.getElementById(id)) margin.activate(id);
  const pressed = control(act, id);
  if (!pressed) return false;
  const field = /** @type {HTMLElement | null | undefined} */ (act === "reply" ? pressed.closest("form")?.querySelector("textarea") : null);
  if (!field) pressed.click();
  const opened = pressed.closest("details")?.querySelector("textarea");
  (field ?? opened)?.focus();
  return true;
}

/** @param {string[]} acts the first of them that the active card has */
const pressFirst = (...acts) => acts.some((act) => press(act));

const is = {
  /** @param {HTMLElement} note */
  any: (note) => !note.matches(".is-out"),
  /** @param {HTMLElement} note */
  mine: (note) => note.dataset.state === "open" && note.dataset.author === document.getElementById("notes")?.dataset.you,
};

const isSelected = () => popover.isOpen() && !popover.isComposing();
/** @param {() => boolean | void} run */
const ifSelected = (run) => () => (isSelected() ? run() : false);
/** @param {string[]} acts any of which the active card has */
const has = (...acts) => () => acts.some((act) => control(act, margin.current()) !== undefined);
/** @param {(note: HTMLElement) => boolean} [counts] */
const some = (counts) => () => margin.hasAny(counts);

const entry = /** @type {HTMLElement | null} */ (document.querySelector("[data-cursor-button]"));

/** Every key of the desk that is on no button of the page. @type {import("./actions.js").Action[]} */
const TABLE = [
  { key: "C", group: "Selected words", label: "Comment on the selected words, else on the whole answer", may: () => popover.isOpen() || decision.isThere(), run: () => (popover.isOpen() ? popover.write() : decision.focusComment()) },
  { key: "E", group: "Selected words", label: "Suggest other words, or edit the active comment", may: () => popover.isOpen() || has("edit")(), run: () => (popover.isOpen() ? popover.suggest() : press("edit")) },
  { key: "W", group: "Selected words", label: "Widen to whole words", may: isSelected, run: ifSelected(() => popover.widen("word")) },
  { key: "S", group: "Selected words", label: "Widen to whole sentences", may: isSelected, run: ifSelected(() => popover.widen("sentence")) },
  { key: "P", group: "Selected words", label: "Widen to whole paragraphs", may: isSelected, run: ifSelected(() => popover.widen("block")) },
  { key: "T", group: "Selected words", label: "Select words with the keyboard", may: () => entry !== null, run: () => (cursor.isOn() ? cursor.leave() : cursor.enter()) },
  { key: "J", group: "Comments", label: "Next open comment", may: some(), run: () => margin.step(1) },
  { key: "K", group: "Comments", label: "Previous open comment", may: some(), run: () => margin.step(-1) },
  { key: "]", group: "Comments", label: "Next comment, resolved ones too", may: some(is.any), run: () => margin.step(1, is.any) },
  { key: "[", group: "Comments", label: "Previous comment, resolved ones too", may: some(is.any), run: () => margin.step(-1, is.any) },
  { key: "U", group: "Comments", label: "Next open comment of mine", may: some(is.mine), run: () => margin.step(1, is.mine) },
  { key: "R", group: "Comments", label: "Reply to the active comment", may: has("reply"), run: () => press("reply") },
  { key: "⇧R", group: "Comments", label: "Resolve or re-open the active comment", may: has("resolve", "reopen"), run: () => pressFirst("resolve", "reopen") },
  { key: "A", group: "Comments", label: "Accept the active suggestion", may: has("accept"), run: () => press("accept") },
  { key: "Z", group: "Comments", label: "Reject the active suggestion", may: has("reject"), run: () => press("reject") },
  { key: "⇧A", group: "Comments", label: "Re-attach the active comment to the selected words", may: () => isSelected() && has("reattach")(), run: ifSelected(() => press("reattach")) },
  { key: "Ctrl Alt N, C or P", group: "Comments", label: "Next and previous open comment", isFixed: true },
  { key: "Enter", group: "Comments", label: "From a comment to its words, and back", isFixed: true },
  { key: "Delete", group: "Comments", label: "Remove the active comment", isFixed: true },
  { key: "Ctrl ↵", group: "Everywhere", label: "Send what is being written, else the decision", isFixed: true },
  { key: "Ctrl Alt M", group: "Selected words", label: "Comment on the selected words", isFixed: true },
  { key: "F6", group: "Everywhere", label: "Answer, comments, decision in turn", isFixed: true },
  { key: "Esc", group: "Everywhere", label: "Close one thing", isFixed: true },
];

actions.register(TABLE);
margin.watch();
copy.watch();
popover.watch();
chooser.watch();
decision.watch();
lease.watch();
live.watch();
trail.watch();
evidence.watch();
sheet.watch();
focus.watch();

if (entry) entry.hidden = false;
entry?.addEventListener("click", () => (cursor.isOn() ? cursor.leave() : cursor.enter()));

// A menu closes once something in it is chosen.
document.addEventListener("click", (event) => {
  const item = event.target instanceof Element ? event.target.closest("#decide .menu__item") : null;
  /** @type {HTMLElement | null | undefined} */ (item?.closest("[popover]"))?.hidePopover();
});

/** Close one thing. @returns {boolean} whether anything was open */
function escape() {
  if (chooser.isOpen()) chooser.leave();
  else if (popover.isOpen()) popover.leave();
  else if (cursor.isOn()) cursor.leave();
  else if (margin.current()) {
    const [words] = margin.marks(margin.current());
    if (document.activeElement?.closest("#margin")) words?.focus({ preventScroll: true });
    margin.activate("");
  } else return false;
  return true;
}

/**
 * Keys that are no single keys, and those of the place the focus is in.
 * @param {KeyboardEvent} event
 * @returns {boolean} whether it meant something
 */
function special(event) {
  const isCommand = event.metaKey || event.ctrlKey;
  const isTyping = keys.isField(event.target);
  if (event.key === "Enter" && isCommand) {
    const own = event.target instanceof Element ? event.target.closest("#margin form") : null;
    if (own instanceof HTMLFormElement) own.requestSubmit();
    else if (popover.isComposing()) popover.send();
    else if (decision.isThere()) decision.send();
    else return false;
    return true;
  }
  // AltGr and M types a letter on many keyboards.
  if (isCommand && event.altKey && event.code === "KeyM" && !event.getModifierState("AltGraph")) {
    if (!popover.isOpen()) popover.open();
    popover.write();
    return true;
  }
  if (isCommand && event.altKey && event.code === "KeyN" && !event.getModifierState("AltGraph")) {
    isGoing = true;
    return true;
  }
  if (isGoing && !["Control", "Alt", "Meta"].includes(event.key)) {
    isGoing = false;
    const by = event.code === "KeyC" ? 1 : event.code === "KeyP" ? -1 : 0;
    if (by && !isTyping) {
      margin.step(by);
      return true;
    }
  }
  if (event.key === "F6") {
    focus.cycle(event.shiftKey ? -1 : 1);
    return true;
  }
  if (event.key === "Escape") return (!isTyping || popover.isOpen() || margin.current() !== "") && escape();
  if (isCommand && event.key.toLowerCase() === "z" && !isTyping) return accept();
  if (isTyping) return false;
  if (cursor.isOn() && cursor.key(event)) return true;
  if (focus.key(event)) return true;
  const isFree = !(event.target instanceof Element && event.target.closest("button, a, summary, input"));
  if (event.key === "Enter" && marked && isFree) {
    const id = marked;
    marked = "";
    return press("edit", id);
  }
  return (event.key === "Delete" || event.key === "Backspace") && isFree && margin.current() !== "" && press("delete");
}

/**
 * @param {string} key as Postil gives it
 * @returns {boolean} whether it meant something here
 */
function act(key) {
  if (/^[1-9]$/.test(key)) {
    if (popover.isOpen()) return popover.choose(key);
    decision.reason(key);
    return true;
  }
  return actions.act(key) || decision.verdict(key);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]:modal")) return;
  if (special(event)) {
    event.preventDefault();
    return;
  }
  const key = keys.single(event);
  if (key !== null && act(key)) event.preventDefault();
});

function refresh() {
  popover.renew();
  cursor.renew();
  margin.schedule();
  decision.refresh();
}

document.addEventListener("htmx:afterSettle", soon(refresh));

// The server says what an act did, once its pieces are in place.
document.addEventListener("did", (event) => {
  const { did, card, said } = /** @type {CustomEvent<{did: string, card: string, said: string}>} */ (event).detail;
  refresh();
  if (did === "annotated") {
    const isQuiet = popover.written(card);
    decision.given(card);
    marked = isQuiet ? card : "";
    if (!cursor.isOn()) getSelection()?.removeAllRanges();
    margin.activate(card);
    cursor.renew();
    if (isQuiet) return;
    document.getElementById(card)?.focus({ preventScroll: true });
  }
  announce(said);
});

document.addEventListener("htmx:afterSwap", (event) => {
  const { elt } = /** @type {CustomEvent<{elt: Element}>} */ (event).detail;
  if (elt.id === "lease" || elt.id === "decide") lease.read();
});
