/** A short sentence in a voice, to choose by ear. Each is made once and kept while the page is open. */

import { toggle } from "../sound/toggle.js";
import { server } from "../system/server.js";
import { receive } from "./synthesis.js";

const LENGTH = 90; // characters
const GREETING = "Hello! This is how I sound.";
const SEED = "7";

const made = new Map();

/** Speaks a sample in `voice` ({id, text}; null: the model's own), or stops it; `button` shows which. */
export function toggleSample(voice, button) {
  return toggle(button, server().sample_rate, (append, signal) => feed(voice, append, signal));
}

async function feed(voice, append, signal) {
  const key = voice ? `${voice.id}\n${voice.text}` : "";
  if (made.has(key)) return made.get(key).forEach(append);
  const pieces = [];
  const wish = { text: sentence(voice?.text), voice: voice?.id, recording: null, options: { seed: SEED } };
  const heard = (samples) => {
    pieces.push(samples);
    append(samples);
  };
  await receive(wish, signal, () => {}, heard);
  made.set(key, pieces);
}

/** The beginning of what was said in the recording, whose language is the voice's; else a greeting. */
function sentence(words) {
  const first = words?.match(/^.*?[.!?。！？…]+/su)?.[0] ?? words;
  if (!first) return GREETING;
  return first.length <= LENGTH ? first : first.slice(0, LENGTH).replace(/\s+\S*$/, "") + ".";
}
