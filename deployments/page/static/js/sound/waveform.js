/** Draws bars of a recording, in the colours of the page, with what was heard told apart. */

const BAR = 3;
const GAP = 2;

export class Waveform {
  #canvas;
  #peaks = null;
  #seconds = 1;
  #heard = [0, 0];

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    document.addEventListener("theme", () => this.draw());
  }

  /** Shows these peaks, over so many seconds; the stretch from `from` to `to` (0 to 1) stands out. */
  show(peaks, seconds, from, to) {
    this.#peaks = peaks;
    this.#seconds = Math.max(seconds, 0.1);
    this.#heard = [from, to];
    this.draw();
  }

  draw() {
    const canvas = this.#canvas;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    const dense = devicePixelRatio || 1;
    canvas.width = width * dense;
    canvas.height = height * dense;
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const count = Math.max(1, Math.floor((width + GAP) / (BAR + GAP)));
    const bars = this.#peaks?.bars(count, this.#seconds) ?? Array(count).fill(null);
    bars.forEach((bar, i) => {
      const place = (i + 0.5) / count;
      const heard = place >= this.#heard[0] && place < this.#heard[1];
      pen.fillStyle = bar === null ? colour("--wave-none") : heard ? colour("--wave-heard") : colour("--wave");
      const tall = Math.max(BAR, (bar ?? 0) * (height - 4));
      pen.beginPath();
      pen.roundRect(i * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
      pen.fill();
    });
  }
}
