/** Building and finding elements. Nothing here reads HTML from strings: what a server or a person wrote stays text. */

const SVG = "http://www.w3.org/2000/svg";
let fields = 0;
const FILES = new URL("../../", import.meta.url);

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element. `properties`: `class`, `data` (an object), `on` (event listeners), anything with a dash or that is no
 * property of the element as an attribute; null and undefined are left out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "on") Object.entries(value).forEach(([event, act]) => element.addEventListener(event, act));
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An icon of icons.svg; decoration only, so that what it stands beside or in needs a name of its own. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", new URL(`icons.svg#${name}`, FILES));
  svg.append(use);
  return svg;
}

/** Shows another icon in an element that has one. */
export function setIcon(element, name) {
  element.querySelector("use").setAttribute("href", new URL(`icons.svg#${name}`, FILES));
}

/** A labelled control with a hint, which screen readers read after the label; all three are given as elements. */
export function field(title, control, hint = null, shown = null) {
  control.id ||= `field-${(fields += 1)}`;
  if (hint) {
    hint.id = `${control.id}-hint`;
    control.setAttribute("aria-describedby", hint.id);
  }
  return h("div", { class: "field" }, h("div", { class: "line" }, h("label", { htmlFor: control.id }, title), shown), control, hint);
}

/** Makes `button` open and close `panel`, and say so to screen readers. */
export function discloses(button, panel, opened = () => {}) {
  button.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) opened();
  });
}

/** `act`, once `wait` milliseconds have passed without a further call. */
export function settled(act, wait) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
}

/** Hands a Blob to the browser's downloads. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
