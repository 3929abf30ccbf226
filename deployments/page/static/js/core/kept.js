/** Small choices that the browser keeps for this page. Where it keeps nothing, they hold until the page is closed. */

/** What was kept under `name`, else null. */
export function remembered(name, storage = "localStorage") {
  try {
    return globalThis[storage].getItem(`shoal.${name}`);
  } catch {
    return null;
  }
}

/** Keeps `value` under `name`. */
export function remember(name, value, storage = "localStorage") {
  try {
    globalThis[storage].setItem(`shoal.${name}`, value);
  } catch {
    // it is chosen anew next time
  }
}
