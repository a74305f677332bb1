// Picking results: the page at once, and how many are picked.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("bulk"));
const page = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-pick-page]"));
const all = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-pick-all]"));

/** @returns {HTMLInputElement[]} */
function rows() {
  return [...(/** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-pick]")))];
}

function tell() {
  const found = rows();
  const picked = found.filter((row) => row.checked);
  for (const row of found) row.closest(".res")?.classList.toggle("is-sel", row.checked || !!all?.checked);
  if (page) {
    page.checked = picked.length > 0 && picked.length === found.length;
    page.indeterminate = picked.length > 0 && picked.length < found.length;
  }
  const told = form?.querySelector("[data-picked]");
  if (told) told.textContent = all?.checked ? "All picked" : `${picked.length} picked`;
}

document.addEventListener("change", (event) => {
  if (event.target === page) for (const row of rows()) row.checked = page?.checked ?? false;
  tell();
});
tell();

export {};
