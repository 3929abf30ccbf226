/** When to begin, and to go on after a wait, so that speech made more slowly than it is spoken stops seldom. */

const LEAST = 0.25; // seconds ahead after a wait: less would be heard as stuttering

/**
 * Whether playing may go on with `ahead` seconds in hand and `left` seconds expected to be made yet at `speed` seconds of
 * sound a second. Unknown (null): yes, as the first sound should be heard at once.
 */
export function enough(ahead, left, speed) {
  if (!ahead) return false;
  if (speed === null) return true;
  // While `ahead` is heard and what is left is made, the listener may not catch up: ahead + speed·T ≥ T until all is made.
  const needed = speed >= 1 ? 0 : left * (1 / speed - 1);
  return ahead >= Math.max(LEAST, needed);
}
