/** Buttons that play a short sound and stop it again; one at a time. */

import { setIcon } from "../core/dom.js";
import { complain } from "../core/notices.js";
import { contextFor } from "./output.js";
import { Player } from "./player.js";

let current = null;

/**
 * Plays what `feed(append, signal)` appends (int16 at `rate`) until it is over, or the button is pressed again; `idle` is
 * the button's icon while nothing plays. Call it in a click.
 */
export async function toggle(button, rate, feed, idle = "play") {
  const before = current;
  before?.stop();
  if (before?.button === button) return;
  contextFor(rate);
  const leaving = new AbortController();
  const player = new Player(rate);
  const mine = { button, stop };
  current = mine;
  shows("stop");
  for (const event of ["end", "pause"]) player.addEventListener(event, () => current === mine && stop());
  player.play();
  try {
    await feed((samples) => player.append(samples), leaving.signal);
    player.finish();
  } catch (error) {
    if (current === mine) stop();
    complain(error);
  }

  function stop() {
    current = null;
    leaving.abort();
    player.close();
    shows(idle);
  }

  function shows(name) {
    setIcon(button, name);
    button.classList.toggle("on", name === "stop");
  }
}
