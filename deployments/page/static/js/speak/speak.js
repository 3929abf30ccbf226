/** The Speak view: a text, a voice, and the sound that comes of them. */

import { byId, setIcon } from "../core/dom.js";
import { askName } from "../core/dialogs.js";
import { complain, tell } from "../core/notices.js";
import { say, t } from "../core/words.js";
import { RecordingEditor } from "../recording/editor.js";
import { contextFor } from "../sound/output.js";
import { server } from "../system/server.js";
import { add } from "../voices/library.js";
import { Along } from "./along.js";
import { Cards } from "./cards.js";
import * as history from "./history.js";
import { Options } from "./options.js";
import { Past } from "./past.js";
import { Stage } from "./stage.js";
import { Take } from "./take.js";
import { Writing } from "./writing.js";

export class Speak {
  #take = null;
  #along = null; // the text that is typed while it is spoken
  #speed = null; // seconds of sound a second, as last measured

  constructor() {
    this.options = new Options(byId("more"));
    this.writing = new Writing(this.options);
    this.cards = new Cards();
    this.recording = new RecordingEditor(byId("own-recording"));
    this.stage = new Stage(byId("take"), () => this.options.format.value);
    this.past = new Past({ replay: (entry) => this.#replay(entry), reuse: (entry) => this.#reuse(entry) });
    this.cards.addEventListener("change", () => (byId("own").hidden = !this.cards.own));
    this.recording.addEventListener("change", () => (byId("own-keep").disabled = !this.recording.value));
    byId("own-keep").addEventListener("click", () => this.#keepVoice().catch(complain));
    this.writing.field.addEventListener("input", () => this.#along?.typed(this.writing.value));
    this.stage.addEventListener("again", () => this.#again());
    byId("writing").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#press();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !byId("speak-button").disabled) this.#press();
    });
    document.addEventListener("server", () => this.options.offer(server()?.pools?.pools ?? []));
  }

  /** Reads what the server and this browser know. */
  async begin() {
    await Promise.all([this.writing.begin(), this.past.begin()]);
  }

  #press() {
    if (this.#take?.making && this.#along && !this.#along.finished) return this.#finish();
    if (this.#take?.making) return this.#take.stop();
    const wish = this.#wish();
    if (!wish) return;
    this.#along = this.options.along.checked ? new Along() : null;
    this.#make(wish, this.writing.expected, this.#along?.receive);
  }

  /** The text that was typed along is complete; its speech goes on. */
  #finish() {
    this.#along.finish();
    this.#button();
  }

  /** What is to be spoken; null, and a word about it, where something is missing. */
  #wish() {
    if (!this.writing.value.trim() && !this.options.along.checked) {
      this.writing.field.focus();
      complain(new Error(t("speak.nothing")));
      return null;
    }
    const recording = this.cards.own ? this.recording.value : null;
    if (this.cards.own && !recording) {
      this.recording.focus();
      complain(new Error(t(this.recording.missing)));
      return null;
    }
    return { text: this.writing.value, voice: this.cards.voice, recording, options: this.#options() };
  }

  #options() {
    const language = this.writing.language.value;
    return language ? { ...this.options.value, language } : this.options.value;
  }

  #again() {
    const { wish, seed, seconds, expected } = this.#take;
    this.#along = null;
    this.#make({ ...wish, options: { ...wish.options, seed: seed ?? "" } }, seconds || expected);
  }

  #make(wish, expected, source) {
    const take = new Take(wish, expected);
    this.#show(take);
    take.addEventListener("done", () => this.#done(take));
    for (const event of ["done", "fail"]) take.addEventListener(event, () => this.#button());
    take.make(server()?.sample_rate ?? 44100, this.#speed, source);
    this.#button();
  }

  /** Registers the recording, and chooses the voice that it becomes. */
  async #keepVoice() {
    const { audio, text } = this.recording.value;
    const name = await askName("cards.keep", "voices.name_rule", "voices.save", {}, "");
    if (!name) return;
    tell(await add(name, audio, text));
    this.recording.clear();
    this.cards.chooseVoice(name);
  }

  async #done(take) {
    this.#speed = take.player.speed;
    await history.keep(take);
    this.past.draw();
  }

  #show(take) {
    this.#take = take;
    this.stage.show(take);
  }

  #button() {
    const making = Boolean(this.#take?.making);
    const typing = making && this.#along && !this.#along.finished;
    setIcon(byId("speak-button"), typing ? "tick" : making ? "stop" : "play");
    byId("speak-button").classList.toggle("on", making);
    say(byId("speak-button").querySelector("span"), typing ? "speak.finish" : making ? "speak.stop" : "speak.button");
  }

  async #replay(entry) {
    if (this.#take?.making) this.#take.stop();
    contextFor(entry.rate); // in the click
    const take = Take.kept(entry, await history.sound(entry.id));
    this.#show(take);
    take.player.play();
    byId("take").scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  #reuse(entry) {
    this.writing.value = entry.wish.text;
    this.options.value = { ...entry.wish.options, seed: entry.seed };
    this.writing.language.value = entry.wish.options.language ?? "";
    if (entry.wish.recorded) this.cards.chooseOwn();
    else this.cards.chooseVoice(entry.wish.voice);
    this.writing.field.focus();
  }
}
