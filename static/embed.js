/**
 * Postil's feedback widget, for a product's own pages: see docs/how-to/embed-feedback.md.
 *
 * It needs nothing, adds one global (Postil), and whatever fails in it stays in it.
 */
(() => {
  "use strict";
  if ("Postil" in window) return;

  const LABELS = {
    question: "Was this helpful?",
    up: "Good answer",
    down: "Bad answer",
    wrong: "What was wrong?",
    comment: "Anything else?",
    correction: "A better answer",
    send: "Send",
    close: "Close",
    more: "Say more",
    undo: "Undo",
    retry: "Try again",
    sending: "Sending…",
    sent: "Thank you.",
    undone: "Taken back.",
    waiting: "Not sent yet. Trying again…",
    failed: "Not sent.",
    refused: "This can no longer be sent.",
    /** @type {Record<string, string>} */
    reasons: {},
  };

  // The page's own colours carry over; only the accent is ours, and the page may set it.
  const STYLE = `
    :host { --accent: var(--postil-accent, light-dark(#0b6470, #7ccbd4)); display: block;
      font: inherit; font-size: .875rem; line-height: 1.4; text-align: start; white-space: normal }
    :host([hidden]), [hidden] { display: none !important }
    * { box-sizing: border-box }
    .bar, .chips, .ends { display: flex; flex-wrap: wrap; align-items: center; gap: .375rem }
    button, textarea { font: inherit; color: inherit; border-radius: .375rem;
      border: 1px solid color-mix(in srgb, currentColor 55%, transparent); background: none }
    button { min-width: 2rem; min-height: 2rem; padding: .1rem .6rem; cursor: pointer }
    button:hover, label.chip:hover { background: color-mix(in srgb, currentColor 9%, transparent) }
    :focus-visible, .chip:focus-within { outline: 2px solid var(--accent); outline-offset: 2px }
    .thumb { display: grid; place-items: center; padding: 0; border-color: transparent }
    .thumb[aria-pressed=true] { color: var(--accent); border-color: currentColor }
    .thumb[aria-pressed=true] path { fill: currentColor; fill-opacity: .25 }
    svg { width: 1.2rem; height: 1.2rem; fill: none; stroke: currentColor; stroke-width: 1.6;
      stroke-linejoin: round }
    .down svg { rotate: 180deg }
    .link { border: 0; padding: .1rem .3rem; text-decoration: underline; text-underline-offset: 2px }
    form { display: grid; gap: .75rem; max-width: 36rem; margin-top: .5rem; padding: .75rem;
      border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem }
    fieldset { margin: 0; padding: 0; border: 0; min-width: 0 }
    legend { padding: 0 0 .375rem; font-weight: 600 }
    .chip { display: inline-flex; align-items: center; gap: .35rem; min-height: 2rem;
      padding: 0 .6rem; border-radius: 1rem; cursor: pointer;
      border: 1px solid color-mix(in srgb, currentColor 40%, transparent) }
    .chip input { margin: 0; outline: 0; accent-color: var(--accent) }
    .field { display: grid; gap: .25rem }
    textarea { width: 100%; padding: .375rem .5rem; resize: vertical }
    .send { border-color: var(--accent); background: var(--accent); color: Canvas }
    @media (pointer: coarse) { button, .chip { min-height: 2.75rem; min-width: 2.75rem } }`;

  const UP =
    "M7 10v10H4V10zl4-7q2.6 0 2 3l-.6 3h6q2 0 2 2.5l-1.5 7q-.5 1.5-2 1.5H7";
  // Before a failed request is sent again, in milliseconds.
  const PAUSES = [1000, 3000, 9000, 27_000];

  /** @typedef {{ id: string } & Record<string, unknown>} Sent */
  /** @typedef {"sending" | "sent" | "waiting" | "failed" | "refused"} State */
  /** @typedef {{ token?: string, endpoint?: string, answer?: Element | null, labels?: object }} Options */

  /** @type {WeakMap<Element, Record<"signal" | "followUp" | "detach", Function>>} */
  const handles = new WeakMap();
  const script = document.currentScript;
  const home = script instanceof HTMLScriptElement && script.src ? new URL(script.src).origin : "";

  /**
   * The function, but what it throws is lost.
   * @template {unknown[]} A
   * @template R
   * @param {(...args: A) => R} act
   * @returns {(...args: A) => R | null}
   */
  const safely =
    (act) =>
    (...args) => {
      try {
        return act(...args);
      } catch {
        return null;
      }
    };

  const newId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  /**
   * @template {keyof HTMLElementTagNameMap} T
   * @param {T} tag
   * @param {Record<string, string>} attributes
   * @param {(Node | string)[]} children
   * @returns {HTMLElementTagNameMap[T]}
   */
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  /** @param {string} label @param {string} kind */
  const makeThumb = (label, kind) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", UP);
    svg.append(path);
    const about = { type: "button", class: `thumb ${kind}`, "aria-pressed": "false", title: label };
    return make("button", { ...about, "aria-label": label }, svg);
  };

  /** JSON, but without the one character that cannot be stored. @param {unknown} body */
  const write = (body) =>
    JSON.stringify(body, (_, value) => value?.replaceAll?.("\0", "") ?? value);

  /** @param {string} url @param {unknown} body */
  const post = async (url, body) => {
    const text = write(body);
    return fetch(url, {
      method: "POST",
      // A preflight is not asked for plain text.
      headers: { "Content-Type": "text/plain" },
      body: text,
      credentials: "omit",
      // Browsers refuse to keep more than 64 KiB alive.
      keepalive: text.length < 20_000,
    });
  };

  /**
   * Sends records, one request at a time, until they arrive; a newer one replaces its elder.
   * @param {string} url
   * @param {string} token
   * @param {(state: State, id: string) => void} tell what became of a record
   */
  const makeOutbox = (url, token, tell) => {
    /** @type {Map<string, Sent>} */
    const unsent = new Map();
    let isBusy = false;
    let wake = () => {};

    /** Returns how many seconds to wait when this has to be sent again. @param {Sent[]} records */
    const attempt = async (records) => {
      try {
        const reply = await post(url, { token, records });
        if (reply.status === 429 || reply.status >= 500)
          return Number(reply.headers.get("Retry-After")) || 0;
        const rejected = reply.ok ? (await reply.json()).rejected : records;
        const ids = rejected.map((/** @type {Sent} */ one) => one.id);
        for (const one of records) {
          // What has changed meanwhile is not done.
          if (unsent.get(one.id) !== one) continue;
          unsent.delete(one.id);
          tell(ids.includes(one.id) ? "refused" : "sent", one.id);
        }
        return null;
      } catch {
        return 0;
      }
    };

    const flush = async () => {
      if (isBusy) return;
      isBusy = true;
      for (let tries = 0; unsent.size; ) {
        const records = [...unsent.values()];
        const seconds = await attempt(records);
        if (seconds === null) {
          tries = 0;
          continue;
        }
        const isOver = tries === PAUSES.length;
        records.forEach((one) => tell(isOver ? "failed" : "waiting", one.id));
        if (isOver) break;
        const pause = Math.max(seconds * 1000, PAUSES[tries++]);
        await new Promise((resolve) => {
          wake = () => resolve(null);
          setTimeout(wake, pause);
        });
      }
      isBusy = false;
    };

    return {
      /** @param {Sent} record */
      put(record) {
        unsent.set(record.id, record);
        void flush();
      },
      retry() {
        wake();
        void flush();
      },
      /** Hand what is left, and this, to the browser: the page goes. @param {Sent[]} last */
      close(last) {
        const records = [...unsent.values(), ...last];
        const body = new Blob([write({ token, records })], { type: "text/plain" });
        if (records.length) navigator.sendBeacon(url, body);
      },
    };
  };

  /** How much of the answer is selected, in code points. @param {Element} answer */
  const countSelected = (answer) => {
    const selection = document.getSelection();
    if (!selection?.rangeCount || selection.isCollapsed) return 0;
    const selected = selection.getRangeAt(0);
    if (!selected.intersectsNode(answer)) return 0;
    const within = document.createRange();
    within.selectNodeContents(answer);
    if (selected.compareBoundaryPoints(Range.START_TO_START, within) > 0)
      within.setStart(selected.startContainer, selected.startOffset);
    if (selected.compareBoundaryPoints(Range.END_TO_END, within) < 0)
      within.setEnd(selected.endContainer, selected.endOffset);
    return [...within.toString()].length;
  };

  /** Counts the seconds the page is seen. @param {AbortSignal} signal */
  const startClock = (signal) => {
    let seen = 0;
    let since = 0;
    let wasHidden = true;
    const look = () => {
      const now = performance.now();
      if (!wasHidden) seen += now - since;
      since = now;
      wasHidden = document.hidden;
      return Math.round(seen / 1000);
    };
    look();
    document.addEventListener("visibilitychange", look, { signal });
    return look;
  };

  /** @param {HTMLElement} element @param {Options} options */
  const attach = (element, options = {}) => {
    const known = handles.get(element);
    if (known) return known;
    const { dataset } = element;
    const token = options.token ?? dataset.token;
    if (!token) return null;
    const endpoint = (options.endpoint ?? dataset.endpoint ?? home).replace(/\/+$/, "");
    const url = `${endpoint}/api/v1/collect`;
    const answer =
      options.answer ??
      (dataset.answer ? document.querySelector(dataset.answer) : element.previousElementSibling);
    const labels = { ...LABELS, ...(options.labels ?? safely(JSON.parse)(dataset.labels ?? "")) };
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];

    const up = makeThumb(labels.up, "up");
    const down = makeThumb(labels.down, "down");
    const said = make("span", { role: "status" });
    const [more, undo, retry] = [labels.more, labels.undo, labels.retry].map((label) =>
      make("button", { type: "button", class: "link", hidden: "" }, label),
    );
    const group = { class: "bar", role: "group", "aria-label": labels.question };
    const bar = make("div", group, labels.question, up, down, said, more, undo, retry);
    const chips = make("div", { class: "chips" });
    const choices = make("fieldset", { hidden: "" }, make("legend", {}, labels.wrong), chips);
    const comment = make("textarea", { rows: "2", maxlength: "20000" });
    const correction = make("textarea", { rows: "3", maxlength: "200000" });
    const close = make("button", { type: "button" }, labels.close);
    const form = make(
      "form",
      { hidden: "", tabindex: "-1", "aria-label": labels.wrong },
      choices,
      make("label", { class: "field" }, labels.comment, comment),
      make("label", { class: "field" }, labels.correction, correction),
      make("div", { class: "ends" }, make("button", { class: "send" }, labels.send), close),
    );
    root.replaceChildren(bar, form);

    const stop = new AbortController();
    const secondsSeen = startClock(stop.signal);
    const id = newId();
    let score = 0;
    let hasActed = false;
    let hasLeft = false;
    let isClosing = false;
    /** @type {Promise<unknown> | undefined} */
    let loading;
    /** What was sent with the form, as against typed into it. */
    let words = { comment: "", correction: "" };

    /** @param {State} state @param {string} what */
    const show = (state, what) => {
      if (what !== id) return;
      said.textContent = state === "sent" && !score ? labels.undone : labels[state];
      retry.hidden = state !== "failed";
      if (state === "sent" && isClosing) closeForm();
    };
    const outbox = makeOutbox(url, token, safely(show));

    const rate = () => {
      hasActed = true;
      const isDown = score < 0;
      up.setAttribute("aria-pressed", String(score > 0));
      down.setAttribute("aria-pressed", String(isDown));
      undo.hidden = !score;
      more.hidden = !isDown || !form.hidden;
      const ticked = chips.querySelectorAll("input:checked");
      const told = isDown ? words : { comment: "", correction: "" };
      show("sending", id);
      outbox.put({
        type: "feedback",
        id,
        name: "rating",
        score,
        label: score ? "" : "withdrawn",
        reasons: isDown ? Array.from(ticked, (input) => /** @type {any} */ (input).value) : [],
        ...told,
      });
    };

    const openForm = () => {
      form.hidden = false;
      more.hidden = true;
      loading ??= loadReasons().catch(() => (loading = undefined));
    };

    const closeForm = () => {
      const hadFocus = form.contains(root.activeElement);
      isClosing = false;
      form.hidden = true;
      more.hidden = score >= 0;
      if (hadFocus) down.focus();
    };

    const loadReasons = async () => {
      const reply = await post(`${url}/reasons`, { token });
      const { reasons } = await reply.json();
      const made = reasons.map((/** @type {Record<string, string>} */ reason) => {
        const box = make("input", { type: "checkbox", value: reason.slug });
        const name = labels.reasons[reason.slug] ?? reason.name;
        return make("label", { class: "chip", title: reason.definition }, box, name);
      });
      chips.replaceChildren(...made);
      choices.hidden = !made.length;
    };

    /** @param {number} wanted */
    const press = (wanted) => {
      score = score === wanted ? 0 : wanted;
      if (score < 0) openForm();
      else closeForm();
      rate();
    };

    /** @param {string} kind @param {unknown} value */
    const makeSignal = (kind, value) => {
      const at = new Date().toISOString();
      return { type: "signal", id: newId(), kind, value, at };
    };

    const leave = () => {
      const kind = hasActed ? "dwell" : "abandon";
      outbox.close(hasLeft ? [] : [makeSignal(kind, secondsSeen())]);
      hasLeft = true;
    };

    const handle = {
      signal: safely((/** @type {string} */ kind, /** @type {unknown} */ value) => {
        // What cannot be sent is refused here.
        write(value);
        hasActed = true;
        outbox.put(makeSignal(kind, value));
      }),
      followUp: () => handle.signal("follow_up", null),
      detach: safely(() => {
        leave();
        stop.abort();
        root.replaceChildren();
        handles.delete(element);
      }),
    };

    /** @param {EventTarget} target @param {string} event @param {(event: any) => void} act */
    const on = (target, event, act) =>
      target.addEventListener(event, safely(act), { signal: stop.signal });

    on(up, "click", () => press(1));
    on(down, "click", (event) => {
      press(-1);
      // Whoever pressed a key is taken to the question.
      if (score && !event.detail) form.focus();
    });
    on(undo, "click", () => {
      const hadFocus = root.activeElement === undo;
      press(score);
      if (hadFocus) up.focus();
    });
    on(more, "click", () => {
      openForm();
      comment.focus();
    });
    on(retry, "click", () => {
      said.textContent = labels.sending;
      retry.hidden = true;
      outbox.retry();
    });
    on(close, "click", closeForm);
    on(chips, "change", rate);
    on(form, "keydown", (event) => event.key === "Escape" && closeForm());
    on(form, "submit", (event) => {
      event.preventDefault();
      words = { comment: comment.value, correction: correction.value };
      isClosing = true;
      rate();
    });
    on(element, "postil:follow-up", handle.followUp);
    on(window, "online", outbox.retry);
    on(window, "pagehide", leave);
    on(document, "copy", () => {
      const length = answer ? countSelected(answer) : 0;
      if (length) handle.signal("copy", length);
    });

    handles.set(element, handle);
    return handle;
  };

  const Postil = { attach: safely(attach) };
  Object.assign(window, { Postil });
  const start = () =>
    document.querySelectorAll("[data-postil]").forEach((one) => Postil.attach(/** @type {any} */ (one)));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
