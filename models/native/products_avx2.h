// The codec's products on CPUs with AVX2: in int16, or, to be exact, in fp32.
#pragma once

#include "microkernels_avx2.h"
#include "snake.h"
#include "thread_pool.h"
#include "winograd.h"

namespace shoal {

constexpr int64_t kChunk = 96;  // rows that a worker takes at once: their sums stay in the L1 cache

template <bool exact>
struct Products {
  using Weight = std::conditional_t<exact, float, int16_t>;
  static constexpr bool kFeedsNext = false;

  static int64_t width(int64_t channels) { return exact ? 2 * channels : channels + 2; }

  static void write(const Convolution& c, const float* x, float* scratch, uint16_t* row) {
    float* values = exact ? reinterpret_cast<float*>(row) : scratch;
    Floats top{};
    for (int64_t i = 0; i < c.channels; i += kLanes) {
      const Floats v = read(c, x, i);
      store(values + i, v);
      top = maximum(maximum(v, -v), top);  // a NaN counts as nothing
    }
    if (exact) return;
    const float peak = reduce_max(top), scale = peak / kLargest, inverse = peak > 0 ? kLargest / peak : 0;
    const float magic = 12582912.0f;  // rounds to the nearest integer
    for (int64_t i = 0; i < c.channels; i += kLanes) {
      store_narrow(row + i, as_ints(load<Floats>(values + i) * inverse + magic));
    }
    std::memcpy(row + c.channels, &scale, sizeof scale);
  }

  static int64_t values(const Convolution& c, int64_t rows, int workers) {
    return c.input_transform ? winograd_room(c, rows, workers) : 0;
  }

  template <class End>
  static void multiply(Worker& worker, const Convolution& c, const uint16_t* input, int64_t rows, float* values,
                       End&& end) {
    if constexpr (exact) {
      if (c.input_transform)
        return multiply_winograd(worker, c, reinterpret_cast<const float*>(input), rows, values, end);
    }
    const int64_t size = c.segments * c.channels * kLanes, row = width(c.channels);  // of a panel's weights; of a row
    const int64_t bytes = c.outputs / kLanes * size * sizeof(Weight);
    const Units units{c.outputs / kLanes, (rows + kChunk - 1) / kChunk, bytes};
    worker.parallel_for(units.count(), [&](int64_t i) {
      const int64_t panel = units.panel(i), first = units.chunk(i) * kChunk;
      const int64_t count = std::min(rows - first, kChunk);
      alignas(64) float sums[kChunk][kLanes] = {};
      const Weight* weight = static_cast<const Weight*>(c.weight) + panel * size;
      const uint16_t* from = input + first * c.stride * row;
      for (int64_t s = 0; s < c.segments; s++, from += c.dilation * row, weight += c.channels * kLanes) {
        add_segment(c, weight, from, c.stride * row, count, sums);
      }
      for (int64_t r = 0; r < count; r++) end(first + r, panel * kLanes, load<Floats>(sums[r]));
    });
  }
};

}  // namespace shoal
