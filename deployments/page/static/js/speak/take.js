/** One take: what was asked, its sound so far, and how fast it came. */

import { Peaks } from "../sound/peaks.js";
import { joined } from "../sound/pcm.js";
import { contextFor } from "../sound/output.js";
import { Player } from "../sound/player.js";
import { receive } from "./synthesis.js";

/**
 * Events: "open" (the first sound is there), "sound" (more of it), "done", "fail" (see `error`). `wish` is what
 * synthesis.js takes, and `name` of the voice. `error` is null while all is well.
 */
export class Take extends EventTarget {
  pieces = [];
  seed = null;
  device = null;
  notes = [];
  firstAudio = null;
  wall = null;
  error = null;
  making = false;
  player = null;
  peaks = null;
  #leaving = new AbortController();

  constructor(wish, expected) {
    super();
    this.wish = wish;
    this.expected = expected;
  }

  /** A take of the history, with its sound. */
  static kept(entry, samples) {
    const take = new Take(entry.wish, 0);
    Object.assign(take, { seed: entry.seed, device: entry.device, firstAudio: entry.firstAudio, wall: entry.wall });
    take.#open(entry.rate);
    take.#hear(samples);
    take.player.finish();
    return take;
  }

  get rate() {
    return this.player.rate;
  }

  get seconds() {
    return this.player?.seconds ?? 0;
  }

  /** Seconds that making a second of sound took; null before the end. */
  get rtf() {
    return this.wall && this.seconds ? this.wall / this.seconds : null;
  }

  get samples() {
    return joined(this.pieces);
  }

  /**
   * Makes it and plays it meanwhile, as `source` receives it. `rate` as the server usually has it; `speed` as it was
   * last time. In a gesture.
   */
  async make(rate, speed, source = receive) {
    contextFor(rate);
    this.making = true;
    try {
      const measured = await source(
        this.wish,
        this.#leaving.signal,
        (opened) => {
          Object.assign(this, { seed: opened.seed, device: opened.device, notes: opened.notes });
          this.#open(opened.rate);
          this.player.speed = speed;
          this.player.play();
          this.dispatchEvent(new Event("open"));
        },
        (samples) => this.#hear(samples),
      );
      Object.assign(this, measured);
    } catch (error) {
      this.error = error;
    }
    this.making = false;
    this.player?.finish();
    this.dispatchEvent(new Event(this.error ? "fail" : "done"));
  }

  /** Ends the work on the server; what was heard so far stays. */
  stop() {
    this.#leaving.abort();
    this.player?.pause();
  }

  close() {
    this.stop();
    this.player?.close();
  }

  #open(rate) {
    this.player = new Player(rate);
    this.player.expected = this.expected * rate;
    this.peaks = new Peaks(rate);
  }

  #hear(samples) {
    this.pieces.push(samples);
    this.peaks.append(samples);
    this.player.append(samples);
    this.dispatchEvent(new Event("sound"));
  }
}
