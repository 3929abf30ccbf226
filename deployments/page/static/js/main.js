/** The page's beginning: words, views, keys, and what the server says about itself. */

import { asksForKeyBy } from "./core/api.js";
import { askForKey } from "./core/dialogs.js";
import { complain } from "./core/notices.js";
import { begin as beginWords } from "./core/words.js";
import { beginFrame } from "./frame.js";
import { Speak } from "./speak/speak.js";
import { follow } from "./system/server.js";
import { System } from "./system/system.js";
import { load } from "./voices/library.js";
import { Voices } from "./voices/voices.js";

await beginWords();
asksForKeyBy(askForKey);
const speak = new Speak();
const system = new System();
new Voices();
beginFrame((view) => system.show(view === "system"));
document.documentElement.classList.remove("loading");
await follow();
try {
  await load(); // the first request that may need a key
  await speak.begin();
} catch (error) {
  complain(error);
}
