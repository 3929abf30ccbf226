// Multiply-and-add on CPUs with AVX2, for sixteen outputs in two registers.
//
// Each function is one assembler statement: GCC would load and multiply for all rows before it adds, and run out of
// registers.
#pragma once

#include <immintrin.h>

#include "simd.h"

namespace shoal {

inline Ints join(const __m256i* halves) {
#if defined(__AVX512F__)
  return {(Ints::Part)_mm512_inserti64x4(_mm512_castsi256_si512(halves[0]), halves[1], 1)};
#else
  return {(Ints::Part)halves[0], (Ints::Part)halves[1]};
#endif
}

// total[n] += w[n][0] * x[0] + w[n][1] * x[1], for sixteen sums.
inline void add_dot2(__m256i* total, const __m256i* w, const int16_t* x) {
  typedef int32_t Pair __attribute__((may_alias, aligned(2)));
  const Pair& pair = *reinterpret_cast<const Pair*>(x);
#if defined(__AVXVNNI__)
  const __m256i both = _mm256_set1_epi32(pair);
  total[0] = _mm256_dpwssd_avx_epi32(total[0], w[0], both);
  total[1] = _mm256_dpwssd_avx_epi32(total[1], w[1], both);
#else
  __m256i both, products;
  asm("vpbroadcastd %[pair], %[both]\n\t"
      "vpmaddwd %[both], %[w0], %[products]\n\tvpaddd %[products], %[total0], %[total0]\n\t"
      "vpmaddwd %[both], %[w1], %[both]\n\tvpaddd %[both], %[total1], %[total1]"
      : [total0] "+&x"(total[0]), [total1] "+x"(total[1]), [both] "=&x"(both), [products] "=&x"(products)
      : [pair] "m"(pair), [w0] "x"(w[0]), [w1] "x"(w[1]));
#endif
}

// total[n] += w[n] * x, for sixteen sums.
inline void add_product(__m256* total, const __m256* w, const float* x) {
  __m256 each;
  asm("vbroadcastss %[x], %[each]\n\t"
      "vfmadd231ps %[each], %[w0], %[total0]\n\tvfmadd231ps %[each], %[w1], %[total1]"
      : [total0] "+&x"(total[0]), [total1] "+x"(total[1]), [each] "=&x"(each)
      : [x] "m"(*x), [w0] "x"(w[0]), [w1] "x"(w[1]));
}

}  // namespace shoal
