// Places in the answer: from the DOM to code points of the canonical text, and back.
// The text content of the answer, less what is marked as no text of it, is its canonical text.
// The DOM counts in UTF-16 units, a place in code points; each block knows where it starts.

/**
 * @typedef {object} Place
 * @property {number} start code points before the first selected one
 * @property {number} end code points before the first one after
 * @property {string} exact the text between
 * @property {Range} range the same in the DOM
 * @property {boolean} isTrimmed whether words outside the answer were selected, too
 */

/** @typedef {"word" | "sentence" | "block"} Unit */
/** @typedef {{element: HTMLElement, unit: number, point: number}} Block */

/** @type {Map<string, Intl.Segmenter>} */
const segmenters = new Map();

/**
 * @param {"grapheme" | "word" | "sentence"} granularity
 * @returns {Intl.Segmenter}
 */
function segmenter(granularity) {
  const known = segmenters.get(granularity) ?? new Intl.Segmenter(undefined, { granularity });
  segmenters.set(granularity, known);
  return known;
}

/** The text of an answer as the page holds it now: one walk through its nodes. */
export class Reading {
  /** @param {HTMLElement} answer */
  constructor(answer) {
    this.answer = answer;
    /** @type {Text[]} */
    this.nodes = [];
    /** UTF-16 units before each node. @type {number[]} */
    this.at = [];
    /** @type {Block[]} */
    this.blocks = [];
    /** @type {string[]} */
    const texts = [];
    let unit = 0;
    const walker = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT, (node) =>
      node instanceof HTMLElement && node.dataset.noText !== undefined ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
    );
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node instanceof Text) {
        this.nodes.push(node);
        this.at.push(unit);
        texts.push(node.data);
        unit += node.length;
      } else if (node instanceof HTMLElement && node.dataset.start !== undefined) {
        this.blocks.push({ element: node, unit, point: Number(node.dataset.start) });
      }
    }
    this.text = texts.join("");
  }

  /**
   * The UTF-16 units before a point of the DOM.
   * @param {Node} node
   * @param {number} offset
   * @returns {number}
   */
  unit(node, offset) {
    const point = document.createRange();
    point.setStart(node, offset);
    const here = first(this.nodes.length, (number) => point.comparePoint(/** @type {Text} */ (this.nodes[number]), 0) >= 0);
    const inside = here > 0 && this.nodes[here - 1] === node;
    return inside ? (this.at[here - 1] ?? 0) + offset : (this.at[here] ?? this.text.length);
  }

  /**
   * The block that a unit is in, or that the break before it follows.
   * @param {number} unit
   * @returns {Block}
   */
  block(unit) {
    const after = first(this.blocks.length, (number) => (this.blocks[number]?.unit ?? 0) > unit);
    return this.blocks[after - 1] ?? { element: this.answer, unit: 0, point: 0 };
  }

  /**
   * @param {number} unit
   * @returns {number} code points
   */
  point(unit) {
    const block = this.block(unit);
    return block.point + length(this.text.slice(block.unit, unit));
  }

  /**
   * @param {number} point code points
   * @returns {number} UTF-16 units
   */
  unitOf(point) {
    const after = first(this.blocks.length, (number) => (this.blocks[number]?.point ?? 0) > point);
    const block = this.blocks[after - 1] ?? { unit: 0, point: 0 };
    let unit = block.unit;
    for (let left = point - block.point; left > 0 && unit < this.text.length; left -= 1) {
      unit += (this.text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
    }
    return unit;
  }

  /**
   * The text of a block, and the unit it starts at.
   * @param {number} unit a unit in it
   * @returns {{text: string, from: number, isCode: boolean}}
   */
  around(unit) {
    const { element, unit: from } = this.block(unit);
    const next = first(this.blocks.length, (number) => (this.blocks[number]?.unit ?? 0) > from);
    const to = this.blocks[next]?.unit ?? this.text.length;
    // What stands between two blocks belongs to neither.
    const gap = next < this.blocks.length && /[\n\t]/.test(this.text[to - 1] ?? "") ? 1 : 0;
    return { text: this.text.slice(from, Math.max(from, to - gap)), from, isCode: element.localName === "code" };
  }

  /**
   * @param {number} start UTF-16 units
   * @param {number} end
   * @returns {Range}
   */
  range(start, end) {
    const range = document.createRange();
    const head = first(this.at.length, (number) => (this.at[number] ?? 0) > start) - 1;
    const tail = Math.max(head, first(this.at.length, (number) => (this.at[number] ?? 0) >= end) - 1);
    const [from, to] = [this.nodes[head], this.nodes[tail]];
    if (!from || !to) range.selectNodeContents(this.answer);
    else {
      range.setStart(from, Math.min(from.length, start - (this.at[head] ?? 0)));
      range.setEnd(to, Math.min(to.length, end - (this.at[tail] ?? 0)));
    }
    return range;
  }

  /**
   * Widen to whole graphemes, trim white space.
   * @param {number} start UTF-16 units
   * @param {number} end
   * @returns {[number, number] | null} null when nothing but white space is left
   */
  snap(start, end) {
    let [from, to] = [this.#edge(start, false), this.#edge(end, true)];
    while (from < to && isSpace(this.text[from])) from += 1;
    while (from < to && isSpace(this.text[to - 1])) to -= 1;
    return from < to ? [from, to] : null;
  }

  /**
   * @param {number} unit
   * @param {boolean} isEnd whether an edge within a grapheme moves behind it
   * @returns {number}
   */
  #edge(unit, isEnd) {
    const { text, from } = this.around(unit);
    if (unit <= from || unit >= from + text.length) return unit;
    const cluster = segmenter("grapheme").segment(text).containing(unit - from);
    if (!cluster || cluster.index === unit - from) return unit;
    return from + cluster.index + (isEnd ? cluster.segment.length : 0);
  }

  /**
   * Widen a span to the words, sentences or blocks it touches.
   * @param {number} start UTF-16 units
   * @param {number} end
   * @param {Unit} unit
   * @returns {[number, number]}
   */
  expand(start, end, unit) {
    const from = this.#segment(start, unit)[0];
    const to = this.#segment(Math.max(start, end - 1), unit)[1];
    return this.snap(Math.min(from, start), Math.max(to, end)) ?? [start, end];
  }

  /**
   * @param {number} at
   * @param {Unit} unit
   * @returns {[number, number]}
   */
  #segment(at, unit) {
    const { text, from, isCode } = this.around(at);
    if (unit === "block") return [from, from + text.length];
    // A line break within a paragraph ends no sentence.
    const flat = unit === "sentence" && !isCode ? text.replaceAll("\n", " ") : text;
    const found = segmenter(unit).segment(flat).containing(Math.min(Math.max(0, at - from), flat.length - 1));
    return found ? [from + found.index, from + found.index + found.segment.length] : [at, at];
  }

  /**
   * @param {number} start UTF-16 units
   * @param {number} end
   * @param {boolean} [isTrimmed]
   * @returns {Place}
   */
  place(start, end, isTrimmed = false) {
    const exact = this.text.slice(start, end);
    const from = this.point(start);
    return { start: from, end: from + length(exact), exact, range: this.range(start, end), isTrimmed };
  }
}

