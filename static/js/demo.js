// The demo product's chat: plays the next recorded turn, and tells Postil what its user did.

const talk = /** @type {HTMLOListElement} */ (document.getElementById("talk"));
const form = /** @type {HTMLFormElement} */ (document.getElementById("ask"));
const question = /** @type {HTMLElement} */ (document.getElementById("question"));
const send = /** @type {HTMLButtonElement} */ (document.getElementById("send"));
/** @type {NodeListOf<HTMLTemplateElement>} */
const found = document.querySelectorAll("template[data-query]");
const toCome = [...found];

/**
 * The feedback widget under an answer; nothing when its script did not load.
 * @param {Element | null | undefined} turn
 */
const widgetOf = (turn) =>
  /** @type {any} */ (window).Postil?.attach(turn?.querySelector("[data-postil]"));

function playNext() {
  const template = toCome.shift();
  const turn = template?.content.firstElementChild?.cloneNode(true);
  if (!template || !(turn instanceof Element)) return;
  const former = widgetOf(talk.lastElementChild);
  if ("again" in template.dataset) former?.signal("regenerate", null);
  else former?.followUp();
  talk.append(turn);
  widgetOf(turn);
  turn.scrollIntoView({ block: "start" });
  showNext();
}

/** What the user says next, and an address that leads back here. */
function showNext() {
  const [next] = toCome;
  const here = new URLSearchParams({
    session: talk.dataset.session ?? "",
    turns: String(talk.childElementCount),
  });
  history.replaceState(null, "", `?${here}`);
  form.hidden = !next;
  question.hidden = !next || "again" in next.dataset;
  question.textContent = next?.dataset.query ?? "";
  send.textContent = next && "again" in next.dataset ? "Answer again" : "Ask";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  playNext();
});
