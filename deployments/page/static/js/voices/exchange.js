/** All voices as one file, to keep or to take to another server: JSON with the recordings in base64. */

import { fromBase64, toBase64 } from "../core/base64.js";
import { save } from "../core/dom.js";
import { t } from "../core/words.js";
import * as library from "./library.js";

const KIND = "shoal-voices";

/** Saves every voice with its recording. */
export async function exportAll() {
  const voices = [];
  for (const { id, text } of library.known())
    voices.push({ id, text, audio: await toBase64(await library.recording(id)) });
  save(new Blob([JSON.stringify({ kind: KIND, version: 1, voices })], { type: "application/json" }), "voices.shoal.json");
}

/** Adds the voices of such a file. Gives how many were added, and the errors of the others. */
export async function importFrom(file) {
  let added = 0;
  const refused = [];
  for (const { id, text, audio } of read(await file.text())) {
    try {
      await library.add(id, fromBase64(audio), text);
      added++;
    } catch (error) {
      refused.push(error);
    }
  }
  return { added, refused };
}

function read(content) {
  try {
    const { kind, voices } = JSON.parse(content);
    if (kind === KIND && Array.isArray(voices)) return voices;
  } catch {
    // said below
  }
  throw new Error(t("voices.no_export"));
}
