/** All voices as one file, to keep or to take to another server: JSON with the recordings in base64. */

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
      await library.add(id, await fromBase64(audio), text);
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

function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

function fromBase64(letters) {
  return new Blob([Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0))]);
}
