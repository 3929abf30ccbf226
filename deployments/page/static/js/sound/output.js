/** Where sound goes: one AudioContext at the rate of what is played, so that no browser resamples piece by piece. */

import { QueueServant } from "./queue.js";

const BLOCK = 2048; // samples of a ScriptProcessorNode

let context = null;
let ready = null;

/**
 * The context for sound of this rate. Call it in a click or a key press first: browsers play nothing that no gesture
 * asked for, and Safari forgets the gesture over an `await`.
 */
export function contextFor(rate) {
  if (context?.sampleRate !== rate) {
    context?.close();
    if (navigator.audioSession) navigator.audioSession.type = "playback"; // else an iPhone's mute switch silences it
    context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    ready = context.audioWorklet?.addModule(new URL("queue.js", import.meta.url));
    ready?.catch(() => {}); // where the context is closed meanwhile; a caller that awaits it is told all the same
  }
  context.resume();
  return context;
}

/** A node that plays a SampleQueue: `post` sends it a message, `close` ends it; `heard` gets its reports. */
export async function queueNode(rate, heard) {
  const owner = contextFor(rate);
  await ready;
  return owner.audioWorklet ? byWorklet(owner, heard) : byScript(owner, heard);
}

function byWorklet(owner, heard) {
  const node = new AudioWorkletNode(owner, "shoal-queue", { numberOfInputs: 0, outputChannelCount: [1] });
  node.port.onmessage = ({ data }) => heard(data);
  node.connect(owner.destination);
  const close = () => {
    node.port.postMessage({ close: true });
    node.disconnect();
  };
  return { post: (message) => node.port.postMessage(message), close };
}

/** Only pages by https or from localhost have worklets; this old node is everywhere. */
function byScript(owner, heard) {
  const servant = new QueueServant(heard);
  const node = owner.createScriptProcessor(BLOCK, 0, 1);
  node.onaudioprocess = ({ outputBuffer }) => servant.fill(outputBuffer.getChannelData(0));
  node.connect(owner.destination);
  return { post: (message) => servant.obey(message), close: () => node.disconnect() };
}
