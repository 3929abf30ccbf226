/** Which checkpoint speaks, and, where it is the starter, how to get the real one. */

import { h, icon } from "../core/dom.js";
import { label, text } from "../core/words.js";

const STARTER = "starter";
const LICENCE = "https://huggingface.co/fishaudio/openaudio-s1-mini";
const COMMANDS = [
  ".venv/bin/hf auth login",
  ".venv/bin/hf download fishaudio/openaudio-s1-mini --local-dir checkpoints/openaudio-s1-mini",
  "make serve CHECKPOINT=checkpoints/openaudio-s1-mini",
].join("\n");

/** The card about the checkpoint, from the body of /health. */
export function checkpointCard(health) {
  const facts = [
    ["system.checkpoint", health.checkpoint],
    ["system.device", health.device.toUpperCase()],
    ["system.precision", health.precision],
    ["system.tier", health.tier],
    ["system.version", health.version],
  ];
  const list = h("dl", { class: "facts-list" }, facts.map(([key, value]) => h("div", {}, h("dt", text(key)), h("dd", {}, value))));
  return h("section", { class: "card" }, list, health.checkpoint === STARTER ? upgrade() : null);
}

function upgrade() {
  const copy = h("button", { class: "plain round", type: "button", ...label("common.copy") }, icon("copy"));
  copy.addEventListener("click", () => navigator.clipboard?.writeText(COMMANDS));
  return h(
    "details",
    { class: "upgrade" },
    h("summary", text("system.starter")),
    h("p", text("system.starter_why")),
    h("p", {}, h("a", { href: LICENCE, rel: "noreferrer", target: "_blank" }, LICENCE)),
    h("div", { class: "commands" }, h("pre", { tabindex: 0 }, COMMANDS), copy),
  );
}
