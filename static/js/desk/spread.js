// Where notes stand in the margin. Plain numbers, no page.

export const GAP = 8;
/** Height of a note that is folded to one line; the style sheet says the same. */
export const FOLDED = 34;
const TOP = 8;
const CLOSE = 60;
const MOST_CLOSE = 3;

/**
 * Which notes fold to one line: runs of more than three whose words are closer than 60 px.
 * @param {(number | null)[]} wanted
 * @param {number} pinned the active note, which never folds; -1 for none
 * @returns {boolean[]}
 */
export function folded(wanted, pinned) {
  const folds = wanted.map(() => false);
  let from = 0;
  for (let place = 1; place <= wanted.length; place += 1) {
    const [here, former] = [wanted[place], wanted[place - 1]];
    if (here !== null && here !== undefined && former !== null && former !== undefined && here - former < CLOSE) continue;
    if (place - from > MOST_CLOSE) folds.fill(true, from, place);
    from = place;
  }
  if (pinned >= 0) folds[pinned] = false;
  return folds;
}

/**
 * Tops in order and without overlap, as near to the wanted ones as can be (least squares, by
 * pooling adjacent violators). A note that wants no place follows the one before it.
 *
 * Notes above the pinned one that find no room there get tops below 0.
 * @param {(number | null)[]} wanted
 * @param {number[]} heights
 * @param {number} pinned the note that gets what it wants, -1 for none
 * @returns {number[]}
 */
export function spread(wanted, heights, pinned) {
  // Less the heights before it, every top has only not to be smaller than the former.
  /** @type {number[]} */
  const before = [];
  let sum = 0;
  for (const height of heights) {
    before.push(sum);
    sum += height + GAP;
  }
  const levels = pool(wanted.map((want, place) => (want === null ? null : want - (before[place] ?? 0))));
  const pin = wanted[pinned];
  const fixed = pin === null || pin === undefined ? null : pin - (before[pinned] ?? 0);
  return levels.map((level, place) => {
    const free = Math.max(level, TOP);
    const bound = fixed === null ? free : place < pinned ? Math.min(free, fixed) : place > pinned ? Math.max(free, fixed) : fixed;
    return Math.round(bound + (before[place] ?? 0));
  });
}

/**
 * The nearest sequence that never falls.
 * @param {(number | null)[]} values null follows the one before
 * @returns {number[]}
 */
function pool(values) {
  /** @type {{mean: number, weight: number, size: number}[]} */
  const pools = [];
  for (const value of values) {
    const last = pools.at(-1);
    if (value === null) {
      if (last) last.size += 1;
      else pools.push({ mean: TOP, weight: 0, size: 1 });
      continue;
    }
    let next = { mean: value, weight: 1, size: 1 };
    for (let former = pools.at(-1); former && former.mean > next.mean; former = pools.at(-1)) {
      const weight = former.weight + next.weight;
      next = { mean: (former.mean * former.weight + next.mean * next.weight) / weight, weight, size: former.size + next.size };
      pools.pop();
    }
    pools.push(next);
  }
  return pools.flatMap(({ mean, size }) => /** @type {number[]} */ (Array(size).fill(mean)));
}
