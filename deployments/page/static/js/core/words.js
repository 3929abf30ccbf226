/**
 * The words of the interface, in the language a person chose or their browser asks for.
 *
 * Elements carry keys, not sentences: `data-t` (their text), `data-t-label`, `data-t-placeholder`, `data-t-title`
 * (attributes), `data-t-with` (values for the sentence, as JSON). So a change of language reaches all that is shown.
 */

import { remember, remembered } from "./kept.js";

export const LANGUAGES = { en: "English", de: "Deutsch", zh: "中文" };

const ATTRIBUTES = { tLabel: "aria-label", tPlaceholder: "placeholder", tTitle: "title" };

let language = "en";
let words = {};

/** The language shown now. */
export const current = () => language;

/** Shows the language chosen before, else the browser's, else English. */
export async function begin() {
  const wanted = [remembered("language"), ...navigator.languages.map((each) => each.slice(0, 2))];
  await choose(wanted.find((each) => each in LANGUAGES) ?? "en", false);
}

/** Shows `code` from now on. */
export async function choose(code, keep = true) {
  const answer = await fetch(new URL(`../../words/${code}.json`, import.meta.url));
  words = await answer.json();
  language = code;
  document.documentElement.lang = code;
  if (keep) remember("language", code);
  translate(document);
  document.dispatchEvent(new Event("language"));
}

/** The sentence of `key` with its `{name}`s filled; with a `count`, the form that the language has for that number. */
export function t(key, values = {}) {
  const form = "count" in values ? `${key}.${new Intl.PluralRules(language).select(values.count)}` : key;
  const sentence = words[form] ?? words[`${key}.other`] ?? words[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Properties for `h` that give an element the sentence of `key`. */
export function text(key, values) {
  return { data: values ? { t: key, tWith: JSON.stringify(values) } : { t: key }, textContent: t(key, values) };
}

/** Properties for `h` that name an element, for screen readers and as a tooltip. */
export function label(key, values) {
  const with_ = values ? { tWith: JSON.stringify(values) } : {};
  return { data: { tLabel: key, tTitle: key, ...with_ }, "aria-label": t(key, values), title: t(key, values) };
}

/** Gives an existing element the sentence of `key`. */
export function say(element, key, values) {
  element.dataset.t = key;
  element.dataset.tWith = JSON.stringify(values ?? {});
  element.textContent = t(key, values);
}

/** Names an existing element, for screen readers and as a tooltip. */
export function name(element, key) {
  const { data, ...attributes } = label(key);
  Object.assign(element.dataset, data);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
}

function translate(root) {
  for (const element of root.querySelectorAll("[data-t], [data-t-label], [data-t-placeholder], [data-t-title]")) {
    const values = JSON.parse(element.dataset.tWith ?? "{}");
    if (element.dataset.t) element.textContent = t(element.dataset.t, values);
    for (const [name, attribute] of Object.entries(ATTRIBUTES))
      if (element.dataset[name]) element.setAttribute(attribute, t(element.dataset[name], values));
  }
}
