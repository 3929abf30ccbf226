/** What is wrong with a recording as a reference, as keys of sentences with their values. Pure. */

import { seconds as written } from "../core/format.js";

const FRAME = 0.02; // seconds
const SHORT = 3;
const GOOD = 10;
const LONG = 30;
const SILENT = 0.003; // of full scale
const QUIET = 0.03;
const CLIPPED = 0.001; // of all samples
const SPREAD = 15; // dB between speech and background that a quiet room has
const CHARACTERS = [3, 30]; // a second, of people who speak; less for scripts whose characters are syllables

/** `grave`: it should be recorded again; `mild`: it works, and could be better. */
export function judge(samples, rate, transcript) {
  const seconds = samples.length / rate;
  const { peak, clipped, speech, background } = measure(samples, rate);
  const found = [];
  const say = (grade, key, values) => found.push({ grade, key: `fault.${key}`, values });
  if (peak < SILENT) return [{ grade: "grave", key: "fault.silent", values: {} }];
  if (seconds < SHORT) say("grave", "short", { seconds: written(seconds) });
  else if (seconds < GOOD) say("mild", "rather_short", { seconds: written(seconds) });
  if (seconds > LONG) say("mild", "long", { seconds: written(seconds) });
  if (peak < QUIET) say("grave", "quiet");
  if (clipped > CLIPPED) say("grave", "clipped");
  if (20 * Math.log10(speech / background) < SPREAD) say("mild", "noisy");
  const pace = transcript.trim().length / seconds;
  if (transcript.trim() && (pace > CHARACTERS[1] || pace < CHARACTERS[0] / 2)) say("mild", "transcript");
  return found;
}

function measure(samples, rate) {
  const size = Math.round(FRAME * rate);
  const levels = [];
  let peak = 0;
  let clipped = 0;
  for (let at = 0; at < samples.length; at += size) {
    let energy = 0;
    const end = Math.min(at + size, samples.length);
    for (let i = at; i < end; i++) {
      const loud = Math.abs(samples[i]);
      if (loud > peak) peak = loud;
      if (loud > 0.99) clipped++;
      energy += loud * loud;
    }
    levels.push(Math.sqrt(energy / (end - at)));
  }
  levels.sort((a, b) => a - b);
  const level = (share) => Math.max(1e-5, levels[Math.floor(share * (levels.length - 1))] ?? 0);
  return { peak, clipped: clipped / samples.length, speech: level(0.9), background: level(0.1) };
}
