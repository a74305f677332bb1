// The lease: counts down, and starts anew every minute while somebody works here.
import { toast } from "../toast.js";

const RENEW_MS = 60_000;
const LAST_SECONDS = 60;

let end = 0;
let isBusy = false;
let isWarned = false;

/** @returns {HTMLElement | null} */
const lease = () => document.getElementById("lease");

/** Read how long the lease lasts from what the server wrote. */
export function read() {
  const left = lease()?.dataset.left;
  end = left === undefined ? 0 : performance.now() + Number(left) * 1000;
  isWarned = false;
  tick();
}

function tick() {
  const time = document.getElementById("lease-time");
  if (!time || !end) return;
  const left = Math.max(0, Math.round((end - performance.now()) / 1000));
  time.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  lease()?.classList.toggle("is-short", left <= LAST_SECONDS);
  if (left <= LAST_SECONDS && !isWarned) {
    isWarned = true;
    toast("Less than a minute is left. Keep working to keep the item.", "warn");
  }
}

function renew() {
  if (!isBusy) return;
  isBusy = false;
  document.getElementById("renew")?.dispatchEvent(new Event("renew"));
}

/** Count down, and renew while there are signs of work. */
export function watch() {
  if (!lease()) return;
  for (const sign of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(sign, () => (isBusy = true), { passive: true });
  }
  setInterval(tick, 1000);
  setInterval(renew, RENEW_MS);
  read();
}
