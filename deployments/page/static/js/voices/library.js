/** The registered voices, as the server keeps them. Dispatches "voices" on the document whenever they change. */

import { getJson, request, sendJson } from "../core/api.js";

let voices = [];

/** What was last read: [{id, text}], by id. */
export const known = () => voices;

/** Reads them anew. */
export async function load() {
  voices = (await getJson("v1/references/list")).voices;
  document.dispatchEvent(new Event("voices"));
}

/** Registers a recording with its transcript; gives what the server says of it. */
export async function add(id, audio, text) {
  const body = new FormData();
  body.append("id", id);
  body.append("text", text);
  body.append("audio", audio, audio.name ?? "recording.wav");
  const { message } = await getJson("v1/references/add", { method: "POST", body });
  await load();
  return message;
}

export async function rename(id, name) {
  const { message } = await sendJson("v1/references/update", { old_reference_id: id, new_reference_id: name });
  await load();
  return message;
}

export async function remove(id) {
  const { message } = await getJson(`v1/references/${encodeURIComponent(id)}`, { method: "DELETE" });
  await load();
  return message;
}

/** The recording as it was sent, as a Blob. */
export const recording = async (id) => (await request(`v1/references/${encodeURIComponent(id)}/audio`)).blob();
