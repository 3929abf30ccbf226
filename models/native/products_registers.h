// The codec's products on CPUs with AVX2: in int16, or, to be exact, in fp32.
//
// In int16 a row has values of 14 bits and behind them its scale, in fp32. The weights of an output are as large as leaves
// the sum over a group of a segment's channels within 32 bits; those sums are exact, and added up in fp32.
//
// Weights lie as [outputs / 16][segments][channels / 2][16 outputs][2] in int16, and in fp32 as [..][segments][channels][16].
#pragma once

#include <algorithm>

#include "convolution.h"
#include "dot2.h"
#include "team.h"
#include "wave.h"

namespace shoal {

constexpr int64_t kChunk = 96;        // rows that a member takes at once: their sums stay in the L1 cache
constexpr int64_t kHeavy = 1 << 20;   // bytes of weights that are better read once than rows
constexpr int64_t kChannels = 256;    // of a group; GROUP of models/codec/native.py, which sees that no sum overflows
constexpr float kLargest = 8191;      // of a row's values in int16; LARGEST there
constexpr int kTogether = 6;          // rows computed together: as many as the registers hold

// sums[r] += the products of row r's next `count` channels; rows are `step` words of 16 bits apart. Not inlined: where it is,
// GCC runs out of registers.
template <int rows>
__attribute__((noinline)) void add_channels(const float* w, const uint16_t* x, const uint16_t*, int64_t count, int64_t step,
                                            float (*sums)[kLanes]) {
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

// Likewise; row r's scale is at `scales`.
template <int rows>
__attribute__((noinline)) void add_channels(const int16_t* w, const uint16_t* x, const uint16_t* scales, int64_t count,
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
    const Ints whole{(Ints::Part)total[r][0], (Ints::Part)total[r][1]};
    store(sums[r], load<Floats>(sums[r]) + to_floats(whole) * scale);
  }
}

template <bool exact>
struct Products {
  using Weight = std::conditional_t<exact, float, int16_t>;
  static constexpr bool kTiles = false;

  static int64_t width(int64_t channels) { return exact ? 2 * channels : channels + 2; }

  static void write(const Convolution& c, const float* x, float* scratch, uint16_t* row) {
    float* values = exact ? reinterpret_cast<float*>(row) : scratch;
    Floats top{};
    for (int64_t i = 0; i < c.channels; i += kLanes) {
      const Floats v = read(c, x, i);
      store(values + i, v);
      top = larger(top, larger(v, -v));
    }
    if (exact) return;
    const float peak = largest(top), scale = peak / kLargest, inverse = peak > 0 ? kLargest / peak : 0;
    const float magic = 12582912.0f;  // rounds to the nearest integer
    for (int64_t i = 0; i < c.channels; i += kLanes) {
      store_narrow(row + i, as_ints(load<Floats>(values + i) * inverse + magic));
    }
    std::memcpy(row + c.channels, &scale, sizeof scale);
  }

  template <class End>
  static void multiply(Member& me, const Convolution& c, const uint16_t* input, int64_t rows, End&& end) {
    const int64_t panels = c.outputs / kLanes, chunks = (rows + kChunk - 1) / kChunk;
    const int64_t size = c.segments * c.channels * kLanes;  // of a panel's weights
    const bool heavy = size * panels * static_cast<int64_t>(sizeof(Weight)) > kHeavy;
    me.each(panels * chunks, [&](int64_t i) {
      const int64_t panel = heavy ? i / chunks : i % panels, first = (heavy ? i % chunks : i / panels) * kChunk;
      const int64_t count = std::min(rows - first, kChunk);
      alignas(64) float sums[kChunk][kLanes] = {};
      add_up(c, static_cast<const Weight*>(c.weight) + panel * size, input + first * c.stride * width(c.channels), count, sums);
      for (int64_t r = 0; r < count; r++) end(first + r, panel * kLanes, load<Floats>(sums[r]));
    });
  }

 private:
  // The sums of `count` rows; a group's weights stay in the L1 cache for all of them.
  static void add_up(const Convolution& c, const Weight* weight, const uint16_t* input, int64_t count, float (*sums)[kLanes]) {
    const int64_t row = width(c.channels), step = c.stride * row;
    for (int64_t s = 0; s < c.segments; s++, input += c.dilation * row) {
      for (int64_t k = 0; k < c.channels; k += kChannels) {
        const int64_t channels = std::min(c.channels - k, kChannels);
        const auto add = [&](auto rows, int64_t from) {
          const uint16_t* x = input + from * step;
          add_channels<rows.value>(weight, x + (exact ? 2 : 1) * k, x + c.channels, channels, step, sums + from);
        };
        int64_t r = 0;
        for (; r + kTogether <= count; r += kTogether) add(std::integral_constant<int, kTogether>(), r);
        switch (count - r) {
          case 5: add(std::integral_constant<int, 5>(), r); break;
          case 4: add(std::integral_constant<int, 4>(), r); break;
          case 3: add(std::integral_constant<int, 3>(), r); break;
          case 2: add(std::integral_constant<int, 2>(), r); break;
          case 1: add(std::integral_constant<int, 1>(), r); break;
        }
        weight += channels * kLanes;
      }
    }
  }
};

}  // namespace shoal
