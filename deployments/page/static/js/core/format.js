/** Numbers as the interface's language writes them. */

import { current } from "./words.js";

const number = (value, options) => new Intl.NumberFormat(current(), options).format(value);

/** A count, such as 50,000. */
export const count = (value) => number(value);

/** A figure with so many digits after the point. */
export const figure = (value, digits) =>
  number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Seconds, such as 0.42 s or 12.3 s. */
export const seconds = (value) => `${number(value, { maximumFractionDigits: value < 1 ? 2 : 1 })}\u00a0s`;

/** A percentage of 100. */
export const percent = (value) => number(value / 100, { style: "percent", maximumFractionDigits: 0 });

/** Bytes, such as 1.5 GB. */
export function bytes(value) {
  const [unit, size] = value >= 1e9 ? ["gigabyte", 1e9] : value >= 1e6 ? ["megabyte", 1e6] : ["kilobyte", 1e3];
  return number(value / size, { style: "unit", unit, maximumFractionDigits: value >= 1e9 ? 1 : 0 });
}

/** A position in a recording, such as 1:05. */
export const clock = (value) => `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`;

/** How long ago a moment was, such as "5 minutes ago". */
export function ago(moment) {
  const passed = (Date.now() - moment) / 1000;
  const words = new Intl.RelativeTimeFormat(current(), { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]])
    if (passed >= size) return words.format(-Math.floor(passed / size), unit);
  return words.format(0, "minute");
}

/** A stretch of time, such as "3 hr, 5 min". */
export function duration(value) {
  const parts = [["day", Math.floor(value / 86400)], ["hour", Math.floor(value / 3600) % 24], ["minute", Math.floor(value / 60) % 60]]
    .filter(([, amount]) => amount)
    .map(([unit, amount]) => number(amount, { style: "unit", unit, unitDisplay: "short" }));
  return parts.length ? parts.slice(0, 2).join(" ") : seconds(Math.floor(value));
}
