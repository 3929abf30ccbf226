/** The last requests, and where the time of each went. */

import { h } from "../core/dom.js";
import { figure, seconds } from "../core/format.js";
import { text } from "../core/words.js";

/** Its cards; none where the server tells nothing of its requests. */
export function requestsCard(found) {
  return [];
}
