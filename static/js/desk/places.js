// Places in the answer: from the DOM to code points of the canonical text, and back.
// The text content of the answer is its canonical text, so a place is a count of what is before it.

/**
 * @typedef {object} Place
 * @property {number} start code points before the first selected one
 * @property {number} end code points before the first one after
 * @property {string} exact the text between
 * @property {Range} range the same in the DOM
 */

/**
 * The code points before a point, counted from the nearest block that knows its own start.
 * @param {Node} node
 * @param {number} offset
 * @returns {number}
 */
function count(node, offset) {
  const element = node instanceof Element ? node : node.parentElement;
  const block = /** @type {HTMLElement | null | undefined} */ (element?.closest("[data-start]"));
  if (!block) return 0;
  const before = document.createRange();
  before.selectNodeContents(block);
  before.setEnd(node, offset);
  return Number(block.dataset.start) + [...before.toString()].length;
}

/**
 * What is selected in the answer, clamped to it and trimmed of white space.
 * @param {HTMLElement} answer
 * @returns {Place | null} null when nothing is
 */
export function selected(answer) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0).cloneRange();
  if (!range.intersectsNode(answer)) return null;
  const whole = document.createRange();
  whole.selectNodeContents(answer);
  if (range.compareBoundaryPoints(Range.START_TO_START, whole) < 0) range.setStart(answer, 0);
  if (range.compareBoundaryPoints(Range.END_TO_END, whole) > 0) range.setEnd(answer, answer.childNodes.length);
  const start = count(range.startContainer, range.startOffset);
  const end = count(range.endContainer, range.endOffset);
  const points = [...(answer.textContent ?? "")].slice(start, end);
  const blank = points.findIndex((point) => point.trim() !== "");
  if (blank < 0) return null;
  const kept = points.findLastIndex((point) => point.trim() !== "") + 1;
  return place(answer, start + blank, start + kept);
}

/**
 * The place between two counts of code points.
 * @param {HTMLElement} answer
 * @param {number} start
 * @param {number} end
 * @returns {Place}
 */
export function place(answer, start, end) {
  const points = [...(answer.textContent ?? "")];
  const exact = points.slice(start, end).join("");
  const first = points.slice(0, start).join("").length;
  const range = document.createRange();
  point(answer, first, (node, offset) => range.setStart(node, offset));
  point(answer, first + exact.length, (node, offset) => range.setEnd(node, offset), true);
  return { start, end, exact, range };
}

/**
 * Find the text node that a count of UTF-16 units leads to.
 * @param {HTMLElement} answer
 * @param {number} units
 * @param {(node: Node, offset: number) => void} found
 * @param {boolean} [isEnd] whether a place between two nodes belongs to the first
 */
function point(answer, units, found, isEnd = false) {
  const texts = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT);
  let rest = units;
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const { length } = /** @type {Text} */ (node);
    if (rest < length || (isEnd && rest === length)) {
      found(node, rest);
      return;
    }
    rest -= length;
  }
  found(answer, answer.childNodes.length);
}
