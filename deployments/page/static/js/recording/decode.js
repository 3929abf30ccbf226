/** Recordings as files, and as samples to look at. */

import { toInt16, wav } from "../sound/pcm.js";

/** Hz; browsers resample what they decode to the rate that they are asked for. */
export const DECODED_RATE = 44100;

/** The samples of an audio file, mono, and their rate; null where this browser cannot read it (the server may). */
export async function decode(file) {
  try {
    const context = new OfflineAudioContext(1, 1, DECODED_RATE);
    const audio = await context.decodeAudioData(await file.arrayBuffer());
    return { samples: mixed(audio), rate: audio.sampleRate };
  } catch {
    return null;
  }
}

/** A WAV file of samples in -1 to 1. */
export const encode = (samples, rate) => wav(toInt16(samples), rate);

function mixed(audio) {
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length);
}
