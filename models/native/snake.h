// Snake, the codec's activation, and rows that end before a vector does.
#pragma once

#include "convolution.h"
#include "simd_math.h"

namespace shoal {

// x + sin(alpha x)^2 / alpha. sin^2 has a period of pi: a multiple of it, in three parts, leaves |r| <= pi / 2, where a
// polynomial of degree 9 (least squares on Chebyshev's nodes, reweighted) is within 5e-9 of the sine.
SHOAL_INLINE Floats snake(Floats x, Floats alpha, Floats inverse) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const Floats z = x * alpha;
  const Floats n = (z * 0.318309886183790672f + magic) - magic;
  const Floats r = ((z - n * 3.140625f) - n * 9.67502593994140625e-4f) - n * 1.509957990978376432e-7f;
  const Floats q = r * r;
  Floats p = q * 2.605223207e-6f - 1.980907435e-4f;
  p = p * q + 8.333051046e-3f;
  p = p * q - 1.666665799e-1f;
  const Floats sine = p * q * r + r;
  return x + sine * sine * inverse;
}

// The first `count` values, then zeros; only zeros where count is not positive.
inline Floats load_partial(const float* from, int64_t count) {
  if (count >= kLanes) return load<Floats>(from);
  Floats x{};
  if (count > 0) std::memcpy(&x, from, count * sizeof(float));
  return x;
}

inline void store_partial(float* to, int64_t count, Floats x) {
  if (count >= kLanes) return store(to, x);
  if (count > 0) std::memcpy(to, &x, count * sizeof(float));
}

// Sixteen channels of a row from channel i on, as a convolution reads them.
inline Floats read(const Convolution& c, const float* x, int64_t i) {
  const Floats v = load_partial(x + i, c.inputs - i);
  return c.before ? snake(v, load<Floats>(c.before + i), load<Floats>(c.before_inverse + i)) : v;
}

}  // namespace shoal
