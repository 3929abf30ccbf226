/** Where a recording comes from: a place to drop a file, a button to choose one, and the microphone with its level. */

import { h, icon, setIcon } from "../core/dom.js";
import { clock } from "../core/format.js";
import { complain } from "../core/notices.js";
import { say, text } from "../core/words.js";
import { Peaks } from "../sound/peaks.js";
import { Waveform } from "../sound/waveform.js";
import { listen } from "./microphone.js";

const LONGEST = 60; // seconds: the server keeps half of it
const SHOWN = 10; // seconds of the moving outline

/** `recorded(samples, rate)` is called with what the microphone heard, `file(file)` with a chosen or dropped file. */
export class Takes {
  #microphone = null;
  #pieces = [];
  #peaks = null;

  constructor({ recorded, file }) {
    this.#recorded = recorded;
    this.chooser = h("input", { type: "file", accept: "audio/*,.opus,.webm,.m4a", hidden: true });
    this.chooser.addEventListener("change", () => this.chooser.files[0] && file(this.chooser.files[0]));
    this.choose = h("button", { class: "plain", type: "button" }, icon("file"), h("span", text("record.choose")));
    this.choose.addEventListener("click", () => this.chooser.click());
    this.words = h("span", text("record.start"));
    this.button = h("button", { class: "plain record", type: "button" }, icon("microphone"), this.words);
    this.button.addEventListener("click", () => this.#toggle());
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.time = h("span", { class: "length", role: "timer" });
    this.level = h("div", { class: "level", "aria-hidden": "true" });
    this.hearing = h(
      "div",
      { class: "hearing", hidden: true },
      h("p", { class: "script" }, h("small", text("record.read")), h("q", text("record.script"))),
      h("div", { class: "trace" }, this.canvas),
      this.level,
      this.time,
    );
    const drop = h("p", { class: "drop-hint", ...text("record.drop") });
    this.element = h("div", { class: "takes" }, drop, h("div", { class: "row" }, this.choose, this.button), this.hearing, this.chooser);
    this.wave = new Waveform(this.canvas);
    this.#takeDrops(file);
  }

  #recorded;

  #takeDrops(file) {
    const over = (on) => (event) => {
      event.preventDefault();
      this.element.classList.toggle("over", on);
    };
    this.element.addEventListener("dragover", over(true));
    this.element.addEventListener("dragleave", over(false));
    this.element.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files[0]) file(event.dataTransfer.files[0]);
    });
  }

  async #toggle() {
    if (this.#microphone) return this.#stop();
    this.button.disabled = true;
    try {
      [this.#pieces, this.#peaks] = [[], null];
      this.#microphone = await listen((piece) => this.#heard(piece));
      this.#show(true);
    } catch (error) {
      complain(error);
    }
    this.button.disabled = false;
  }

  #heard(piece) {
    if (!this.#microphone) return;
    const { rate } = this.#microphone;
    this.#pieces.push(piece);
    this.#peaks ??= new Peaks(rate);
    this.#peaks.append(piece);
    const seconds = (this.#pieces.length * piece.length) / rate;
    this.time.textContent = clock(seconds);
    this.wave.show(this.#peaks, Math.max(SHOWN, seconds), 0, 1);
    const loudest = piece.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    this.level.style.setProperty("--level", Math.sqrt(loudest));
    this.level.classList.toggle("hot", loudest > 0.95);
    if (seconds >= LONGEST) this.#stop();
  }

  #stop() {
    const { rate, stop } = this.#microphone;
    this.#microphone = null;
    stop();
    this.#show(false);
    const all = new Float32Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0));
    this.#pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
    if (all.length) this.#recorded(all, rate);
  }

  #show(recording) {
    this.hearing.hidden = !recording;
    this.choose.hidden = recording;
    this.button.classList.toggle("on", recording);
    setIcon(this.button, recording ? "stop" : "microphone");
    say(this.words, recording ? "record.stop" : "record.start");
  }
}
