/** PCM in int16, as it arrives and as WAV files. */

/** Turns bytes, cut anywhere, into int16 samples (little-endian, as all machines with browsers are). */
export class PcmReader {
  #odd = null; // the first half of a sample whose other half has not come

  read(bytes) {
    const size = bytes.length + (this.#odd === null ? 0 : 1);
    const whole = new Uint8Array(size);
    if (this.#odd !== null) whole[0] = this.#odd;
    whole.set(bytes, size - bytes.length);
    this.#odd = size % 2 ? whole[size - 1] : null;
    return new Int16Array(whole.buffer, 0, size >> 1);
  }
}

/** One array of several. */
export function joined(pieces) {
  const all = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Samples in -1 to 1 as int16. */
export const toInt16 = (samples) =>
  Int16Array.from(samples, (value) => Math.max(-32768, Math.min(32767, Math.round(value * 32768))));

/** A mono WAV file, as a Blob. */
export function wav(samples, rate) {
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, letters) => [...letters].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  const size = samples.byteLength;
  text(0, "RIFF");
  head.setUint32(4, 36 + size, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // channels
  head.setUint32(24, rate, true);
  head.setUint32(28, rate * 2, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, size, true);
  return new Blob([head, samples], { type: "audio/wav" });
}
