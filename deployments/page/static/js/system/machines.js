/** Every machine that runs a stage, and its load. */

import { h } from "../core/dom.js";
import { bytes, figure, percent } from "../core/format.js";
import { t, text } from "../core/words.js";

/** Its cards; `status` is the body of /system-status, or null while it is not known. */
export const machineCards = (status) => (status?.machines ?? []).map(machine);

function machine(each) {
  const rows = [
    bar("system.cpu", each.cpu_percent, percent(each.cpu_percent), each.cpu !== "ok"),
    bar("system.ram", each.ram_percent, t("system.ram_free", { bytes: bytes(each.ram_available_bytes) }), each.memory !== "ok"),
    ...each.gpus.flatMap(gpu),
  ];
  const warm = each.temperature_celsius === null ? null : t("system.degrees", { degrees: figure(each.temperature_celsius, 0) });
  return h(
    "section",
    { class: "card machine" },
    h("h2", {}, each.host, warm ? h("small", { class: each.thermal === "hot" ? "hot" : "" }, warm) : null),
    h("div", { class: "bars" }, rows),
    each.gpu_error && !each.gpus.length ? h("p", { class: "fine", lang: "en" }, each.gpu_error) : null,
  );
}

function gpu({ index, utilization_percent: busy, vram_used_bytes: used, vram_others_percent: others }) {
  const name = { index };
  return [
    busy === null ? null : bar("system.gpu", busy, percent(busy), false, name),
    used === null ? null : h("p", { class: "fine", ...text("system.vram", { index, bytes: bytes(used) }) }),
    others ? bar("system.vram_others", others, percent(others), others > 90, name) : null,
  ];
}

/** A named bar of a percentage. */
export function bar(key, value, shown, alarming, values) {
  const filled = h("div", {
    class: `bar${alarming ? " alarm" : ""}`,
    role: "meter",
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-valuenow": Math.round(value),
    "aria-valuetext": shown,
    "aria-label": t(key, values),
  });
  filled.style.setProperty("--filled", Math.max(0, Math.min(1, value / 100)));
  return h("div", { class: "measure" }, h("span", text(key, values)), h("span", { class: "value" }, shown), filled);
}
