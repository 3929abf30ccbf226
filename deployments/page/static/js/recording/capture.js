/** The worklet "shoal-capture": passes on what a microphone hears, in pieces. Runs on the audio thread. */

const PIECE = 2048;

registerProcessor(
  "shoal-capture",
  class extends AudioWorkletProcessor {
    #piece = new Float32Array(PIECE);
    #filled = 0;

    process(inputs) {
      const heard = inputs[0][0];
      if (!heard) return true;
      this.#piece.set(heard, this.#filled);
      this.#filled += heard.length;
      if (this.#filled === PIECE) {
        this.port.postMessage(this.#piece);
        this.#piece = new Float32Array(PIECE);
        this.#filled = 0;
      }
      return true;
    }
  },
);
