// The lease: counts down, and starts anew every minute while somebody works here.
import { signedOut } from "./draft.js";
import { toast } from "../toast.js";

const RENEW_MS = 60_000;
const LAST_SECONDS = 60;

// One tab renews for all: they tell each other when the lease ends.
const tabs = new BroadcastChannel("lease");
let end = 0;
let renewedAt = 0;
let isBusy = false;
let isWarned = false;

/** @returns {HTMLElement | null} */
const lease = () => document.getElementById("lease");
/** @returns {string} */
const address = () => document.getElementById("renew")?.getAttribute("action") ?? "";

/** Read how long the lease lasts from what the server wrote. */
export function read() {
  const left = lease()?.dataset.left;
  set(left === undefined ? 0 : Date.now() + Number(left) * 1000);
  if (end) tabs.postMessage({ address: address(), end });
  const lost = document.getElementById("lost");
  if (lost instanceof HTMLDialogElement && !lost.open) lost.showModal();
}

/** @param {number} at when the lease ends, in milliseconds; 0 without one */
function set(at) {
  end = at;
  if (end - Date.now() > LAST_SECONDS * 1000) {
    isWarned = false;
    document.querySelector(".toast[data-lease]")?.remove();
  }
  tick();
}

function tick() {
  const time = document.getElementById("lease-time");
  if (!time || !end) return;
  const left = Math.max(0, Math.round((end - Date.now()) / 1000));
  time.textContent = left ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : "ran out";
  const share = left / Number(lease()?.dataset.whole ?? 1);
  document.querySelector("#lease .meter rect")?.setAttribute("width", `${Math.min(1, share) * 100}%`);
  lease()?.classList.toggle("is-short", left <= LAST_SECONDS);
  if (left > 0 && left <= LAST_SECONDS && !isWarned) {
    isWarned = true;
    toast("Less than a minute is left on this item.", "warn", { label: "Keep it", run: renew, ms: LAST_SECONDS * 1000 });
    document.querySelector("#toasts > :last-child")?.setAttribute("data-lease", "");
  }
}

function renew() {
  const form = document.getElementById("renew");
  if (!form || !navigator.onLine) return;
  isBusy = false;
  renewedAt = Date.now();
  form.dispatchEvent(new Event("renew"));
}

/** Somebody works here: a lease that has run out is asked for at once, the others in time. */
function work() {
  isBusy = true;
  if (end && end < Date.now() && Date.now() - renewedAt > 5_000) renew();
}

/** Count down, and renew while there are signs of work. */
export function watch() {
  for (const sign of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(sign, work, { passive: true });
  }
  tabs.addEventListener("message", (event) => {
    if (event.data.address === address()) set(event.data.end);
  });
  addEventListener("online", renew);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-close-lost]")) event.target.closest("dialog")?.close();
  });
  // Nobody who types is sent to the sign-in page by a lease that renews itself.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { requestConfig, xhr } = /** @type {CustomEvent<{requestConfig: {elt: Element}, xhr: XMLHttpRequest}>} */ (event).detail;
    if (requestConfig.elt.id !== "renew" || new URL(xhr.responseURL).pathname !== document.body.dataset.signIn) return;
    event.preventDefault();
    event.stopPropagation();
    signedOut();
  }, { capture: true });
  setInterval(tick, 1000);
  setInterval(() => isBusy && renew(), RENEW_MS);
  read();
}
