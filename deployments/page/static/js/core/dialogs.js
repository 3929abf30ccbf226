/** The two dialogs: for an API key, and for a question with an optional field. */

import { byId } from "./dom.js";
import { say, t } from "./words.js";

/** Asks for an API key; null when the person would rather not. */
export async function askForKey(reason) {
  byId("key-reason").textContent = reason;
  const field = byId("key");
  field.value = "";
  return (await opened(byId("key-dialog"))) ? field.value.trim() : null;
}

/** Asks yes or no. */
export const confirm = (title, text, yes, values) => ask(title, text, yes, values, null);

/** Asks for a name, `value` as it is now; null when cancelled. */
export const askName = (title, text, yes, values, value) => ask(title, text, yes, values, value);

async function ask(title, text, yes, values, value) {
  const field = byId("ask-value");
  byId("ask-title").textContent = t(title, values);
  byId("ask-text").textContent = t(text, values);
  byId("ask-field").hidden = value === null;
  field.required = value !== null;
  field.value = value ?? "";
  say(byId("ask-yes"), yes);
  const agreed = await opened(byId("ask-dialog"));
  return value === null ? agreed : agreed ? field.value.trim() : null;
}

/** Shows a dialog; whether it was answered and not cancelled. */
function opened(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
    dialog.showModal();
  });
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close(""));
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close("ok");
  });
}
