/** Takes that this browser keeps, newest first; on the server nothing of them stays. */

const NAME = "shoal";
const TAKES = "takes"; // what a list shows
const SOUNDS = "sounds"; // samples, by the take's id
const MOST = 40;
const MOST_BYTES = 200e6;

let database = null;
let unkept = []; // where the browser keeps nothing, as in some private windows: until the page is closed

/** Keeps a finished take. A recording that was its voice is not kept. */
export async function keep(take) {
  const { text, voice, recording, options } = take.wish;
  const samples = take.samples.buffer;
  const entry = {
    id: Date.now(),
    wish: { text, voice, recording: null, recorded: Boolean(recording), options },
    seed: take.seed,
    device: take.device,
    firstAudio: take.firstAudio,
    wall: take.wall,
    rate: take.rate,
    bytes: samples.byteLength,
  };
  await run(
    "readwrite",
    (takes, sounds) => (sounds.put(samples, entry.id), takes.put(entry)),
    () => unkept.push({ ...entry, samples }),
  );
  await prune();
}

/** All of them, without their sound. */
export async function list() {
  const found = await run("readonly", (takes) => takes.getAll(), () => [...unkept]);
  return found.reverse();
}

/** The samples of one. */
export async function sound(id) {
  const kept = () => unkept.find((entry) => entry.id === id).samples;
  return new Int16Array(await run("readonly", (takes, sounds) => sounds.get(id), kept));
}

export const forget = (id) =>
  run(
    "readwrite",
    (takes, sounds) => (sounds.delete(id), takes.delete(id)),
    () => (unkept = unkept.filter((entry) => entry.id !== id)),
  );

export const forgetAll = () =>
  run("readwrite", (takes, sounds) => (sounds.clear(), takes.clear()), () => (unkept = []));

async function prune() {
  let size = 0;
  for (const [i, entry] of (await list()).entries()) {
    size += entry.bytes;
    if (i >= MOST || (i && size > MOST_BYTES)) await forget(entry.id);
  }
}

/** The result of a request to the stores; of `otherwise` where there are none. */
async function run(mode, ask, otherwise) {
  try {
    database ??= await open();
    const transaction = database.transaction([TAKES, SOUNDS], mode);
    return await promised(ask(transaction.objectStore(TAKES), transaction.objectStore(SOUNDS)));
  } catch {
    return otherwise();
  }
}

function open() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(TAKES, { keyPath: "id" });
    request.result.createObjectStore(SOUNDS);
  };
  return promised(request);
}

const promised = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
