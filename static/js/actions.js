// What can be done on this page without a button of its own: for keys, cheat sheet and palette.

/**
 * @typedef {object} Action
 * @property {string} key as `data-key` spells it
 * @property {string} label
 * @property {string} [group] a heading of the cheat sheet
 * @property {() => boolean | void} [run] false when there is nothing to do it to
 * @property {() => boolean} [may] whether there is anything now to do it to; the palette lists no others
 * @property {boolean} [isFixed] whether the key stays as it is
 */

/** @type {Action[]} */
const actions = [];

/**
 * Make actions known.
 * @param {Action[]} more
 */
export function register(more) {
  actions.push(...more);
}

/** @returns {readonly Action[]} */
export function all() {
  return actions;
}

/**
 * Do what a key is for.
 * @param {string} key
 * @returns {boolean} whether there was anything to do
 */
export function act(key) {
  const action = actions.find((one) => one.key === key && one.run);
  return action !== undefined && action.run?.() !== false;
}

/** An element's words for what it does. @param {HTMLElement} element @returns {string} */
export function does(element) {
  const said = element.dataset.does || element.getAttribute("aria-label") || element.textContent || "";
  return said.replace(/\s+/g, " ").trim();
}
