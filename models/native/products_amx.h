// The codec's products on matrix tiles (Intel AMX). A convolution reads rows in bf16: in one plane, or, to be exact, in
// two, whose sum has 16 bits or more of significand. Two planes take three products (all but that of the two smaller
// parts), added up in fp32, which is known as bf16x3.
//
// Weights lie as [outputs / 32][segments][channels / 32][planes][2][16 pairs of inputs][16 outputs][2].
#pragma once

#include <algorithm>

#include "amx.h"
#include "convolution.h"
#include "snake.h"
#include "thread_pool.h"

namespace shoal {

constexpr int kPanel = 32;       // results computed together: of two tiles
constexpr int kInputs = 32;      // of one tile
constexpr int64_t kChunk = 128;  // rows that a worker takes at once

// Sixteen values in bf16; with two planes also their rounding errors, `distance` values further on.
template <int planes>
inline void store_bf16(uint16_t* to, int64_t distance, Floats x) {
  for (int plane = 0; plane < planes; plane++) {
    _mm256_storeu_si256((__m256i*)(to + plane * distance), (__m256i)_mm512_cvtneps_pbh((__m512)x.part[0]));
    if (plane + 1 < planes) x -= from_bf16(to + plane * distance);
  }
}

template <bool exact>
struct Products {
  static constexpr bool kFeedsNext = true;
  static constexpr int planes = exact ? 2 : 1;

  static int64_t width(int64_t channels) { return planes * channels; }

  static void write(const Convolution& c, const float* x, float*, uint16_t* row) {
    for (int64_t i = 0; i < c.channels; i += kLanes) store_bf16<planes>(row + i, c.channels, read(c, x, i));
  }

  // Sixteen results as the next convolution, of as many channels as this one has outputs, reads them.
  static void store(uint16_t* row, const Convolution& c, Floats y) { store_bf16<planes>(row, c.outputs, y); }

  static int64_t values(const Convolution&, int64_t, int) { return 0; }

  // The tiles multiply while vectors finish the block before: one takes as long as the other.
  template <class End>
  static void multiply(Worker& worker, const Convolution& c, const uint16_t* input, int64_t rows, float*, End&& end) {
    const int64_t size = c.segments * c.channels * planes * kPanel;  // of a panel's weights
    const auto* weights = static_cast<const uint16_t*>(c.weight);
    const Units units{c.outputs / kPanel, (rows + kChunk - 1) / kChunk, c.outputs / kPanel * size * 2};
    AmxTiles tiles;
    alignas(64) float sums[2][2 * kTileRows][kPanel];
    int64_t before_row = 0, before_panel = 0, before_count = 0;
    int which = 0;
    const auto end_before = [&](int64_t from, int64_t to) {
      for (int64_t r = from; r < to; r++) {
        for (int i = 0; i < kPanel; i += kLanes) {
          end(before_row + r, before_panel * kPanel + i, load<Floats>(sums[which ^ 1][r] + i));
        }
      }
    };
    const auto multiply_unit = [&](int64_t i) {
      const int64_t panel = units.panel(i), chunk = units.chunk(i);
      const int64_t last = std::min(rows, (chunk + 1) * kChunk);
      for (int64_t row = chunk * kChunk; row < last; row += 2 * kTileRows) {
        const int64_t count = std::min<int64_t>(last - row, 2 * kTileRows);
        const int64_t steps = c.segments * c.channels / kInputs;
        tiles.rows(count);
        add_up(c, input + row * c.stride * planes * c.channels, weights + panel * size, count, sums[which],
               [&](int64_t step) { end_before(before_count * step / steps, before_count * (step + 1) / steps); });
        before_row = row, before_panel = panel, before_count = count;
        which ^= 1;
      }
    };
    worker.parallel_for(units.count(), multiply_unit, [&] { end_before(0, before_count); });
  }

 private:
  // Up to 32 results of a panel; `meanwhile` is called with the number of each step.
  template <class Meanwhile>
  static void add_up(const Convolution& c, const uint16_t* input, const uint16_t* weight, int64_t count,
                     float (*sums)[kPanel], Meanwhile&& meanwhile) {
    const int64_t width = planes * c.channels, bytes = c.stride * width * sizeof(uint16_t);
    const int64_t second =
        count > kTileRows ? kTileRows * c.stride * width : 0;  // else the first rows again, whose results are dropped
    constexpr int half = kTileSize / sizeof(uint16_t);
    asm volatile("" ::: "memory");  // GCC does not know that loading a tile reads memory that was written
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    int64_t step = 0;
    for (int64_t s = 0; s < c.segments; s++) {
      const uint16_t* from = input + s * c.dilation * width;
      for (int64_t k = 0; k < c.channels; k += kInputs, from += kInputs, weight += planes * 2 * half) {
        _tile_loadd(6, weight, kTileBytes);
        _tile_loadd(7, weight + half, kTileBytes);
        if (planes == 2) {
          _tile_loadd(4, from + c.channels, bytes);
          _tile_loadd(5, from + c.channels + second, bytes);
          products();
        }
        _tile_loadd(4, from, bytes);
        _tile_loadd(5, from + second, bytes);
        products();
        if (planes == 2) {
          _tile_loadd(6, weight + 2 * half, kTileBytes);
          _tile_loadd(7, weight + 3 * half, kTileBytes);
          products();
        }
        meanwhile(step++);
      }
    }
    constexpr int row = kPanel * sizeof(float);
    _tile_stored(0, sums[0], row);
    _tile_stored(1, sums[0] + kLanes, row);
    _tile_stored(2, sums[kTileRows], row);
    _tile_stored(3, sums[kTileRows] + kLanes, row);
  }

  static void products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
};

}  // namespace shoal
