/** The outline of a recording: its loudest sample in each fiftieth of a second. */

const PER_SECOND = 50;

export class Peaks {
  #size;
  #filled = 0;
  #loudest = 0.1;
  values = [];

  constructor(rate) {
    this.rate = rate;
    this.#size = Math.round(rate / PER_SECOND);
  }

  /** Samples that follow; int16, or in -1 to 1. */
  append(samples) {
    const scale = samples instanceof Int16Array ? 1 / 32768 : 1;
    for (const sample of samples) {
      if (this.#filled % this.#size === 0) this.values.push(0);
      this.#filled++;
      const loud = Math.abs(sample) * scale;
      const last = this.values.length - 1;
      if (loud > this.values[last]) this.values[last] = loud;
      if (loud > this.#loudest) this.#loudest = loud;
    }
  }

  /** `count` bars over `seconds`, in 0 to 1, the loudest near 1; null where there is no sound yet. */
  bars(count, seconds) {
    const each = (seconds * PER_SECOND) / count;
    return Array.from({ length: count }, (_, i) => {
      const from = Math.floor(i * each);
      const part = this.values.slice(from, Math.max(from + 1, Math.floor((i + 1) * each)));
      return part.length ? Math.sqrt(Math.max(...part) / this.#loudest) : null;
    });
  }
}
