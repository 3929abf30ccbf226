/** What runs where, and the rules behind it, as the server's plan words them. */

import { h } from "../core/dom.js";
import { figure } from "../core/format.js";
import { t, text } from "../core/words.js";

const STAGES = ["reference_encoder", "text_to_semantic", "vq_decoder"];

/** Its cards, from the body of /health. */
export function planCards({ plan, stages: working }) {
  if (!plan?.stages) return [];
  const rows = STAGES.filter((name) => plan.stages[name]).map((name) => stage(name, plan.stages[name], working[name]));
  return [
    h(
      "section",
      { class: "card" },
      h("h2", text("system.plan")),
      h("p", { class: "lead", ...text("system.plan_why") }),
      h("div", { class: "stages" }, rows),
      reasons("system.whole", plan.reasons),
    ),
  ];
}

function stage(name, plan, works) {
  const facts = [
    plan.device.toUpperCase(),
    plan.quantization === "none" ? plan.precision : plan.quantization,
    t("system.threads", { count: plan.threads }),
    t("system.slots_each", { count: plan.slots }),
    replicas(plan.min_replicas, plan.max_replicas),
    `${figure(plan.memory_gb, 1)} GB`,
  ];
  return h(
    "article",
    { class: "stage" },
    h("h3", {}, h("i", { class: `dot ${works === false ? "bad" : "good"}` }), h("span", text(`system.${name}`))),
    h("p", { class: "fine", ...text(`system.${name}_why`) }),
    h("ul", { class: "tags" }, facts.map((fact) => h("li", { class: "tag" }, fact))),
    reasons("system.why", plan.reasons),
  );
}

const replicas = (least, most) =>
  least === most ? t("system.running", { count: most }) : t("system.replicas", { least, most });

function reasons(key, sentences) {
  if (!sentences?.length) return null;
  return h("details", {}, h("summary", text(key)), h("ul", { lang: "en" }, sentences.map((each) => h("li", {}, each))));
}
