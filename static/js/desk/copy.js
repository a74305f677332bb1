// Buttons that copy a text of the page.
import { announce } from "../toast.js";

/** Listen to buttons with [data-copy], the selector of what they copy. */
export function watch() {
  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    const text = button && document.querySelector(button.getAttribute("data-copy") ?? "")?.textContent;
    if (!text) return;
    await navigator.clipboard.writeText(text);
    announce("Copied");
  });
}
