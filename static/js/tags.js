// Tags by keyboard: L goes to their field, and Backspace in the empty field takes the last one off.

/** @returns {HTMLInputElement | null} */
const field = () => /** @type {HTMLInputElement | null} */ (document.getElementById("tag-add"));

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href='#tag-add']") : null;
  if (!link) return;
  // Without the script the link itself leads there, and changes the address.
  event.preventDefault();
  field()?.focus();
});

document.addEventListener("keydown", (event) => {
  const input = field();
  if (!input || event.target !== input) return;
  if (event.key === "Escape") {
    input.blur();
  } else if (event.key === "Backspace" && input.value === "" && !event.repeat) {
    const taken = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#tags .tags__off"));
    [...taken].at(-1)?.click();
  }
});
