/** What is at work now: slots, those who wait, and the caches. */

import { h } from "../core/dom.js";
import { count, percent } from "../core/format.js";
import { t, text } from "../core/words.js";
import { bar } from "./machines.js";

/** Its card, from the body of /health. */
export function liveCard({ engine, reference_cache: cache, plan }) {
  const rows = [];
  if (engine) {
    const { slots, slots_used: used, waiting } = engine;
    rows.push(bar("system.slots", (100 * used) / slots, `${count(used)} / ${count(slots)}`, waiting > 0));
    rows.push(fact("system.waiting", count(waiting)));
    rows.push(fact("system.widest", count(engine.widest_batch)));
    rows.push(fact("system.prefixes", kept(count(engine.prefix_cache_voices), engine.prefix_cache_hits, engine.prefix_cache_misses)));
  }
  const room = plan?.reference_cache ? ` / ${count(plan.reference_cache)}` : "";
  rows.push(fact("system.references", kept(count(cache.entries) + room, cache.hits, cache.misses)));
  return h("section", { class: "card" }, h("h2", text("system.now")), h("div", { class: "bars" }, rows));
}

const fact = (key, value) => h("div", { class: "measure" }, h("span", text(key)), h("span", { class: "value" }, value));

/** How many there are, and how often one that was asked for was there. */
function kept(shown, found, missed) {
  if (!(found + missed)) return shown;
  return t("system.found", { shown, share: percent((100 * found) / (found + missed)) });
}
