// Sixteen floats at a time, in the vector extensions of GCC and Clang: one source for every instruction set.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace shoal {

constexpr int kLanes = 16;

// Memory that begins with a cache line: a row of a tile, or sixteen floats, then lie in one and not in two.
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

typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef double Doubles __attribute__((vector_size(64)));    // 8
typedef uint64_t Words __attribute__((vector_size(64)));    // 8
typedef float HalfFloats __attribute__((vector_size(32)));  // 8
typedef uint16_t Shorts __attribute__((vector_size(32)));   // 16
typedef uint32_t Bits __attribute__((vector_size(64)));
typedef int16_t SignedShorts __attribute__((vector_size(32)));  // 16
typedef int8_t SignedBytes __attribute__((vector_size(16)));    // 16

template <class V, class T>
inline V load(const T* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <class V, class T>
inline void store(T* to, V v) {
  std::memcpy(to, &v, sizeof v);
}

template <class To, class From>
inline To cast(From from) {
  static_assert(sizeof(To) == sizeof(From), "a cast keeps the bits");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

inline int64_t pad(int64_t x, int64_t to) { return (x + to - 1) / to * to; }
inline Floats fill(float x) { return x - Floats{}; }
inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }

inline float sum(Floats v) {
  float total = 0;
  for (int i = 0; i < 8; i++) total += v[i] + v[i + 8];
  return total;
}

inline float largest(Floats v) {
  float top = v[0];
  for (int i = 1; i < kLanes; i++) top = v[i] > top ? v[i] : top;
  return top;
}

inline Ints lanes() { return Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }

// bf16 is the upper half of a float.
inline Floats widen(const uint16_t* from) {
#if defined(__AVX512F__)  // GCC makes five instructions of the conversion below
  return cast<Floats>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from)), 16));
#else
  return cast<Floats>(__builtin_convertvector(load<Shorts>(from), Bits) << 16);
#endif
}

inline float widen_one(uint16_t x) { return cast<float>(static_cast<uint32_t>(x) << 16); }

inline uint16_t narrow(float x) {  // to nearest, ties to even
  const uint32_t bits = cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// e^x to about 1 ulp (Cephes expf: range reduction by ln 2 in two parts, polynomial of degree 5); 0 below -87.3.
inline Floats exponential(Floats x) {
  const Floats clamped = larger(fill(-87.3f), x < 88.0f ? x : fill(88.0f));
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
  const Ints exponent = (cast<Ints>(shifted) - cast<int32_t>(magic) + 127) << 23;
  return x < -87.3f ? Floats{} : p * cast<Floats>(exponent);
}

inline Floats silu(Floats x) { return x / (1.0f + exponential(-x)); }

// Natural logarithm to about 1 ulp (Cephes logf), of positive normal numbers; -inf at 0.
inline Floats logarithm(Floats x) {
  const Ints bits = cast<Ints>(x);
  Ints exponent = (bits >> 23) - 126;
  Floats m = cast<Floats>((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  const Ints small = m < 0.707106781186547524f;
  exponent += small;  // a true lane is -1
  m = (small ? m + m : m) - 1.0f;
  const Floats square = m * m;
  Floats p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const Floats e = __builtin_convertvector(exponent, Floats);
  Floats y = m * square * p + e * -2.12194440e-4f - 0.5f * square;
  y = m + y + e * 0.693359375f;
  return x == 0.0f ? fill(-INFINITY) : y;
}

}  // namespace shoal
