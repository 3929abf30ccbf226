// Functions of SIMD vectors and the memory that they are loaded from: one source for every instruction set.
#pragma once

#include <cmath>
#include <new>
#include <vector>

#include "simd.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace shoal {

// Memory that begins with a cache line, so that a row of an AMX tile, or sixteen floats, lie in one line and not in
// two.
template <class T>
struct Lines {
  static constexpr std::align_val_t kLine{64};
  using value_type = T;

  Lines() = default;
  template <class U>
  Lines(const Lines<U>&) {}

  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* at, size_t) { ::operator delete(at, kLine); }
  bool operator==(const Lines&) const { return true; }
  bool operator!=(const Lines&) const { return false; }
};

template <class T>
using Buffer = std::vector<T, Lines<T>>;

template <class To, class From>
inline To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From), "a cast keeps the bits");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

inline int64_t pad(int64_t x, int64_t to) { return (x + to - 1) / to * to; }
inline Floats maximum(Floats a, Floats b) { return select(a > b, a, b); }

inline float reduce_sum(Floats v) {
  float total = 0;
  for (int i = 0; i < 8; i++) total += v[i] + v[i + 8];
  return total;
}

inline float reduce_max(Floats v) {
  float top = v[0];
  for (int i = 1; i < kLanes; i++) top = v[i] > top ? v[i] : top;
  return top;
}

inline Ints lane_numbers() {
  constexpr int32_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load<Ints>(numbers);
}

// bf16 is the upper half of a float. GCC makes five instructions of the conversion that serves all machines.
inline Floats from_bf16(const uint16_t* from) {
#if defined(__AVX512F__)
  return {(Floats::Part)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from)), 16)};
#elif defined(__AVX2__)
  return by_register<Floats>([&](int p) {
    const __m128i part = _mm_loadu_si128((const __m128i*)from + p);
    return (Floats::Part)_mm256_slli_epi32(_mm256_cvtepu16_epi32(part), 16);
  });
#else
  return as_floats(widen_ints(from) << 16);
#endif
}

inline float from_bf16(uint16_t x) { return bit_cast<float>(static_cast<uint32_t>(x) << 16); }

inline uint16_t to_bf16(float x) {  // to nearest, ties to even
  const uint32_t bits = bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// e^x to about 1 ulp (Cephes expf: range reduction by ln 2 in two parts, polynomial of degree 5); 0 below -87.3.
SHOAL_INLINE Floats exponential(Floats x) {
  const Floats clamped = maximum(broadcast(-87.3f), select(x < 88.0f, x, broadcast(88.0f)));
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const Floats shifted = clamped * 1.44269504088896341f + magic;
  const Floats n = shifted - magic;
  const Floats r = clamped - n * 0.693359375f + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Ints exponent = (as_ints(shifted) - bit_cast<int32_t>(magic) + 127) << 23;
  return select(x < -87.3f, Floats{}, p * as_floats(exponent));
}

SHOAL_INLINE Floats silu(Floats x) { return x / (1.0f + exponential(-x)); }

// Natural logarithm to about 1 ulp (Cephes logf), of positive normal numbers; -inf at 0.
SHOAL_INLINE Floats logarithm(Floats x) {
  const Ints bits = as_ints(x);
  Ints exponent = (bits >> 23) - 126;
  Floats m = as_floats((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  const Ints small = m < 0.707106781186547524f;
  exponent += small;  // a true lane is -1
  m = select(small, m + m, m) - 1.0f;
  const Floats square = m * m;
  Floats p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const Floats e = to_floats(exponent);
  Floats y = m * square * p + e * -2.12194440e-4f - 0.5f * square;
  y = m + y + e * 0.693359375f;
  return select(x == 0.0f, broadcast(-INFINITY), y);
}

}  // namespace shoal
