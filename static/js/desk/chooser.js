// Words that several comments are about: which of them is meant.

/** @typedef {{show: (id: string) => void, pick: (id: string) => void}} Act */

/** @type {HTMLElement | null} */
let box = null;
/** @type {HTMLElement | null} */
let words = null;
/** @type {Act | null} */
let act = null;

/** Whether it is open. @returns {boolean} */
export function isOpen() {
  return box !== null;
}

/** @returns {HTMLElement[]} */
const choices = () => /** @type {HTMLElement[]} */ ([...(box?.children ?? [])]);

/**
 * List the comments on these words; open on the same words already, go on to the next.
 * @param {HTMLElement} piece
 * @param {string[]} ids
 * @param {string} active the note that is active now
 * @param {Act} does what showing and picking a comment does
 */
export function open(piece, ids, active, does) {
  const next = ids[(ids.indexOf(active) + 1) % ids.length] ?? "";
  if (words !== piece || !box) {
    close();
    words = piece;
    act = does;
    box = document.createElement("div");
    box.className = "pop chooser";
    box.setAttribute("role", "menu");
    box.setAttribute("aria-label", `${ids.length} comments on these words`);
    box.append(...ids.map(choice));
    document.getElementById("folio")?.append(box);
    put(piece);
  }
  show(next);
}

/** Close it; the focus goes back to the words. */
export function leave() {
  const former = words;
  close();
  former?.focus({ preventScroll: true });
}

/** Close it. */
export function close() {
  box?.remove();
  box = null;
  words = null;
}

/**
 * One line of the list: the reason, who, and the beginning of what they wrote.
 * @param {string} id
 * @returns {HTMLButtonElement}
 */
function choice(id) {
  const note = document.getElementById(id);
  const line = document.createElement("button");
  line.type = "button";
  line.className = "chooser__one";
  line.setAttribute("role", "menuitem");
  line.tabIndex = -1;
  line.dataset.to = id;
  const reason = note?.querySelector(".cat, .badge")?.cloneNode(true);
  const text = document.createElement("span");
  text.className = "clip";
  const said = [".note__text", "ins", ".note__quote"].map((part) => note?.querySelector(part)?.textContent?.trim()).find(Boolean);
  text.textContent = (said ?? "").slice(0, 120);
  const by = document.createElement("span");
  by.className = "small muted push nowrap";
  by.textContent = note?.querySelector(".note__by b")?.textContent ?? "";
  if (reason) line.append(reason);
  line.append(text, by);
  return line;
}

/** @param {HTMLElement} piece */
function put(piece) {
  const area = document.getElementById("folio")?.getBoundingClientRect();
  const view = document.querySelector(".folio")?.getBoundingClientRect();
  const lines = piece.getClientRects();
  const last = lines[lines.length - 1];
  if (!box || !area || !view || !last) return;
  const low = last.bottom + 6;
  const top = low + box.offsetHeight < Math.min(view.bottom, innerHeight) ? low : (lines[0]?.top ?? low) - 6 - box.offsetHeight;
  const left = Math.max(view.left + 8, Math.min(last.left, Math.min(view.right, innerWidth) - box.offsetWidth - 8));
  box.style.top = `${top - area.top}px`;
  box.style.left = `${left - area.left}px`;
}

/** @param {string} id */
function show(id) {
  act?.show(id);
  const line = choices().find((one) => one.dataset.to === id);
  for (const one of choices()) one.classList.toggle("is-cur", one === line);
  line?.focus({ preventScroll: true });
}

/** Keys and clicks while it is open. */
export function watch() {
  document.addEventListener("keydown", (event) => {
    if (!box || event.defaultPrevented) return;
    const all = choices();
    const here = all.findIndex((one) => one.classList.contains("is-cur"));
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by) show(all[(here + by + all.length) % all.length]?.dataset.to ?? "");
    else if (event.key === "Home" || event.key === "End") show(all.at(event.key === "Home" ? 0 : -1)?.dataset.to ?? "");
    else if (event.key === "Escape") leave();
    else if (event.key === "Tab") {
      close();
      return;
    } else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, { capture: true });
  document.addEventListener("click", (event) => {
    const line = event.target instanceof Element ? event.target.closest(".chooser__one") : null;
    if (!(line instanceof HTMLElement)) return;
    const id = line.dataset.to ?? "";
    close();
    act?.pick(id);
  });
  document.addEventListener("pointerdown", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (box && !box.contains(target) && !words?.contains(target)) close();
  });
}
