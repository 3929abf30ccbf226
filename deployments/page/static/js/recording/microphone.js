/** A microphone, raw: browsers' noise suppression and level control would become part of the voice. */

import { t } from "../core/words.js";

const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
const WHY = { NotAllowedError: "mic.denied", NotFoundError: "mic.none", NotReadableError: "mic.busy" };

/** Listens until `stop` of what it gives is called; `heard` gets Float32Arrays. Throws an Error with what is wrong. */
export async function listen(heard) {
  if (!navigator.mediaDevices) throw new Error(t("mic.insecure"));
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: RAW });
  } catch (error) {
    throw new Error(t(WHY[error.name] ?? "mic.failed", { reason: error.message }));
  }
  if (navigator.audioSession) navigator.audioSession.type = "play-and-record";
  const context = new AudioContext(); // at the microphone's rate: Firefox connects no other
  await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
  const node = new AudioWorkletNode(context, "shoal-capture", { numberOfOutputs: 0 });
  node.port.onmessage = ({ data }) => heard(data);
  context.createMediaStreamSource(stream).connect(node);
  const stop = () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    if (navigator.audioSession) navigator.audioSession.type = "playback";
  };
  return { rate: context.sampleRate, stop };
}
