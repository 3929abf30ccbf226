// Linear layers: weights in int8 or int4 with a scale for each 64 inputs of an output, activations in int16 with a
// scale per row.
//
// y[n] = bias[n] + scale_x * sum_g scale_w[n][g] * sum_{k in group g} w[n][k] * x[k]. Sums within a group are exact
// integers and groups are added in order, so a row's result is its own: neither the batch nor the number of threads can
// change a bit. With few rows the time goes into reading the weights; activations in int16 add no error to that of the
// weights (in int8 they double it, see tests/bench).
#pragma once

#include <algorithm>

#include "linear_weights.h"
#include "simd_math.h"
#include "thread_pool.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && !defined(SHOAL_PORTABLE)
#define SHOAL_VNNI 1
#elif defined(__AVX2__) && !defined(SHOAL_PORTABLE)
#define SHOAL_AVX2 1
#include "avx2.h"
#endif

namespace shoal {

// Rows computed together: as many as the registers hold.
#if SHOAL_VNNI
constexpr int kRowsTogether = 8;
#elif SHOAL_AVX2
constexpr int kRowsTogether = 6;
#else
constexpr int kRowsTogether = 2;
#endif
// Fewer rows are faster by dot2: 39 ms against 46 for a frame of one row, 60 against 57 for one of eight (S1-mini, two
// threads).
constexpr int64_t kRowsForAmx = 7;
// Bytes to prefetch ahead, into the L2 cache, for which a core can have more misses under way than for its L1 (31 ms
// per frame against 33): the hardware's own prefetching stops at every page.
constexpr int64_t kAhead = 4096;

// Mirrored by abi.py: every member is 8 bytes.
struct Linear {
  const int8_t* weight;
  const float* bias;        // (outputs), or null
  int64_t inputs, outputs;  // padded
  int64_t bits;             // of a weight: 8 or 4
};

// Rows of activations in int16 with their scales.
struct Quantized {
  int16_t* values;  // (rows, stride)
  float* scale;     // (rows)
  int64_t stride;
  int8_t* tiles;  // [rows / 16][stride / 64] blocks of [upper, lower bytes][16 rows][64 inputs]; null without tiles

