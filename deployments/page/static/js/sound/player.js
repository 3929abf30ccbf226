/** Plays one recording, from its first samples on while the rest still arrives. */

import { queueNode } from "./output.js";
import { enough } from "./pace.js";

let playing = null; // one sound at a time

/**
 * Events: "play", "pause", "wait" (nothing left, more to come), "move" and "end". Positions and lengths in samples.
 * `expected`: how long it may become; `speed`: seconds of sound that arrive in a second, where that is known already.
 */
export class Player extends EventTarget {
  position = 0;
  length = 0;
  finished = false;
  state = "idle"; // idle, waiting, playing, paused, ended
  expected = 0;
  speed = null;
  #node;
  #first = null; // when the first samples came, and how many they were

  constructor(rate) {
    super();
    this.rate = rate;
    this.#node = queueNode(rate, (report) => this.#heard(report));
    this.#node.catch((error) => this.dispatchEvent(new CustomEvent("fail", { detail: error })));
  }

  get seconds() {
    return this.length / this.rate;
  }

  /** Adds samples, int16. */
  append(samples) {
    this.#first ??= { at: performance.now(), length: samples.length };
    this.length += samples.length;
    this.#post({ append: samples });
    this.#measure();
    if (this.state === "waiting") this.#runIfEnough();
  }

  /** Nothing follows. */
  finish() {
    this.finished = true;
    this.#post({ finish: true });
    if (this.state === "waiting") this.#runIfEnough();
  }

  /** Plays on, or from the start after the end. Call it in a gesture. */
  play() {
    if (playing !== this) playing?.pause();
    playing = this;
    if (this.state === "ended") this.seek(0);
    this.#become("waiting", "wait");
    this.#runIfEnough();
  }

  pause() {
    if (this.state !== "playing" && this.state !== "waiting") return;
    this.#post({ run: false });
    this.#become("paused", "pause");
  }

  /** Moves to a sample that is there already. */
  seek(position) {
    this.position = Math.max(0, Math.min(Math.round(position), this.length));
    if (this.state === "ended") this.state = "paused";
    this.#post({ seek: this.position });
  }

  /** Ends it for good. */
  close() {
    if (playing === this) playing = null;
    this.#node.then((node) => node.close());
    this.#become("idle", "pause");
  }

  #runIfEnough() {
    const left = Math.max(0, this.expected - this.length) / this.rate;
    const ahead = (this.length - this.position) / this.rate;
    if (!this.finished && !enough(ahead, left, this.speed)) return;
    this.#post({ run: true });
    this.#become("playing", "play");
  }

  #heard({ event, position }) {
    if (this.state === "idle") return;
    this.position = position;
    if (event === "ended") this.#become("ended", "end");
    if (event === "starved" && this.state === "playing") this.#become("waiting", "wait");
    this.dispatchEvent(new Event("move"));
    if (event === "starved" && this.state === "waiting") this.#runIfEnough(); // what came meanwhile
  }

  /** How fast sound arrives, from its second piece on: the first one's wait is not about speed. */
  #measure() {
    const passed = (performance.now() - this.#first.at) / 1000;
    if (passed > 0.2) this.speed = (this.length - this.#first.length) / this.rate / passed;
  }

  #become(state, event) {
    this.state = state;
    this.dispatchEvent(new Event(event));
  }

  #post(message) {
    this.#node.then((node) => node.post(message));
  }
}
