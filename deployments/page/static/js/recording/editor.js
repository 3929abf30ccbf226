/** A recording of a voice: dropped, chosen or spoken into the microphone, looked at, trimmed, with its transcript. */

import { field, h, icon } from "../core/dom.js";
import { complain } from "../core/notices.js";
import { label, t, text } from "../core/words.js";
import { decode, encode } from "./decode.js";
import { judge } from "./judge.js";
import { Takes } from "./takes.js";
import { Trim } from "./trim.js";

/** Dispatches "change" whenever what it holds changes. */
export class RecordingEditor extends EventTarget {
  #file = null; // what was given, and what is sent where nothing was cut off it
  #sound = null; // its samples and their rate, where this browser can read it

  constructor(root) {
    super();
    const changed = () => this.#changed();
    this.trim = new Trim(changed);
    this.takes = new Takes({
      recorded: (samples, rate) => this.#take(null, { samples, rate }, t("record.script")),
      file: (file) => this.open(file),
    });
    this.words = h("textarea", { rows: 3, required: true, on: { input: changed } });
    this.faults = h("ul", { class: "faults", "aria-live": "polite" });
    this.name = h("span", { class: "file-name" });
    const again = h("button", { class: "plain small", type: "button", ...text("record.replace") });
    again.addEventListener("click", () => this.clear());
    this.loaded = h(
      "div",
      { class: "loaded", hidden: true },
      h("div", { class: "line" }, icon("wave"), this.name, h("span", { class: "spring" }), again),
      this.trim.element,
      this.faults,
      field(h("span", text("record.transcript")), this.words, h("small", text("record.why"))),
    );
    root.append(h("div", { class: "recording", ...label("record.title"), role: "group" }, this.takes.element, this.loaded));
  }

  /** Shows an audio file. */
  async open(file) {
    const sound = await decode(file);
    if (!sound && !file.type.startsWith("audio/") && !/\.(wav|flac|mp3|ogg|opus|m4a|webm|aac)$/i.test(file.name))
      return complain(new Error(t("record.no_audio", { name: file.name })));
    this.#take(file, sound, "");
  }

  /** Forgets the recording and its words. */
  clear() {
    this.trim.stop();
    [this.#file, this.#sound] = [null, null];
    this.words.value = "";
    this.loaded.hidden = true;
    this.takes.element.hidden = false;
    this.#changed();
  }

  /** The recording as a file and its transcript; null while either is missing. */
  get value() {
    const words = this.words.value.trim();
    if (!words || !(this.#file || this.#sound)) return null;
    if (this.#file && (!this.#sound || this.trim.whole)) return { audio: this.#file, text: words };
    return { audio: encode(this.trim.kept, this.#sound.rate), text: words };
  }

  /** What is missing before it can be used, as the key of a sentence; null when nothing is. */
  get missing() {
    if (!this.#file && !this.#sound) return "record.missing";
    return this.words.value.trim() ? null : "record.missing_words";
  }

  /** Puts the cursor where something is missing. */
  focus() {
    (this.loaded.hidden ? this.takes.button : this.words).focus();
  }

  #take(file, sound, words) {
    [this.#file, this.#sound] = [file, sound];
    this.words.value = words;
    this.name.textContent = file?.name ?? t("record.yours");
    this.loaded.hidden = false;
    this.takes.element.hidden = true;
    this.trim.element.hidden = !sound;
    if (sound) this.trim.show(sound.samples, sound.rate);
    this.#changed();
    if (!words) this.words.focus();
  }

  #changed() {
    const faults = this.#sound ? judge(this.trim.kept, this.#sound.rate, this.words.value) : [];
    if (this.#file && !this.#sound) faults.push({ grade: "mild", key: "fault.unreadable" });
    if (this.#sound && !faults.length) faults.push({ grade: "fine", key: "fault.none" });
    this.faults.replaceChildren(
      ...faults.map(({ grade, key, values }) => h("li", { class: grade, ...text(key, values) })),
    );
    this.dispatchEvent(new Event("change"));
  }
}
