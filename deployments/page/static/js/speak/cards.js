/** The voices to choose from, as cards: the model's own, a recording of one's own, and those that are registered. */

import { byId, h, icon } from "../core/dom.js";
import { label, text } from "../core/words.js";
import { known } from "../voices/library.js";
import { toggleSample } from "./sample.js";

const MODEL = "model";
const OWN = "own";

/** Dispatches "change" when another card is chosen. */
export class Cards extends EventTarget {
  #chosen = MODEL;

  constructor() {
    super();
    for (const list of [byId("cards-always"), byId("cards-registered")])
      list.addEventListener("change", ({ target }) => this.choose(target.value));
    document.addEventListener("voices", () => this.draw());
    this.draw();
  }

  /** The id of a registered voice; null for the model's own or a recording. */
  get voice() {
    return this.#chosen.startsWith("voice:") ? this.#chosen.slice(6) : null;
  }

  /** Whether the voice is to come from a recording. */
  get own() {
    return this.#chosen === OWN;
  }

  /** Chooses a registered voice, or the model's own. */
  chooseVoice(id) {
    this.choose(known().some((voice) => voice.id === id) ? `voice:${id}` : MODEL);
  }

  chooseOwn() {
    this.choose(OWN);
  }

  choose(value) {
    this.#chosen = value;
    for (const input of document.querySelectorAll("[name=voice]")) input.checked = input.value === value;
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    const values = [MODEL, OWN, ...known().map(({ id }) => `voice:${id}`)];
    if (!values.includes(this.#chosen)) this.#chosen = MODEL; // it was deleted
    byId("cards-always").replaceChildren(
      card(MODEL, h("b", text("cards.model")), h("small", text("cards.model_why")), "fish", listenTo(null)),
      card(OWN, h("b", text("cards.own")), h("small", text("cards.own_why")), "microphone"),
    );
    byId("cards-registered").hidden = !known().length;
    byId("cards-registered").replaceChildren(
      ...known().map(({ id, text: words }) =>
        card(`voice:${id}`, h("b", {}, id), h("small", {}, words), initial(id), listenTo({ id, text: words })),
      ),
    );
    this.choose(this.#chosen);
  }
}

function card(value, name, about, picture, ...buttons) {
  const id = `card-${value.replace(/[^\w-]/g, (sign) => `_${sign.charCodeAt(0)}`)}`;
  const input = h("input", { type: "radio", name: "voice", value, id });
  const avatar = typeof picture === "string" ? h("span", { class: "avatar" }, icon(picture)) : picture;
  const face = h("label", { htmlFor: id }, avatar, h("span", { class: "about" }, name, about));
  return h("div", { class: "voice-card" }, input, face, ...buttons);
}

/** A round picture with the first letter of a name, in a colour that the name always has. */
export function initial(name) {
  const avatar = h("span", { class: "avatar named", "aria-hidden": "true" }, name.trim()[0].toUpperCase());
  const hue = [...name].reduce((sum, sign) => (sum * 31 + sign.codePointAt(0)) % 360, 7);
  avatar.style.setProperty("--hue", hue);
  return avatar;
}

function listenTo(voice) {
  const named = voice ? label("cards.hear", { name: voice.id }) : label("cards.hear_model");
  const button = h("button", { class: "plain round", type: "button", ...named }, icon("play"));
  button.addEventListener("click", () => toggleSample(voice, button));
  return button;
}
