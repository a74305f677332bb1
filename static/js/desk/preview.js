// What a suggestion would do: asked of the server while it is typed.

const PAUSE_MS = 300;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let pending;
let asked = 0;

const place = () => document.getElementById("pop-preview");

/**
 * Ask for the preview of a form's suggestion, and show it.
 * @param {HTMLFormElement} form
 * @param {boolean} isFirst whether nothing is typed yet, and the Markdown of the words is wanted
 * @returns {Promise<string | null>} that Markdown, null when it cannot be had
 */
export async function ask(form, isFirst) {
  const url = form.dataset.preview;
  const number = (asked += 1);
  if (!url) return null;
  const body = new FormData(form);
  body.delete("comment");
  if (isFirst) body.delete("replacement");
  const response = await fetch(url, { method: "POST", body, headers: { "HX-Request": "true" }, redirect: "error" }).catch(() => null);
  const text = response && [200, 409, 422].includes(response.status) ? await response.text() : "";
  // Somebody typed on, or closed the form.
  if (number !== asked) return null;
  const into = place();
  if (into) into.innerHTML = text;
  return into?.querySelector("[data-offered]")?.textContent ?? null;
}

/**
 * Ask anew once nothing is typed for a moment.
 * @param {HTMLFormElement} form
 * @param {() => void} shown
 */
export function later(form, shown) {
  clearTimeout(pending);
  pending = setTimeout(() => void ask(form, false).then(shown), PAUSE_MS);
}

/** Forget what was asked. */
export function clear() {
  clearTimeout(pending);
  asked += 1;
  place()?.replaceChildren();
}
