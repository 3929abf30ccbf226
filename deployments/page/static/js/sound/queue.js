/**
 * Samples that arrive while they are played. Runs on the audio thread as the worklet "shoal-queue", or, where a page has
 * no worklets (plain HTTP from another machine), on the page's own thread. So this file imports nothing.
 */

const TELL_EVERY = 1024; // samples between reports of the position

/** Mono PCM in int16, in pieces, with a position that moves over them. */
export class SampleQueue {
  #pieces = [];
  #starts = [];
  #at = 0; // the piece that holds the position

  length = 0;
  position = 0;
  finished = false;
  running = false;

  append(piece) {
    this.#pieces.push(piece);
    this.#starts.push(this.length);
    this.length += piece.length;
  }

  seek(position) {
    this.position = Math.max(0, Math.min(position, this.length));
    this.#at = this.#starts.findLastIndex((start) => start <= this.position);
  }

  /** Fills `output`, in -1 to 1, with what follows, and silence where there is nothing yet. Gives how many are samples. */
  pull(output) {
    let filled = 0;
    while (this.running && filled < output.length && this.position < this.length) {
      this.#at = Math.max(0, this.#at);
      const piece = this.#pieces[this.#at];
      const from = this.position - this.#starts[this.#at];
      const count = Math.min(piece.length - from, output.length - filled);
      for (let i = 0; i < count; i++) output[filled + i] = piece[from + i] / 32768;
      filled += count;
      this.position += count;
      if (from + count === piece.length && this.#at + 1 < this.#pieces.length) this.#at++;
    }
    output.fill(0, filled);
    return filled;
  }
}

/** A queue that obeys messages and reports by messages; `tell` sends one. */
export class QueueServant {
  #queue = new SampleQueue();
  #told = 0;
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  obey({ append, finish, run, seek }) {
    const queue = this.#queue;
    if (append) queue.append(append);
    if (finish) queue.finished = true;
    if (seek !== undefined) queue.seek(seek);
    if (run !== undefined) queue.running = run;
    if (seek !== undefined) this.#report("moved");
  }

  fill(output) {
    const queue = this.#queue;
    const ran = queue.running;
    queue.pull(output);
    if (!ran) return;
    if (queue.position === queue.length) {
      queue.running = false;
      this.#report(queue.finished ? "ended" : "starved");
    } else if (queue.position - this.#told >= TELL_EVERY) this.#report("moved");
  }

  #report(event) {
    this.#told = this.#queue.position;
    this.#tell({ event, position: this.#queue.position });
  }
}

if (globalThis.AudioWorkletProcessor) {
  registerProcessor(
    "shoal-queue",
    class extends AudioWorkletProcessor {
      #servant = new QueueServant((message) => this.port.postMessage(message));
      #closed = false;

      constructor() {
        super();
        this.port.onmessage = ({ data }) => (data.close ? (this.#closed = true) : this.#servant.obey(data));
      }

      process(inputs, outputs) {
        this.#servant.fill(outputs[0][0]);
        return !this.#closed;
      }
    },
  );
}
