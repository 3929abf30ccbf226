/** Every machine that runs a stage: what it is, and its load. */

import { h } from "../core/dom.js";
import { bytes, figure, percent } from "../core/format.js";
import { t, text } from "../core/words.js";

/**
 * Their cards. `status` is the body of /system-status, or null while it is not known; `found` are the machines as the
 * plan found them, from /health.
 */
export const machineCards = (status, found = []) =>
  (status?.machines ?? []).map((each) => machine(each, found.find(({ node }) => node === each.node)));

function machine(each, known) {
  const rows = [
    bar("system.cpu", each.cpu_percent, percent(each.cpu_percent), each.cpu !== "ok"),
    bar("system.ram", each.ram_percent, t("system.ram_free", { bytes: bytes(each.ram_available_bytes) }), each.memory !== "ok"),
    ...each.gpus.flatMap((one) => gpu(one, known?.gpus.find(({ index }) => index === one.index))),
  ];
  return h(
    "section",
    { class: "card machine" },
    h("h2", {}, each.host, heat(each.temperature_celsius, each.thermal === "hot")),
    known ? h("p", { class: "fine what" }, described(known)) : null,
    h("div", { class: "bars" }, rows),
    each.gpu_error && !each.gpus.length ? h("p", { class: "fine", lang: "en" }, each.gpu_error) : null,
  );
}

function described({ cpu, physical_cores: cores, ram_total_bytes: ram, apple }) {
  return [apple ?? cpu, t("system.cores", { count: cores }), bytes(ram)].filter(Boolean).join(" · ");
}

function gpu(load, known) {
  const { index, utilization_percent: busy, vram_used_bytes: used, vram_total_bytes: total, vram_others_percent: others } = load;
  const held = load.throttle_reasons ?? [];
  const rows = [
    h("h3", {}, known ? `GPU ${index}: ${known.name}` : `GPU ${index}`, heat(load.temperature_celsius, held.length > 0)),
    known?.problem ? h("p", { class: "fine", lang: "en" }, known.problem) : null,
    busy === null ? null : bar("system.busy", busy, percent(busy), false, { index }),
    used === null || !total ? null : bar("system.vram", (100 * used) / total, `${bytes(used)} / ${bytes(total)}`, used > 0.97 * total, { index }),
    others ? bar("system.vram_others", others, percent(others), others > 90, { index }) : null,
    held.length ? h("p", { class: "fine", lang: "en" }, held.join(", ")) : null,
  ];
  return rows.filter(Boolean);
}

const heat = (degrees, hot) =>
  degrees === null ? null : h("small", { class: hot ? "hot" : "" }, t("system.degrees", { degrees: figure(degrees, 0) }));

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
