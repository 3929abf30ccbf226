/** The card of the present take: its outline with a moving head, its buttons, its figures, and what went wrong. */

import { h, icon, save, setIcon } from "../core/dom.js";
import { clock, figure, seconds } from "../core/format.js";
import { complain } from "../core/notices.js";
import { label, name, say, text } from "../core/words.js";
import { wav } from "../sound/pcm.js";
import { Waveform } from "../sound/waveform.js";
import { file } from "./synthesis.js";

const STEP = 2; // seconds that an arrow key moves the head

/** Dispatches "again" when the same take is wished for once more. */
export class Stage extends EventTarget {
  #take = null;
  #format;

  /** `format()` gives the format that downloads are to have. */
  constructor(root, format) {
    super();
    this.#format = format;
    const button = (picture, key, act) =>
      h("button", { class: "plain round", type: "button", ...label(key), on: { click: act } }, icon(picture));
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.slider = h("div", { class: "trace", role: "slider", tabindex: 0, "aria-valuemin": 0, ...label("take.position") }, this.canvas);
    this.play = button("play", "take.play", () => this.#toggle());
    this.download = button("download", "take.download", () => this.#save());
    this.again = button("again", "take.again", () => this.dispatchEvent(new Event("again")));
    this.clock = h("span", { class: "clock" });
    this.said = h("span", { class: "said", role: "status" });
    this.figures = h("dl", { class: "figures" });
    this.notes = h("ul", { class: "notes", lang: "en" });
    this.problem = h("div", { class: "problem", role: "alert", hidden: true });
    this.empty = h("p", { class: "empty" }, icon("fish"), h("span", text("take.empty")));
    const row = h("div", { class: "row" }, this.play, this.clock, this.said, h("span", { class: "spring" }), this.again, this.download);
    this.full = h("div", { hidden: true }, this.slider, row, this.figures, this.notes);
    root.append(this.empty, this.full, this.problem);
    this.wave = new Waveform(this.canvas);
    this.slider.addEventListener("pointerdown", (event) => this.#drag(event));
    this.slider.addEventListener("pointermove", (event) => event.buttons && this.#drag(event));
    this.slider.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("language", () => this.#take?.player && this.#draw());
  }

  /** Shows a take from now on, and closes the one before. */
  show(take) {
    if (this.#take !== take) this.#take?.close();
    this.#take = take;
    this.problem.hidden = true;
    this.empty.hidden = true;
    this.full.hidden = false;
    this.notes.replaceChildren();
    const draw = () => this.#take === take && this.#draw();
    const follow = () => {
      for (const event of ["play", "pause", "wait", "end", "move"]) take.player.addEventListener(event, draw);
      this.notes.replaceChildren(...take.notes.map((note) => h("li", {}, note)));
      draw();
    };
    take.addEventListener("open", follow);
    for (const event of ["sound", "done"]) take.addEventListener(event, draw);
    take.addEventListener("fail", () => this.#take === take && this.#failed(take.error));
    if (take.player) follow();
    else this.#draw();
  }

  #failed(error) {
    this.#draw();
    if (error.name === "AbortError") return;
    const again = h("button", { class: "plain small", type: "button", ...text("take.retry") });
    again.addEventListener("click", () => this.dispatchEvent(new Event("again")));
    const wait = error.retryAfter ? h("small", text("take.retry_after", { seconds: seconds(error.retryAfter) })) : null;
    this.problem.replaceChildren(icon("warning"), h("p", { lang: error.status ? "en" : null }, error.message, wait), again);
    this.problem.hidden = false;
    this.full.hidden = !this.#take.player;
  }

  #toggle() {
    const { player } = this.#take;
    if (player.state === "playing" || player.state === "waiting") player.pause();
    else player.play();
  }

  async #save() {
    const take = this.#take;
    const format = this.#format();
    const called = `shoal-${take.seed}.${format}`;
    if (format === "wav") return save(wav(take.samples, take.rate), called);
    this.download.classList.add("busy");
    try {
      save(await file({ ...take.wish, options: { ...take.wish.options, seed: take.seed } }, format), called);
    } catch (error) {
      complain(error);
    }
    this.download.classList.remove("busy");
  }

  #drag(event) {
    const { left, width } = this.slider.getBoundingClientRect();
    this.#seek(((event.clientX - left) / width) * this.#shown);
  }

  #key(event) {
    const at = this.#take.player ? this.#take.player.position / this.#take.rate : 0;
    const to = { ArrowRight: at + STEP, ArrowLeft: at - STEP, Home: 0, End: this.#take.seconds }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#seek(to);
  }

  #seek(second) {
    this.#take.player?.seek(second * this.#take.rate);
    this.#draw();
  }

  get #shown() {
    const { making, seconds: made, expected } = this.#take;
    return Math.max(made, making ? expected : 0, 0.5);
  }

  #draw() {
    const take = this.#take;
    const { player } = take;
    const at = player ? player.position / take.rate : 0;
    const running = player?.state === "playing" || player?.state === "waiting";
    this.wave.show(take.peaks, this.#shown, 0, at / this.#shown);
    this.slider.style.setProperty("--head", at / this.#shown);
    this.slider.setAttribute("aria-valuemax", take.seconds.toFixed(1));
    this.slider.setAttribute("aria-valuenow", at.toFixed(1));
    this.slider.setAttribute("aria-valuetext", `${clock(at)} / ${clock(take.seconds)}`);
    this.clock.textContent = `${clock(at)} / ${clock(take.seconds)}`;
    setIcon(this.play, running ? "pause" : "play");
    this.play.disabled = !player;
    name(this.play, running ? "take.pause" : "take.play");
    this.download.disabled = this.again.disabled = take.making || !player;
    const state = !player && take.making ? "take.starting" : player?.state === "waiting" ? "take.waiting" : "take.nothing";
    if (this.said.dataset.t !== state) say(this.said, state);
    this.#figures();
  }

  #figures() {
    const { firstAudio, rtf, seconds: made, seed, device } = this.#take;
    const shown = [
      ["take.first_audio", firstAudio && seconds(firstAudio)],
      ["take.rtf", rtf && figure(rtf, 2)],
      ["take.seconds", made && seconds(made)],
      ["take.seed", seed],
      ["take.device", device],
    ].filter(([, value]) => value);
    this.figures.replaceChildren(...shown.map(([key, value]) => h("div", {}, h("dt", text(key)), h("dd", {}, value))));
  }
}