  int8_t* tile(int64_t row, int64_t input) const {
    return tiles + (row / kTileRows * stride / kGroup + input / kGroup) * 2 * kTileSize;
  }
};

// Quantises the `size` floats at x (a multiple of 16, zeros as padding) into one row of `inputs` values.
inline void quantize(const float* x, int64_t size, int64_t inputs, Quantized to, int64_t row) {
  Floats top{};
  for (int64_t i = 0; i < size; i += kLanes) {
    const Floats v = load<Floats>(x + i);
    top = maximum(maximum(v, -v), top);  // a NaN counts as nothing
  }
  const float peak = reduce_max(top);
  const float inverse = peak > 0 ? 32767.0f / peak : 0.0f;
  const float magic = 12582912.0f;  // rounds to the nearest integer, ties to even
  int16_t* out = to.values + row * to.stride;
  for (int64_t i = 0; i < size; i += kLanes) {
    const Ints q = as_ints(load<Floats>(x + i) * inverse + magic) - bit_cast<int32_t>(magic);
    store_narrow(out + i, q);
    if (to.tiles) {  // without padding: weights are zero there
      int8_t* upper = to.tile(row, i) + row % kTileRows * kGroup + i % kGroup;
      store_narrow(upper, q >> 8);
      store_narrow(upper + kTileSize, q);
    }
  }
  std::memset(out + size, 0, (inputs - size) * sizeof(int16_t));
  to.scale[row] = peak / 32767.0f;
}

enum class Finish { kStore, kAdd, kGate };

// Scales, adds the bias and finishes one row of one panel. Not inlined: the same instructions for every tile size.
template <Finish finish>
__attribute__((noinline)) void finish_row(const Linear& layer, int64_t panel, float scale, const Floats* sums,
                                          float* out) {
  Floats y[2];
  for (int half = 0; half < 2; half++) {
    y[half] = sums[half] * scale;
    if (layer.bias) y[half] += load<Floats>(layer.bias + panel * kPanel + half * kLanes);
  }
  if (finish == Finish::kGate) {  // the halves of a panel are 16 outputs of w1 and the same 16 of w3
    store(out + panel * kLanes, silu(y[0]) * y[1]);
    return;
  }
  for (int half = 0; half < 2; half++) {
    float* to = out + panel * kPanel + half * kLanes;
    store(to, finish == Finish::kAdd ? load<Floats>(to) + y[half] : y[half]);
  }
}

// One expression for all ways of computing `total`, so that all round alike.
inline Floats add_group(Floats sum, Ints total, Floats scale) { return sum + to_floats(total) * scale; }

#if SHOAL_AVX2
// sums[r] += the products of row r and one block of weights. Not inlined: where it is, GCC runs out of registers.
template <int bits, int rows>
__attribute__((noinline)) void block(const int8_t* w, const int16_t* x, int64_t stride, Floats (*sums)[2]) {
  typedef int16_t Pairs __attribute__((vector_size(32)));
  constexpr int vectors = rows <= 2 ? 4 : 2;  // of eight outputs, at once: as many as the registers hold
#pragma GCC unroll 2
  for (int first = 0; first < 4; first += vectors) {
    __m256i whole[rows][vectors] = {};
    for (int eight = 0; eight < kEights; eight++) {
      const int8_t* at = w + eight * kEight<bits>;
#pragma GCC unroll 4
      for (int pair = 0; pair < 4; pair++) {
        __m256i wide[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) wide[v] = (__m256i)pairs_of<bits, Pairs>(at, pair, first + v);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
          for (int v = 0; v < vectors; v += 2) add_dot2(whole[r] + v, wide + v, x + r * stride + 8 * eight + 2 * pair);
        }
      }
      if (first == 0) prefetch_eight<bits>(at + kAhead);
    }
#pragma GCC unroll 2
    for (int half = first / 2; half < (first + vectors) / 2; half++) {
      const Floats scale = scale_of<bits>(w, half);
#pragma GCC unroll 6
      for (int r = 0; r < rows; r++) {
        sums[r][half] = add_group(sums[r][half], join(whole[r] + 2 * half - first), scale);
      }
    }
  }
}
#else
// total[n] += w[n][0] * x[0] + w[n][1] * x[1], for 16 outputs n.
inline Ints dot2(Ints total, Ints w, const int16_t* x) {
#if SHOAL_VNNI
  int32_t pair;
  std::memcpy(&pair, x, 4);
  return {(Ints::Part)_mm512_dpwssd_epi32((__m512i)total.part[0], (__m512i)w.part[0], _mm512_set1_epi32(pair))};
#else
  return total + ((w << 16) >> 16) * static_cast<int32_t>(x[0]) + (w >> 16) * static_cast<int32_t>(x[1]);
#endif
}

// sums[r] += the products of row r and one block of weights.
template <int bits, int rows>
inline void block(const int8_t* w, const int16_t* x, int64_t stride, Floats (*sums)[2]) {
  typedef int16_t Pairs __attribute__((vector_size(kRegister)));
  constexpr int unroll = rows == 1 ? 4 : rows == 2 ? 2 : 1;  // enough independent sums to hide the latency
  Ints whole[unroll][rows][2] = {};
  for (int eight = 0; eight < kEights; eight++) {
    const int8_t* at = w + eight * kEight<bits>;
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; pair++) {
      for (int half = 0; half < 2; half++) {
        const Ints wide = by_register<Ints>(
            [&](int p) { return (Ints::Part)pairs_of<bits, Pairs>(at, pair, half * Ints::kParts + p); });
        for (int r = 0; r < rows; r++) {
          Ints& sum = whole[pair % unroll][r][half];
          sum = dot2(sum, wide, x + r * stride + 8 * eight + 2 * pair);
        }
      }
    }
    prefetch_eight<bits>(at + kAhead);
  }
  for (int half = 0; half < 2; half++) {
    const Floats scale = scale_of<bits>(w, half);
    for (int r = 0; r < rows; r++) {
      Ints total = whole[0][r][half];
      for (int u = 1; u < unroll; u++) total += whole[u][r][half];
      sums[r][half] = add_group(sums[r][half], total, scale);
    }
  }
}
#endif

