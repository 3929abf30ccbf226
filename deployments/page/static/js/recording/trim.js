/** A recording's outline with two handles, and a button to hear what lies between them. */

import { h, icon, setIcon } from "../core/dom.js";
import { seconds } from "../core/format.js";
import { label, t } from "../core/words.js";
import { Peaks } from "../sound/peaks.js";
import { toInt16 } from "../sound/pcm.js";
import { Player } from "../sound/player.js";
import { Waveform } from "../sound/waveform.js";

const STEPS = 1000;
const LEAST = 10; // steps between the handles

/** Calls `changed` when the person lets a handle go. */
export class Trim {
  #from;
  #to;
  #samples = new Float32Array();
  #rate = 1;
  #peaks = null;
  #player = null;

  constructor(changed) {
    this.#from = handle("trim.from", 0);
    this.#to = handle("trim.to", STEPS);
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.length = h("span", { class: "length" });
    this.button = h("button", { class: "plain round", type: "button", ...label("trim.play") }, icon("play"));
    this.element = h(
      "div",
      { class: "trim" },
      this.button,
      h("div", { class: "trace" }, this.canvas, this.#from, this.#to),
      this.length,
    );
    this.wave = new Waveform(this.canvas);
    this.button.addEventListener("click", () => this.#toggle());
    for (const input of [this.#from, this.#to]) {
      input.addEventListener("input", () => this.#moved(input));
      input.addEventListener("change", changed);
    }
  }

  /** Shows a recording; samples in -1 to 1. */
  show(samples, rate) {
    this.stop();
    [this.#samples, this.#rate] = [samples, rate];
    this.#peaks = new Peaks(rate);
    this.#peaks.append(samples);
    [this.#from.value, this.#to.value] = [0, STEPS];
    this.#draw();
  }

  /** Whether nothing is cut off. */
  get whole() {
    return Number(this.#from.value) === 0 && Number(this.#to.value) === STEPS;
  }

  /** The samples between the handles. */
  get kept() {
    const at = (input) => Math.round((Number(input.value) / STEPS) * this.#samples.length);
    return this.#samples.subarray(at(this.#from), at(this.#to));
  }

  stop() {
    const player = this.#player;
    this.#player = null;
    player?.close();
    setIcon(this.button, "play");
  }

  #moved(input) {
    const [from, to] = [Number(this.#from.value), Number(this.#to.value)];
    if (to - from < LEAST) input.value = input === this.#from ? to - LEAST : from + LEAST;
    this.stop();
    this.#draw();
  }

  #toggle() {
    if (this.#player) return this.stop();
    this.#player = new Player(this.#rate);
    this.#player.addEventListener("end", () => this.stop());
    this.#player.addEventListener("pause", () => this.stop());
    this.#player.append(toInt16(this.kept));
    this.#player.finish();
    this.#player.play();
    setIcon(this.button, "stop");
  }

  #draw() {
    const [from, to] = [Number(this.#from.value) / STEPS, Number(this.#to.value) / STEPS];
    const whole = this.#samples.length / this.#rate;
    this.wave.show(this.#peaks, whole, from, to);
    this.length.textContent = seconds((to - from) * whole);
    this.#from.setAttribute("aria-valuetext", seconds(from * whole));
    this.#to.setAttribute("aria-valuetext", seconds(to * whole));
    this.element.style.setProperty("--from", from);
    this.element.style.setProperty("--to", to);
  }
}

const handle = (key, value) =>
  h("input", { type: "range", min: 0, max: STEPS, value, "aria-label": t(key), data: { tLabel: key } });