/**
 * The first of `size` numbers that passes a test which all after it pass, too.
 * @param {number} size
 * @param {(number: number) => boolean} passes
 * @returns {number} `size` when none does
 */
function first(size, passes) {
  let [low, high] = [0, size];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * @param {string} text
 * @returns {number} code points
 */
function length(text) {
  let points = 0;
  for (const _ of text) points += 1;
  return points;
}

/** @param {string | undefined} unit */
const isSpace = (unit) => unit !== undefined && unit.trim() === "";

/** Whether several stretches are selected at once, as Firefox can. @returns {boolean} */
export function areSeveral() {
  return (getSelection()?.rangeCount ?? 0) > 1;
}

/**
 * What is selected in the answer: clamped to it, whole graphemes, trimmed of white space.
 * @param {HTMLElement} answer
 * @returns {Place | null} null when nothing is
 */
export function selected(answer) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(answer)) return null;
  const whole = document.createRange();
  whole.selectNodeContents(answer);
  const isBefore = range.compareBoundaryPoints(Range.START_TO_START, whole) < 0;
  const isAfter = range.compareBoundaryPoints(Range.END_TO_END, whole) > 0;
  const reading = new Reading(answer);
  const start = isBefore ? 0 : reading.unit(range.startContainer, range.startOffset);
  const end = isAfter ? reading.text.length : reading.unit(range.endContainer, range.endOffset);
  const found = reading.snap(start, end);
  return found && reading.place(...found, (isBefore && holdsWords(range, whole, true)) || (isAfter && holdsWords(range, whole, false)));
}

/**
 * Whether a selection that leaves the answer takes in words there; a triple click on the last
 * block ends before the first of them.
 * @param {Range} range
 * @param {Range} whole the answer
 * @param {boolean} isBefore
 * @returns {boolean}
 */
function holdsWords(range, whole, isBefore) {
  const outside = range.cloneRange();
  if (isBefore) outside.setEnd(whole.startContainer, 0);
  else outside.setStart(whole.endContainer, whole.endOffset);
  const walker = document.createTreeWalker(outside.commonAncestorContainer, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    // What a selection opens is no part of it.
    if (!outside.intersectsNode(node) || !element?.checkVisibility() || element.closest(".pop")) continue;
    const from = node === outside.startContainer ? outside.startOffset : 0;
    const to = node === outside.endContainer ? outside.endOffset : undefined;
    if (/** @type {Text} */ (node).data.slice(from, to).trim() !== "") return true;
  }
  return false;
}

/**
 * The place between two counts of code points.
 * @param {HTMLElement} answer
 * @param {number} start
 * @param {number} end
 * @returns {Place}
 */
export function place(answer, start, end) {
  const reading = new Reading(answer);
  return reading.place(reading.unitOf(start), reading.unitOf(end));
}

/**
 * A place widened to the words, sentences or blocks it touches.
 * @param {HTMLElement} answer
 * @param {{start: number, end: number}} from
 * @param {Unit} unit
 * @returns {Place}
 */
export function expanded(answer, from, unit) {
  const reading = new Reading(answer);
  return reading.place(...reading.expand(reading.unitOf(from.start), reading.unitOf(from.end), unit));
}