// As block, for any number of rows.
template <int bits>
inline void block_of(const int8_t* w, const int16_t* x, int64_t stride, int64_t rows, Floats (*sums)[2]) {
  for (; rows >= kRowsTogether; rows -= kRowsTogether, x += kRowsTogether * stride, sums += kRowsTogether)
    block<bits, kRowsTogether>(w, x, stride, sums);
  switch (rows) {
    case 7: return block<bits, 7>(w, x, stride, sums);
    case 6: return block<bits, 6>(w, x, stride, sums);
    case 5: return block<bits, 5>(w, x, stride, sums);
    case 4: return block<bits, 4>(w, x, stride, sums);
    case 3: return block<bits, 3>(w, x, stride, sums);
    case 2: return block<bits, 2>(w, x, stride, sums);
    case 1: return block<bits, 1>(w, x, stride, sums);
  }
}

// A panel's outputs for all rows, in chunks of rows whose sums and activations stay in the L1 cache.
template <Finish finish, int bits>
void panel_of(const Linear& layer, int64_t panel, Quantized x, int64_t rows, float* out, int64_t stride) {
  constexpr int most = 48;
  const int64_t blocks = layer.inputs / kGroup;
  Floats sums[most][2];
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t count = std::min<int64_t>(rows - first, most);
    std::memset(sums, 0, count * sizeof sums[0]);
    const int8_t* w = layer.weight + panel * blocks * kBlock<bits>;
    const int16_t* from = x.values + first * x.stride;
    for (int64_t b = 0; b < blocks; b++) block_of<bits>(w + b * kBlock<bits>, from + b * kGroup, x.stride, count, sums);
    for (int64_t r = 0; r < count; r++) {
      finish_row<finish>(layer, panel, x.scale[first + r], sums[r], out + (first + r) * stride);
    }
  }
}

#if SHOAL_AMX
// As panel_of, by AMX: four tiles of 16 rows share the tiles that a block is laid out as.
template <Finish finish, int bits>
void panel_by_amx(const Linear& layer, int64_t panel, Quantized x, int64_t rows, float* out, int64_t stride) {
  constexpr int most = 4;
  alignas(64) int8_t weights[kGroup * kPanel];
  alignas(64) AmxSums tiles[most];
  const int64_t blocks = layer.inputs / kGroup;
  for (int64_t first = 0; first < rows; first += most * kTileRows) {
    Floats sums[most * kTileRows][2] = {};
    const int count = static_cast<int>(std::min<int64_t>(rows - first, most * kTileRows));
    const int8_t* w = layer.weight + panel * blocks * kBlock<bits>;
    for (int64_t b = 0; b < blocks; b++, w += kBlock<bits>) {
      to_tiles<bits>(w, kAhead, weights);
      multiply_amx(x.tile(first, b * kGroup), x.tile(kTileRows, 0) - x.tiles, weights,
                   (count + kTileRows - 1) / kTileRows, tiles);
      const Floats scale[2] = {scale_of<bits>(w, 0), scale_of<bits>(w, 1)};
      for (int r = 0; r < count; r++) {
        for (int half = 0; half < 2; half++) {
          const Ints whole = total(tiles[r / kTileRows], half, r % kTileRows) >> (8 - bits);
          sums[r][half] = add_group(sums[r][half], whole, scale[half]);
        }
      }
    }
    for (int r = 0; r < count; r++) {
      finish_row<finish>(layer, panel, x.scale[first + r], sums[r], out + (first + r) * stride);
    }
  }
}
#endif

template <Finish finish, int bits>
void apply_weights(Worker& worker, const Linear& layer, Quantized x, int64_t rows, float* out, int64_t stride) {
#if SHOAL_AMX
  if (x.tiles && rows >= kRowsForAmx) {
    AmxTiles tiles;
    return worker.parallel_for(layer.outputs / kPanel,
                               [&](int64_t panel) { panel_by_amx<finish, bits>(layer, panel, x, rows, out, stride); });
  }
#endif
  worker.parallel_for(layer.outputs / kPanel,
                      [&](int64_t panel) { panel_of<finish, bits>(layer, panel, x, rows, out, stride); });
}

// out (rows, stride) = layer(x); kAdd adds to what out holds, kGate writes silu(w1 x) * w3 x, half as many outputs.
template <Finish finish>
void apply(Worker& worker, const Linear& layer, Quantized x, int64_t rows, float* out, int64_t stride) {
  const auto with = layer.bits == 4 ? apply_weights<finish, 4> : apply_weights<finish, 8>;
  with(worker, layer, x, rows, out, stride);
}

}  // namespace shoal
