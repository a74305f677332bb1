/**
 * Once after the event at hand, however often it is asked for: htmx tells of each element that it
 * put in, dozens for one answer.
 * @param {() => void} act
 * @returns {() => void}
 */
export function soon(act) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(() => {
      isAsked = false;
      act();
    });
  };
}
