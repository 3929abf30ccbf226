/** Short messages that come and go, read out by screen readers. */

import { byId, h, icon } from "./dom.js";
import { label } from "./words.js";

const SHOWN = 6000; // milliseconds; errors stay until they are closed

/** Something went well. */
export const tell = (sentence) => show(sentence, "good");

/** Something failed; the server's sentences are English. */
export function complain(error) {
  if (error.name === "AbortError") return;
  show(error.message, "bad", error.status ? "en" : null);
}

function show(sentence, kind, lang = null) {
  const close = h("button", { class: "plain round", type: "button", ...label("common.close") }, icon("close"));
  const notice = h("p", { class: `notice ${kind}` }, h("span", { lang }, sentence), close);
  close.addEventListener("click", () => notice.remove());
  byId("notices").append(notice);
  if (kind === "good") setTimeout(() => notice.remove(), SHOWN);
}
