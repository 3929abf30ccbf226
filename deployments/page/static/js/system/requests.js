/** The last requests, and where the time of each went. */

import { h } from "../core/dom.js";
import { ago, count, figure, seconds } from "../core/format.js";
import { t, text } from "../core/words.js";

const SHOWN = 12;
const PARTS = ["encode", "queue", "first", "rest"];
const COLUMNS = ["when", "text", "length", "first_audio", "rtf", "time"];

/** Its card, from the body of /system/requests; none where nothing was asked yet, or the server does not tell. */
export function requestsCard(found) {
  if (!found?.requests.length) return [];
  const legend = PARTS.map((part) => h("li", {}, h("i", { class: part }), h("span", text(`requests.${part}`))));
  return [
    h(
      "section",
      { class: "card" },
      h("h2", text("requests.title")),
      h("ul", { class: "legend" }, legend),
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col", class: name, ...text(`requests.${name}`) })))),
        h("tbody", {}, found.requests.slice(0, SHOWN).map(row)),
      ),
    ),
  ];
}

function row(request) {
  const cell = (name, ...content) => h("td", { class: name }, ...content);
  const known = (value, written) => (value === null ? "–" : written(value));
  return h(
    "tr",
    {},
    cell("when", h("time", { dateTime: request.time, title: request.request_id }, ago(Date.parse(utc(request.time))))),
    cell("text", t("requests.characters", { count: request.text_chars, shown: count(request.text_chars) })),
    cell("length", known(request.audio_seconds, seconds)),
    cell("first_audio", known(request.ttfa_seconds, seconds)),
    cell("rtf", known(request.rtf, (value) => figure(value, 2))),
    cell("time", request.error ? h("span", { class: "failed", lang: "en" }, request.error) : bar(request)),
  );
}

/** Its wall time, from its arrival to its end, in parts that add up to it. */
function bar(request) {
  const { wall_seconds: wall, ttfa_seconds: first } = request;
  if (!wall) return "–";
  const encode = request.encode_seconds ?? 0;
  const queue = request.queue_seconds ?? 0;
  const spent = { encode, queue, first: Math.max(0, (first ?? wall) - encode - queue), rest: Math.max(0, wall - (first ?? wall)) };
  const named = PARTS.filter((part) => spent[part] > 0.0005).map((part) => `${t(`requests.${part}`)} ${seconds(spent[part])}`);
  const parts = PARTS.map((part) => {
    const piece = h("i", { class: part });
    piece.style.setProperty("--share", spent[part] / wall);
    return piece;
  });
  const says = [...named, t("requests.all", { seconds: seconds(wall) })].join(", ");
  return h("div", { class: "spent", role: "img", "aria-label": says, title: says }, parts);
}

/** The server's times are in UTC, and may not say so. */
const utc = (time) => (/Z$|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
