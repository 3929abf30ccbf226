/** What else may be chosen for a text: format, speed, seed, sampling, device. */

import { field, h } from "../core/dom.js";
import { figure } from "../core/format.js";
import { text } from "../core/words.js";

export const FORMATS = ["wav", "mp3", "opus", "flac", "aac"];

// The bounds of POST /v1/tts; [name, least, most, step, usual value, digits]
const SLIDERS = [
  ["speed", 0.5, 2, 0.05, 1, 2],
  ["temperature", 0.1, 1, 0.05, 0.8, 2],
  ["top_p", 0.1, 1, 0.05, 0.8, 2],
  ["repetition_penalty", 0.9, 2, 0.05, 1.1, 2],
  ["chunk_length", 100, 300, 10, 200, 0],
];

/** Dispatches "change" when one of them changes. */
export class Options extends EventTarget {
  #sliders = new Map();

  constructor(root) {
    super();
    root.addEventListener("change", () => this.dispatchEvent(new Event("change")));
    this.format = h("select", {}, FORMATS.map((name) => h("option", { value: name }, name.toUpperCase())));
    this.seed = h("input", { type: "text", inputMode: "numeric", pattern: "[0-9]{0,18}", autocomplete: "off" });
    this.device = h("select");
    this.normalize = h("input", { type: "checkbox", checked: true });
    this.along = h("input", { type: "checkbox" });
    this.deviceField = option("device", this.device);
    this.deviceField.hidden = true;
    root.append(
      option("format", this.format),
      option("seed", this.seed),
      this.deviceField,
      ...SLIDERS.map((each) => this.#slider(...each)),
      option("normalize", this.normalize),
      option("along", this.along),
    );
    document.addEventListener("language", () => this.#sliders.forEach(({ show }) => show()));
  }

  /** Offers the pools that may be asked for, where there are several: [{name, device}]. */
  offer(pools) {
    const names = [...new Set(pools.flatMap(({ name, device }) => [name, device]))];
    this.deviceField.hidden = names.length < 2;
    const chosen = this.device.value;
    this.device.replaceChildren(
      h("option", { value: "", ...text("options.any_device") }),
      ...names.map((name) => h("option", { value: name }, name)),
    );
    this.device.value = names.includes(chosen) ? chosen : "";
  }

  /** What of it changes how a text is read, for POST /v1/text/preview. */
  get reading() {
    const device = this.value.device;
    const length = Number(this.#sliders.get("chunk_length").input.value);
    return { normalize: this.normalize.checked, chunk_length: length, ...(device ? { device } : {}) };
  }

  /** Fields of a request; what is as usual is left to the server. */
  get value() {
    const fields = { seed: this.seed.value.trim() };
    for (const [name, { input, usual }] of this.#sliders)
      if (Number(input.value) !== usual) fields[name] = input.value;
    if (!this.normalize.checked) fields.normalize = "false";
    if (!this.deviceField.hidden && this.device.value) fields.device = this.device.value;
    return fields;
  }

  set value(fields) {
    this.seed.value = fields.seed ?? "";
    this.normalize.checked = fields.normalize !== "false";
    this.device.value = fields.device ?? "";
    for (const [name, { input, usual, show }] of this.#sliders) {
      input.value = fields[name] ?? usual;
      show();
    }
  }

  #slider(name, min, max, step, usual, digits) {
    const input = h("input", { type: "range", min, max, step, value: usual });
    const shown = h("output");
    const show = () => (shown.textContent = figure(Number(input.value), digits));
    input.addEventListener("input", show);
    show();
    this.#sliders.set(name, { input, usual, show });
    return option(name, input, shown);
  }
}

const option = (name, control, shown) =>
  field(h("span", text(`options.${name}`)), control, h("small", text(`options.${name}_why`)), shown);
