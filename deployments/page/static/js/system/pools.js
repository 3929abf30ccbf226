/** Which devices may speak, what runs of them, and where requests went last. */

import { h } from "../core/dom.js";
import { seconds } from "../core/format.js";
import { text } from "../core/words.js";

const DECISIONS = 3; // shown

/** Their card, from the body of /health; none where there is one pool, as then nothing is decided. */
export function poolsCard({ pools: found }) {
  if (!found || found.pools.length < 2) return [];
  const decisions = found.decisions.slice(0, DECISIONS).map(decision);
  return [
    h(
      "section",
      { class: "card" },
      h("h2", text("system.pools")),
      h("p", { class: "fine", lang: "en" }, found.reason),
      h("ul", { class: "pools" }, found.pools.map(pool)),
      decisions.length ? h("h3", text("system.decisions")) : null,
      h("ul", { class: "decisions" }, decisions),
    ),
  ];
}

function pool({ name, device, state, replicas }) {
  const count = Math.max(0, ...Object.values(replicas));
  return h(
    "li",
    {},
    h("i", { class: `dot ${state === "running" ? "good" : state === "asleep" ? "idle" : "warn"}` }),
    h("b", {}, name === device ? name : `${name} (${device})`),
    h("span", text(`system.pool_${state}`)),
    h("span", { class: "fine", ...text("system.running", { count }) }),
  );
}

const decision = ({ pool: name, reason, seconds_ago: ago }) =>
  h("li", {}, h("b", {}, name), " ", h("span", { lang: "en" }, reason), " ", h("small", text("system.ago", { time: seconds(ago) })));
