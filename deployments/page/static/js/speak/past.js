/** The list of this browser's takes. */

import { byId, h, icon, save } from "../core/dom.js";
import { ago, seconds } from "../core/format.js";
import { confirm } from "../core/dialogs.js";
import { label, text } from "../core/words.js";
import { wav } from "../sound/pcm.js";
import * as history from "./history.js";

export class Past {
  #acts;

  /** `replay(entry)` plays one, `reuse(entry)` takes its text and settings up again. */
  constructor(acts) {
    this.#acts = acts;
    byId("forget-all").addEventListener("click", () => this.#forgetAll());
    document.addEventListener("language", () => this.draw());
  }

  begin() {
    return this.draw();
  }

  async draw() {
    const entries = await history.list();
    byId("past").hidden = !entries.length;
    byId("past-list").replaceChildren(...entries.map((entry) => this.#row(entry)));
  }

  #row(entry) {
    const { id, wish, bytes, rate, seed } = entry;
    const length = bytes / 2 / rate;
    const button = (name, key, act) =>
      h("button", { class: "plain round", type: "button", ...label(key), on: { click: act } }, icon(name));
    const who = wish.voice ? h("span", {}, wish.voice) : h("span", text(wish.recorded ? "cards.own" : "cards.model"));
    return h(
      "li",
      {},
      button("play", "history.replay", () => this.#acts.replay(entry)),
      h(
        "div",
        { class: "about" },
        h("p", {}, wish.text),
        h("small", {}, who, " · ", seconds(length), " · ", h("time", { dateTime: new Date(id).toISOString() }, ago(id))),
      ),
      button("reuse", "history.reuse", () => this.#acts.reuse(entry)),
      button("download", "history.download", async () => save(wav(await history.sound(id), rate), `shoal-${seed}.wav`)),
      button("bin", "history.forget", () => this.#forget(entry)),
    );
  }

  async #forget({ id }) {
    await history.forget(id);
    await this.draw();
  }

  async #forgetAll() {
    if (!(await confirm("history.clear", "history.clear_sure", "history.clear"))) return;
    await history.forgetAll();
    await this.draw();
  }
}
