/** What the server says about itself, read now and then. Dispatches "server" on the document when it was read. */

import { readHealth } from "../core/api.js";

const EVERY = 10_000; // milliseconds
const SOON = 1_500; // while it starts, or does not answer

let health = null;
let fault = null;

/** The body of /health as last read; null before. */
export const server = () => health;

/** Why the last reading failed; null when it did not. */
export const unreachable = () => fault;

/** Reads now, and from now on. */
export async function follow() {
  await look();
  setTimeout(follow, fault || health.status !== "ok" ? SOON : EVERY);
}

/** Reads now. */
export async function look() {
  try {
    health = await readHealth();
    fault = null;
  } catch (error) {
    fault = error;
  }
  document.dispatchEvent(new Event("server"));
}
