/** What surrounds the views: which one is shown, the language, dark or light, and the server's state. */

import { byId, h, setIcon } from "./core/dom.js";
import { remember, remembered } from "./core/kept.js";
import { choose, current, LANGUAGES, name, say, t } from "./core/words.js";
import { server, unreachable } from "./system/server.js";

const THEMES = ["auto", "light", "dark"];
const FIRST = "speak";

/** Shows the view that the address names, and from then on; `shown` is told its name. */
export function beginFrame(shown) {
  const views = [...document.querySelectorAll(".view")];
  const turn = () => {
    const wanted = location.hash.slice(1);
    const view = views.some((each) => each.dataset.view === wanted) ? wanted : FIRST;
    for (const each of views) each.hidden = each.dataset.view !== view;
    for (const tab of document.querySelectorAll(".tabs a"))
      tab.setAttribute("aria-current", tab.dataset.view === view ? "page" : "false");
    shown(view);
  };
  addEventListener("hashchange", () => {
    if (location.hash === "#content") return; // the skip link
    turn();
    scrollTo(0, 0);
  });
  turn();
  languages();
  themes();
  for (const event of ["server", "language"]) document.addEventListener(event, state);
}

function languages() {
  const select = byId("interface-language");
  select.append(...Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code }, name)));
  select.value = current();
  select.addEventListener("change", () => choose(select.value));
}

function themes() {
  const button = byId("theme");
  const kept = remembered("theme");
  let theme = THEMES.includes(kept) ? kept : "auto";
  const show = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setIcon(button, theme);
    name(button, `frame.theme_${theme}`);
    document.dispatchEvent(new Event("theme"));
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    remember("theme", theme);
    show();
  });
  show();
}

/** The chip in the header, and the banner while the server cannot work. */
function state() {
  const health = server();
  const away = Boolean(unreachable());
  const ready = !away && health?.status === "ok";
  const chip = byId("state");
  chip.className = `state ${away ? "bad" : ready ? "good" : "warn"}`;
  chip.querySelector("span").textContent = health && !away ? `${health.checkpoint} · ${health.device.toUpperCase()}` : t("frame.away");
  byId("banner").hidden = ready;
  if (!ready) say(byId("banner"), away ? "error.unreachable" : "frame.starting");
  if (health) byId("about").textContent = `Shoal ${health.version}`;
}
