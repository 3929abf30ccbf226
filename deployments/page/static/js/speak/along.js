/** Speech of a text that is still being typed: what is appended goes to the server as it comes, over a WebSocket. */

import { Refused, socket } from "../core/api.js";
import { toBase64 } from "../core/base64.js";
import { t } from "../core/words.js";
import { PcmReader } from "../sound/pcm.js";
import { server } from "../system/server.js";

/** One text that grows. `receive` is to a Take what synthesis.js's is; the text of its wish is where it begins. */
export class Along {
  #socket = null;
  #sent = "";
  #ended = false;

  /** The text as it stands now. Only what was appended can be spoken: what was sent is said already. */
  typed(text) {
    if (this.#ended || !text.startsWith(this.#sent)) return;
    const more = text.slice(this.#sent.length);
    if (!more || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ type: "input.text", text: more }));
    this.#sent = text;
  }

  /** The text is complete. */
  finish() {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.send(JSON.stringify({ type: "input.done" }));
  }

  get finished() {
    return this.#ended;
  }

  /** Speaks until the text is finished and said; how fast it came cannot be told from how fast it was typed. */
  receive = async (wish, signal, opened, heard) => {
    const config = await session(wish);
    const open = (this.#socket = socket("v1/audio/speech/stream"));
    open.binaryType = "arraybuffer";
    const pcm = new PcmReader();
    await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
      open.onopen = () => open.send(JSON.stringify(config));
      open.onclose = () => reject(new Refused(t("error.broke_off"), 0));
      open.onmessage = ({ data }) => {
        if (data instanceof ArrayBuffer) return heard(pcm.read(new Uint8Array(data)));
        const event = JSON.parse(data);
        if (event.type === "error") reject(new Refused(event.message, 400));
        if (event.type === "session.done") resolve();
        if (event.type !== "session.configured") return;
        opened({ rate: event.sample_rate, seed: String(config.seed), device: null, notes: [event.note].filter(Boolean) });
        this.typed(wish.text);
      };
    }).finally(() => open.close());
    wish.text = this.#sent;
    return { firstAudio: null, wall: null };
  };
}

/** The event that begins: what synthesis.js's form holds, under OpenAI's names. */
async function session({ voice, recording, options }) {
  const { seed, normalize, ...numbers } = options;
  const fields = {
    response_format: "pcm",
    sample_rate: server().sample_rate,
    seed: Number(seed || Math.floor(Math.random() * 2 ** 31)),
    normalize: normalize !== "false",
  };
  for (const [name, value] of Object.entries(numbers)) fields[name] = Number.isNaN(Number(value)) ? value : Number(value);
  if (voice) fields.voice = voice;
  if (recording) Object.assign(fields, { ref_audio: await toBase64(recording.audio), ref_text: recording.text });
  return { type: "session.config", ...fields };
}
