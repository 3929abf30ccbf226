/** The System view: how the server fares, what runs where and why, and what to do about it. */

import { getIfThere, getJson } from "../core/api.js";
import { byId, h, icon } from "../core/dom.js";
import { duration } from "../core/format.js";
import { text } from "../core/words.js";
import { checkpointCard } from "./checkpoint.js";
import { machineCards } from "./machines.js";
import { liveCard } from "./live.js";
import { planCards } from "./plan.js";
import { poolsCard } from "./pools.js";
import { requestsCard } from "./requests.js";
import { look, server, unreachable } from "./server.js";

const EVERY = 2000; // milliseconds
const PARTS = ["state", "checkpoint", "machines", "live", "requests", "pools", "plan"];

export class System {
  #shown = false;
  #status = null;
  #requests = null;
  #drawn = null; // what does not change by itself: its explanations stay open while figures move
  #requestsThere = true;

  constructor() {
    const section = (name) => h("div", { class: `part ${name}` });
    this.parts = Object.fromEntries(PARTS.map((name) => [name, section(name)]));
    byId("system").append(...Object.values(this.parts));
    document.addEventListener("server", () => this.#draw());
    document.addEventListener("language", () => {
      this.#drawn = null;
      this.#draw();
    });
  }

  /** Begins to look, or stops. */
  show(shown) {
    const began = shown && !this.#shown;
    this.#shown = shown;
    if (began) this.#follow();
  }

  async #follow() {
    while (this.#shown) {
      if (!document.hidden) await this.#read();
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  async #read() {
    try {
      await look();
      this.#status = await getJson("system-status");
      if (this.#requestsThere) this.#requests = await getIfThere("system/requests");
      this.#requestsThere = this.#requests !== null;
    } catch {
      this.#status = null; // the state says that the server does not answer
    }
    this.#draw();
  }

  #draw() {
    const health = server();
    if (!health || !this.#shown) return;
    this.parts.state.replaceChildren(stateCard(health, this.#status));
    this.parts.machines.replaceChildren(...machineCards(this.#status, health.machines));
    this.parts.live.replaceChildren(liveCard(health));
    this.parts.requests.replaceChildren(...requestsCard(this.#requests));
    this.parts.pools.replaceChildren(...poolsCard(health));
    const lasting = JSON.stringify([health.checkpoint, health.plan, health.stages]);
    if (lasting === this.#drawn) return;
    this.#drawn = lasting;
    this.parts.checkpoint.replaceChildren(checkpointCard(health));
    this.parts.plan.replaceChildren(...planCards(health));
  }
}

/** Whether all is well, and what to do where it is not. */
function stateCard(health, status) {
  const advice = [];
  if (unreachable()) advice.push(h("li", text("error.unreachable")));
  const idle = Object.entries(health.stages).filter(([, works]) => !works);
  for (const [stage] of idle) advice.push(h("li", text("system.stage_down", { stage })));
  if (status && status.recommended_action !== "OK") advice.push(h("li", { lang: "en" }, status.recommended_action));
  const well = !advice.length;
  const uptime = h("p", { class: "fine", ...text("system.uptime", { time: duration(health.uptime_seconds) }) });
  return h(
    "section",
    { class: `card verdict ${well ? "good" : "warn"}` },
    icon(well ? "tick" : "warning"),
    h("div", {}, h("h2", text(well ? "system.well" : "system.look")), uptime, well ? null : h("ul", {}, advice)),
  );
}
