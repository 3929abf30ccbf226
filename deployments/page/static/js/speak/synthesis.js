/** One request for speech, and the samples that come of it. */

import { Refused, request } from "../core/api.js";
import { t } from "../core/words.js";
import { PcmReader } from "../sound/pcm.js";

const NOTES = ["x-reference-note", "x-voice-note", "x-nothing-said", "x-ignored"];

/** The form that POST /v1/tts takes. `wish`: {text, voice, recording, options}, where voice and recording may be null. */
export function form(wish, format, streaming) {
  const body = new FormData();
  const fields = { text: wish.text, format, streaming, ...wish.options };
  if (wish.voice) fields.reference_id = wish.voice;
  for (const [name, value] of Object.entries(fields)) if (value !== "" && value !== null) body.append(name, value);
  if (wish.recording) {
    body.append("reference_audio", wish.recording.audio, wish.recording.audio.name ?? "recording.wav");
    body.append("reference_text", wish.recording.text);
  }
  return body;
}

/**
 * Asks for speech and reads it as it is made. `opened` is told {rate, seed, device, notes} when the first of it is
 * there, `heard` gets the samples (int16) piece by piece. Gives {firstAudio, wall} in seconds. Throws Refused, AbortError.
 */
export async function receive(wish, signal, opened, heard) {
  let asked;
  const sending = () => (asked = performance.now());
  const passed = () => (performance.now() - asked) / 1000;
  const response = await request("v1/tts", { method: "POST", body: form(wish, "pcm", true), signal, sending });
  opened(described(response.headers));
  const reader = response.body.getReader();
  const pcm = new PcmReader();
  let firstAudio = null;
  for (;;) {
    const { value, done } = await next(reader);
    if (done) return { firstAudio, wall: passed() };
    const samples = pcm.read(value);
    firstAudio ??= passed();
    if (samples.length) heard(samples);
  }
}

/** The same speech as a file of another format, as a Blob: the seed makes it the same. */
export async function file(wish, format) {
  return (await request("v1/tts", { method: "POST", body: form(wish, format, false) })).blob();
}

const described = (headers) => ({
  rate: Number(headers.get("x-sample-rate")),
  seed: headers.get("x-seed"),
  device: headers.get("x-device"),
  notes: NOTES.map((name) => headers.get(name)).filter(Boolean),
});

async function next(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(t("error.broke_off"), 0);
  }
}
