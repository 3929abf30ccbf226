/** The text: its count, how long it will sound, how it will be read, and markers to put into it. */

import { getIfThere, sendJson } from "../core/api.js";
import { byId, discloses, h, settled } from "../core/dom.js";
import { count, seconds } from "../core/format.js";
import { current, label, say, t, text } from "../core/words.js";

const PER_SECOND = 14; // characters of English speech, where the server does not say
const AFTER = 400; // milliseconds without a key press
const EXAMPLE = "A shoal of fish turns as one, and nobody gives the order. Each of them only listens to its neighbours.";

/** Dispatches "change" when the text or what is known of it changes. */
export class Writing extends EventTarget {
  #segments = null; // as the server will read it; null where it does not say
  #previews = true;
  #codes = []; // of the languages that are spoken

  constructor(options) {
    super();
    this.options = options;
    this.language = byId("spoken-language");
    this.field = byId("text");
    this.field.value = EXAMPLE;
    this.field.addEventListener("input", () => this.#typed());
    this.read = settled(() => this.#preview(), AFTER);
    this.language.addEventListener("change", () => this.#typed());
    options.addEventListener("change", () => this.read());
    discloses(byId("reading-toggle"), byId("reading"));
    discloses(byId("more-toggle"), byId("more"));
    document.addEventListener("language", () => {
      this.#offerLanguages();
      this.#show();
    });
    this.#show();
  }

  get value() {
    return this.field.value;
  }

  set value(given) {
    this.field.value = given;
    this.#typed();
  }

  /** Seconds of speech that are to be expected. */
  get expected() {
    if (this.#segments) return this.#segments.reduce((sum, each) => sum + each.seconds + each.pause, 0);
    return this.value.trim().length / PER_SECOND;
  }

  /** Asks the server what it can tell of a text: how it reads it, in which languages, and which markers there are. */
  async begin() {
    const [markers, languages] = await Promise.all([getIfThere("emotions"), getIfThere("languages")]);
    if (markers) this.#offerMarkers(markers);
    this.#codes = languages?.languages.map(({ code }) => code) ?? [];
    this.#offerLanguages();
    await this.#preview();
  }

  #typed() {
    this.#segments = null;
    this.#show();
    this.read();
  }

  async #preview() {
    const asked = this.value;
    if (!this.#previews || !asked.trim()) return;
    const language = this.language.value ? { language: this.language.value } : {};
    try {
      const body = { text: asked, streaming: true, ...language, ...this.options.reading };
      const { segments } = await sendJson("v1/text/preview", body);
      if (asked !== this.value) return;
      this.#segments = segments;
    } catch (error) {
      this.#segments = null;
      this.#previews = error.status !== 404 && error.status !== 405;
    }
    this.#show();
  }

  #show() {
    const { length } = this.value;
    say(byId("count"), "speak.count", { count: length, shown: count(length) });
    byId("expected").textContent = this.value.trim() ? t("speak.expected", { seconds: seconds(this.expected) }) : "";
    byId("reading-toggle").hidden = !this.#segments;
    if (!this.#segments) byId("reading").hidden = true;
    else byId("reading").replaceChildren(...readings(this.#segments));
    this.dispatchEvent(new Event("change"));
  }

  #offerLanguages() {
    const names = new Intl.DisplayNames(current(), { type: "language" });
    const chosen = this.language.value;
    this.language.replaceChildren(
      h("option", { value: "", ...text("speak.any_language") }),
      ...this.#codes.map((code) => h("option", { value: code }, names.of(code))),
    );
    this.language.value = chosen;
    byId("spoken").hidden = this.#codes.length < 2;
  }

  #offerMarkers({ emotions, tones, special, note }) {
    const put = (marker) => () => {
      this.field.setRangeText(`(${marker}) `, this.field.selectionStart, this.field.selectionEnd, "end");
      byId("markers").hidePopover();
      this.field.focus();
      this.#typed();
    };
    const chip = (marker) => h("button", { class: "chip", type: "button", lang: "en", on: { click: put(marker) } }, marker);
    byId("markers").replaceChildren(
      h("p", { class: "fine", lang: "en" }, note),
      h("div", { class: "chips" }, [...tones, ...special, ...emotions].map(chip)),
    );
    byId("markers-toggle").hidden = false;
  }
}

function readings(segments) {
  const item = (segment) =>
    h(
      "li",
      {},
      segment.text ? h("span", { lang: segment.language }, segment.text) : h("i", text("speak.silence")),
      h(
        "span",
        { class: "facts" },
        segment.language ? h("span", { class: "tag", ...label("speak.spoken_as") }, segment.language) : null,
        segment.seconds ? h("span", {}, seconds(segment.seconds)) : null,
        segment.pause ? h("span", text("speak.pause", { seconds: seconds(segment.pause) })) : null,
      ),
    );
  return [h("p", { class: "fine", ...text("speak.reading_why") }), h("ol", {}, segments.map(item))];
}
