// Matrix products in the registers of CPUs with AVX2, for rows in int16 or in fp32.
//
// In int16 a row has values of 14 bits, and after them its scale in fp32. The weights of an output are scaled so that
// the sum over a group of a segment's channels fits into 32 bits; those sums are exact, and added up in fp32.
//
// Weights lie as [outputs / 16][segments][channels / 2][16 outputs][2] in int16, in fp32 as
// [..][segments][channels][16].
#pragma once

#include <algorithm>

#include "avx2.h"
#include "convolution.h"
#include "simd_math.h"

namespace shoal {

constexpr int64_t kChannels = 256;  // in a group; _GROUP of models/codec/native/packing.py, by which no sum overflows
constexpr float kLargest = 8191;    // value of a row in int16; _LARGEST there
constexpr int kRowsTogether = 6;    // rows computed together: as many as the registers hold

// sums[r] += the products of row r's next `count` channels; rows are `step` words of 16 bits apart. Not inlined: where
// it is, GCC runs out of registers.
template <int rows>
__attribute__((noinline)) void microkernel(const float* w, const uint16_t* x, const uint16_t*, int64_t count,
                                           int64_t step, float (*sums)[kLanes]) {
  __m256 total[rows][2];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) total[r][0] = _mm256_load_ps(sums[r]), total[r][1] = _mm256_load_ps(sums[r] + 8);
  for (int64_t k = 0; k < count; k++) {
    const __m256 wide[2] = {_mm256_loadu_ps(w + k * kLanes), _mm256_loadu_ps(w + k * kLanes + 8)};
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) add_product(total[r], wide, reinterpret_cast<const float*>(x + r * step) + k);
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) _mm256_store_ps(sums[r], total[r][0]), _mm256_store_ps(sums[r] + 8, total[r][1]);
}

// The same in int16; row r's scale is at `scales`.
template <int rows>
__attribute__((noinline)) void microkernel(const int16_t* w, const uint16_t* x, const uint16_t* scales, int64_t count,
                                           int64_t step, float (*sums)[kLanes]) {
  __m256i total[rows][2] = {};
  for (int64_t k = 0; k < count; k += 2) {
    const auto* from = reinterpret_cast<const __m256i*>(w + k * kLanes);
    const __m256i wide[2] = {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) add_dot2(total[r], wide, reinterpret_cast<const int16_t*>(x + r * step) + k);
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) {
    float scale;
    std::memcpy(&scale, scales + r * step, sizeof scale);
    store(sums[r], load<Floats>(sums[r]) + to_floats(join(total[r])) * scale);
  }
}

// sums[r] += the products of one segment's weights and row r; rows are `step` words apart. A group's weights stay in
// the L1 cache for all rows.
template <class Weight>
void add_segment(const Convolution& c, const Weight* weight, const uint16_t* input, int64_t step, int64_t count,
                 float (*sums)[kLanes]) {
  constexpr int words = sizeof(Weight) / sizeof(uint16_t);
  for (int64_t k = 0; k < c.channels; k += kChannels) {
    const int64_t channels = std::min(c.channels - k, kChannels);
    const auto add = [&](auto rows, int64_t from) {
      const uint16_t* x = input + from * step;
      microkernel<rows.value>(weight + k * kLanes, x + words * k, x + c.channels, channels, step, sums + from);
    };
    int64_t r = 0;
    for (; r + kRowsTogether <= count; r += kRowsTogether) add(std::integral_constant<int, kRowsTogether>(), r);
    switch (count - r) {
      case 5: add(std::integral_constant<int, 5>(), r); break;
      case 4: add(std::integral_constant<int, 4>(), r); break;
      case 3: add(std::integral_constant<int, 3>(), r); break;
      case 2: add(std::integral_constant<int, 2>(), r); break;
      case 1: add(std::integral_constant<int, 1>(), r); break;
    }
  }
}

}  // namespace shoal
