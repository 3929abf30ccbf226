/** The Voices view: what is registered, to listen to, rename and delete, and a form to add one. */

import { byId, h, icon } from "../core/dom.js";
import { askName, confirm } from "../core/dialogs.js";
import { complain, tell } from "../core/notices.js";
import { label, t, text } from "../core/words.js";
import { DECODED_RATE, decode } from "../recording/decode.js";
import { RecordingEditor } from "../recording/editor.js";
import { initial } from "../speak/cards.js";
import { toggleSample } from "../speak/sample.js";
import { toInt16 } from "../sound/pcm.js";
import { toggle } from "../sound/toggle.js";
import * as exchange from "./exchange.js";
import * as library from "./library.js";

export class Voices {
  constructor() {
    this.editor = new RecordingEditor(byId("new-recording"));
    byId("add-voice").addEventListener("click", () => this.#open(true));
    byId("cancel-adding").addEventListener("click", () => this.#open(false));
    byId("export-voices").addEventListener("click", () => attempt(() => exchange.exportAll()));
    byId("import-voices").addEventListener("click", () => chooser.click());
    const chooser = h("input", { type: "file", accept: ".json,application/json" });
    chooser.addEventListener("change", () => attempt(() => this.#import(chooser)));
    byId("adding").addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(() => this.#add(event.submitter));
    });
    for (const event of ["voices", "language"]) document.addEventListener(event, () => this.#draw());
  }

  #open(open) {
    byId("adding").hidden = !open;
    if (open) byId("new-voice-name").focus();
    else {
      this.editor.clear();
      byId("new-voice-name").value = "";
      byId("add-voice").focus();
    }
  }

  async #add(button) {
    const given = this.editor.value;
    if (!given) {
      this.editor.focus();
      throw new Error(t(this.editor.missing));
    }
    button.classList.add("busy");
    try {
      tell(await library.add(byId("new-voice-name").value.trim(), given.audio, given.text));
      this.#open(false);
    } finally {
      button.classList.remove("busy");
    }
  }

  async #import(chooser) {
    const [file] = chooser.files;
    chooser.value = "";
    const { added, refused } = await exchange.importFrom(file);
    if (added) tell(t("voices.imported", { count: added }));
    for (const error of refused) complain(error);
  }

  #draw() {
    const voices = library.known();
    byId("export-voices").disabled = !voices.length;
    byId("library").replaceChildren(...(voices.length ? voices.map((voice) => row(voice)) : [nothing()]));
  }
}

function nothing() {
  return h("li", { class: "empty" }, icon("fish"), h("span", text("voices.empty")));
}

function row(voice) {
  const { id } = voice;
  const button = (name, key, act) => {
    const made = h("button", { class: "plain round", type: "button", ...label(key, { name: id }) }, icon(name));
    made.addEventListener("click", () => attempt(() => act(made)));
    return made;
  };
  return h(
    "li",
    { class: "card" },
    initial(id),
    h("div", { class: "about" }, h("h2", {}, id), h("p", {}, voice.text)),
    h(
      "div",
      { class: "acts" },
      button("ear", "voices.listen", (made) => listen(voice, made)),
      button("play", "cards.hear", (made) => toggleSample(voice, made)),
      button("pencil", "voices.rename", () => rename(id)),
      button("bin", "voices.delete", () => remove(id)),
    ),
  );
}

/** Plays the recording that a voice was made from, or stops it. */
function listen({ id }, button) {
  const feed = async (append) => {
    const sound = await decode(await library.recording(id));
    if (!sound) throw new Error(t("voices.unreadable"));
    append(toInt16(sound.samples));
  };
  return toggle(button, DECODED_RATE, feed, "ear");
}

async function rename(id) {
  const name = await askName("voices.rename", "voices.name_rule", "voices.rename_yes", { name: id }, id);
  if (name && name !== id) tell(await library.rename(id, name));
}

async function remove(id) {
  if (await confirm("voices.delete", "voices.delete_sure", "voices.delete_yes", { name: id }))
    tell(await library.remove(id));
}

async function attempt(act) {
  try {
    await act();
  } catch (error) {
    complain(error);
  }
}
