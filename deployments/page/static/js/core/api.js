/** Asking the server. Addresses are relative to the page, so that it works below a route prefix too. */

import { remember, remembered } from "./kept.js";
import { t } from "./words.js";

const BASE = new URL(".", document.baseURI);

let key = remembered("key", "sessionStorage") ?? "";
let asking = null; // while the person is asked for a key, all requests wait for the same answer
let askPerson = async () => null;

/** What the server refused, as it words it. `status` 0: it did not answer; `retryAfter` in seconds, where it says so. */
export class Refused extends Error {
  constructor(message, status, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** `ask(reason)` gives a key, or null for none; the reason is what the server said. */
export function asksForKeyBy(ask) {
  askPerson = ask;
}

/** Whether a key is being sent. */
export const hasKey = () => Boolean(key);

/** Sends no key from now on. */
export const forgetKey = () => keep("");

/**
 * The Response to a request. Asks for a key where the server does; `options.sending` is called at each try, so that a
 * person's time is not taken for the server's. Throws Refused, or AbortError.
 */
export async function request(path, options = {}) {
  for (;;) {
    const sent = key;
    options.sending?.();
    const response = await reach(path, options, sent);
    if (response.ok) return response;
    const refusal = await read(response);
    if (response.status !== 401) throw refusal;
    if (key !== sent) continue; // another request has asked meanwhile
    asking ??= askPerson(refusal.message).finally(() => (asking = null));
    const given = await asking;
    if (!given) throw refusal;
    keep(given);
  }
}

/** A WebSocket; browsers send a key with one only as a subprotocol beside another. */
export function socket(path) {
  const address = new URL(path, BASE);
  address.protocol = address.protocol.replace("http", "ws");
  return new WebSocket(address, key ? ["realtime", `openai-insecure-api-key.${key}`] : []);
}

/** The JSON that the server answers with. */
export const getJson = async (path, options) => (await request(path, options)).json();

/** Sends an object as JSON; gives the JSON of the answer. */
export const sendJson = (path, body, options = {}) =>
  getJson(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), ...options });

/** As `getJson`; null where the server has no such route. */
export async function getIfThere(path) {
  try {
    return await getJson(path);
  } catch (error) {
    if (error.status === 404 || error.status === 405) return null;
    throw error;
  }
}

/** The body of /health, whose status is 503 while a stage cannot work. Throws Refused where the server is not there. */
export async function readHealth() {
  const response = await reach("health", {}, key);
  if (!response.headers.get("content-type")?.includes("json")) throw await read(response);
  return response.json();
}

async function reach(path, options, sent) {
  const headers = { ...options.headers, ...(sent ? { Authorization: `Bearer ${sent}` } : {}) };
  try {
    return await fetch(new URL(path, BASE), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(t("error.unreachable"), 0);
  }
}

async function read(response) {
  const body = await response.json().catch(() => ({}));
  const words = body.message ?? body.error?.message ?? body.error;
  const wait = Number(response.headers.get("retry-after")) || null;
  return new Refused(words || t("error.status", { status: response.status }), response.status, wait);
}

function keep(given) {
  key = given;
  remember("key", given, "sessionStorage");
}
