// Elements, dialogs and messages. Text always goes in as text: there is no way here to make
// elements out of a string.

/** Makes an element. A property that starts with "on" is a listener; false and null are left out. */
export function h(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === false || value == null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "selected") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...flat(children));
  return element;
}

/** Puts other children into an element. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== false && child != null);
}

let lastId = 0;
/** An id that no other element has. */
export function newId(word) {
  lastId += 1;
  return `${word}-${lastId}`;
}

/** A labelled control, with a hint below it where there is one. */
export function field(label, control, hint) {
  control.id ||= newId("field");
  const hintElement = hint && h("p", { class: "hint", id: newId("hint") }, hint);
  if (hintElement) control.setAttribute("aria-describedby", hintElement.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, hintElement);
}

/** A checkbox or radio button with its words. */
export function choice(type, words, properties) {
  const control = h("input", { type, ...properties });
  const label = h("label", { class: "choice" }, control, h("span", {}, words));
  return { control, label };
}

/** A <select> of [value, words] pairs. */
export function select(options, properties, chosen) {
  const made = options.map(([value, words]) => h("option", { value }, words));
  const element = h("select", properties, made);
  if (chosen !== undefined) element.value = chosen;
  return element;
}

/** How a refusal of the API is shown: its code, its message, the request's id. */
export function refusal(error) {
  return h("div", { class: "refusal", role: "alert" },
    h("strong", {}, error.code ?? "Error"),
    h("span", {}, ` ${error.message}`),
    error.requestId && h("small", {}, ` Request ${error.requestId}`));
}

/** Remembers where the focus is, and gives it back after elements were made anew. */
export function keepingFocus(change) {
  const name = document.activeElement?.dataset?.focus;
  change();
  if (name && !document.activeElement?.dataset?.focus) focusOn(name);
}

/** Focuses the element of this name, if it is there. */
export function focusOn(name) {
  const found = document.querySelector(`[data-focus="${CSS.escape(name)}"]`);
  found?.focus();
  return Boolean(found);
}

/**
 * Opens a modal dialog. `build(close)` gives what is in it. Escape closes it unless `busy()` says
 * that something is under way. Afterwards the focus is where it was.
 */
export function openDialog(title, build, { wide = false, busy = () => false, onclose } = {}) {
  const before = document.activeElement;
  const name = before?.dataset?.focus;
  const titleId = newId("title");
  const close = () => element.close();
  const element = h("dialog", { "aria-labelledby": titleId, class: wide && "wide" });
  element.addEventListener("cancel", (event) => { if (busy()) event.preventDefault(); });
  element.addEventListener("close", () => {
    element.remove();
    if (before?.isConnected && before !== document.body) before.focus();
    else if (!(name && focusOn(name))) document.querySelector("main h1")?.focus();
    onclose?.();
  });
  element.append(h("h2", { id: titleId }, title), build(close));
  document.body.append(element);
  element.showModal();
  return { element, close };
}

/** Whether a dialog is open. */
export const dialogIsOpen = () => document.querySelector("dialog[open]") !== null;

/**
 * A form in a dialog: fields, a place for a refusal, and its buttons (`back` where it is a step of
 * several). `submit` does the work; what it throws is shown and the dialog stays.
 */
export function dialogForm({ fields, submit, words, danger = false, close, ready, back }) {
  const fault = h("div", {});
  const button = h("button", { type: "submit", class: danger ? "danger" : "primary" }, words);
  const cancel = h("button", { type: "button", onclick: close }, "Cancel");
  const check = () => { button.disabled = ready ? !ready() : false; };
  const form = h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      fill(fault);
      button.disabled = true;
      form.setAttribute("aria-busy", "true");
      try {
        await submit();
      } catch (error) {
        fill(fault, refusal(error));
      } finally {
        form.removeAttribute("aria-busy");
        check();
      }
    },
    oninput: check,
    onchange: check,
  }, fields, fault, h("div", { class: "buttons" }, cancel,
    back && h("button", { type: "button", onclick: back }, "Back"), button));
  check();
  return form;
}

/** A field into which a word must be typed before something that cannot be undone. */
export function confirmation(word) {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  return {
    field: field(`Type ${word} to confirm`, input),
    given: () => input.value.trim() === word,
  };
}

const notices = h("div", { class: "notices", role: "status", "aria-live": "polite" });
document.body.append(notices);

/** Says for a while that something was done. */
export function notice(text) {
  const box = h("div", { class: "notice" }, text);
  notices.append(box);
  setTimeout(() => box.remove(), 6000);
}

/** A button that copies a text. */
export function copyButton(text, words = "Copy", label) {
  return h("button", {
    type: "button",
    class: "small",
    "aria-label": label,
    onclick: async () => {
      await copy(typeof text === "function" ? text() : text);
      notice("Copied to the clipboard.");
    },
  }, words);
}

async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Without TLS browsers have no clipboard, but the old way.
  const area = h("textarea", { value: text });
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Hands bytes to the browser as a file. */
export function download(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
