// Attention of one row over the positions its own slot has filled.
//
// Cache, in bf16: a slot's region is [position / 16][layer][key/value head], each entry holding 16 positions: keys as
// [head_dim][16], so that 16 scores come out of one pass without sums across lanes, then values as [16][head_dim].
// Positions are outermost, so that a slot takes memory as it fills, a prefix is one contiguous copy, and slots that
// begin alike read the same first blocks.
#pragma once

#include <algorithm>

#include "linear.h"
#include "simd_math.h"

namespace shoal {

constexpr int kMaxHeadDim = 256;
// How many rows of a prompt read keys and values together, and how many sums of sixteen floats the registers hold: sums
// of scores, beside keys that are converted on the way, and sums of values.
#if defined(__AVX512F__)
constexpr int kRows = 4, kScores = 8, kBlended = 16;
#else
constexpr int kRows = 2, kScores = 4, kBlended = 4;
#endif

// The structures below are mirrored by abi.py: every member is 8 bytes.
struct Layer {
  const float *attention_norm, *ffn_norm, *q_norm, *k_norm;  // the last two null without qk_norm
  Linear qkv, wo, w13, w2;
};

struct Stack {
  int64_t layers, heads, groups, dim, head_dim, hidden;
  double eps;
  const Layer* layer;
  const float* rope;  // (positions, head_dim / 2, 2): cosines and sines
  uint16_t* cache;
  int64_t slot_size;  // of a slot's region, in elements

  int64_t width() const { return pad(head_dim, kLanes); }
  int64_t entry_size() const { return 2 * kLanes * width(); }
  // An odd number of entries: were it even, as 28 layers of 8 groups are, a head's entries would all fall into the same
  // sets of the L2 cache, and every row would read them from the L3 (rows over 300 positions took 1.6 times as long).
  int64_t block_size() const { return (layers * groups | 1) * entry_size(); }
};

struct Row {
  uint16_t* cache;  // of its slot
  int64_t position;
  const uint16_t* shared = nullptr;  // a region that holds the slot's first blocks instead of its own
  int64_t shared_blocks = 0;
};

inline int64_t offset(const Stack& stack, int64_t layer, int64_t group, int64_t block) {
  return block * stack.block_size() + (layer * stack.groups + group) * stack.entry_size();
}

inline const uint16_t* entry(const Stack& stack, const Row& row, int64_t layer, int64_t group, int64_t block) {
  return (block < row.shared_blocks ? row.shared : row.cache) + offset(stack, layer, group, block);
}

// RMS norm of one head, if there is a weight for it, then the rotation of interleaved pairs; in place.
inline void prepare_head(const Stack& stack, const float* norm, int64_t position, float* x) {
  const int64_t size = stack.head_dim;
  if (norm) {
    float squares = 0;
    for (int64_t i = 0; i < size; i++) squares += x[i] * x[i];
    const float scale = 1.0f / std::sqrt(squares / size + static_cast<float>(stack.eps));
    for (int64_t i = 0; i < size; i++) x[i] = x[i] * scale * norm[i];
  }
  const float* rope = stack.rope + position * size;
  for (int64_t i = 0; i < size; i += 2) {
    const float even = x[i], odd = x[i + 1];
    x[i] = even * rope[i] - odd * rope[i + 1];
    x[i + 1] = odd * rope[i] + even * rope[i + 1];
  }
}

// Rotates the queries of one key/value head in place and writes its key and value; qkv is one row's.
inline void write_cache(const Stack& stack, const Row& row, int64_t layer, int64_t group, float* qkv) {
  const int64_t size = stack.head_dim, per_group = stack.heads / stack.groups;
  const Layer& weights = stack.layer[layer];
  for (int64_t h = 0; h < per_group; h++) {
    prepare_head(stack, weights.q_norm, row.position, qkv + (group * per_group + h) * size);
  }
  float* key = qkv + (stack.heads + group) * size;
  const float* value = qkv + (stack.heads + stack.groups + group) * size;
  prepare_head(stack, weights.k_norm, row.position, key);
  uint16_t* keys = row.cache + offset(stack, layer, group, row.position / kLanes);
  const int64_t lane = row.position % kLanes;
  uint16_t* values = keys + kLanes * stack.width() + lane * stack.width();
  for (int64_t i = 0; i < size; i++) {
    keys[i * kLanes + lane] = to_bf16(key[i]);
    values[i] = to_bf16(value[i]);
  }
}

// The hardware does not foresee the jump from one block to the next.
inline void prefetch(const uint16_t* from, int64_t size) {
  for (int64_t i = 0; i < size; i += 32) __builtin_prefetch(from + i);
}

// scores[h][j] of queries, each padded to width() zeros, with the 16 keys of one entry. However many queries share the
// reading of the keys, each one's sums are the same four, added in the same order.
template <int queries>
void score(const uint16_t* keys, const float* q, int64_t width, float* scores, int64_t stride) {
  constexpr int parts = 4, together = std::min(parts, kScores / queries);  // sums at a time: several hide the latency
  Floats sums[parts][queries];
  for (int first = 0; first < parts; first += together) {
    Floats now[together][queries] = {};
    for (int64_t i = first; i < width; i += parts) {
      for (int p = 0; p < together; p++) {
        const Floats key = from_bf16(keys + (i + p) * kLanes);
        for (int h = 0; h < queries; h++) now[p][h] += q[h * width + i + p] * key;
      }
    }
    std::memcpy(sums[first], now, sizeof now);
  }
  for (int h = 0; h < queries; h++) {
    store(scores + h * stride, (sums[0][h] + sums[1][h]) + (sums[2][h] + sums[3][h]));
  }
}

// out[h] += scores[h][j] * value[j], for `columns` x 16 of the values' columns, in order of j.
template <int queries, int columns>
void blend(const uint16_t* values, int64_t width, int64_t count, const float* scores, int64_t stride, float* out) {
  Floats sums[queries][columns];
  for (int h = 0; h < queries; h++) {
    for (int c = 0; c < columns; c++) sums[h][c] = load<Floats>(out + h * width + c * kLanes);
  }
  for (int64_t j = 0; j < count; j++) {
    for (int c = 0; c < columns; c++) {
      const Floats value = from_bf16(values + j * width + c * kLanes);
      for (int h = 0; h < queries; h++) sums[h][c] += scores[h * stride + j] * value;
    }
  }
  for (int h = 0; h < queries; h++) {
    for (int c = 0; c < columns; c++) store(out + h * width + c * kLanes, sums[h][c]);
  }
}

// Softmax of the first `count` values of x, but for the division by their sum, which it returns; x is written in
// multiples of 16.
inline float softmax(float* x, int64_t count, float scale) {
  const int64_t padded = pad(count, kLanes);
  Floats top = broadcast(-INFINITY);
  for (int64_t i = 0; i < padded; i += kLanes) {
    const Ints filled = lane_numbers() < static_cast<int32_t>(count - i);
    const Floats v = select(filled, load<Floats>(x + i) * scale, broadcast(-INFINITY));
    store(x + i, v);
    top = maximum(top, v);
  }
  const float peak = reduce_max(top);
  Floats total{};
  for (int64_t i = 0; i < padded; i += kLanes) {
    const Floats e = exponential(load<Floats>(x + i) - peak);
    store(x + i, e);
    total += e;
  }
  return reduce_sum(total);
}

// The queries of `heads` heads in `rows` rows, at consecutive positions of one block of a slot, against all cached
// positions up to their own; `scores` has room for each query's positions.
template <int rows, int heads>
void attend(const Stack& stack, const Row& row, int64_t layer, int64_t group, const float* q, int64_t q_stride,
            float* scores, float* out, int64_t out_stride) {
  constexpr int queries = rows * heads;
  const int64_t size = stack.head_dim, width = stack.width(), count = row.position + rows;
  const int64_t blocks = pad(count, kLanes) / kLanes, stride = blocks * kLanes;
  float padded[queries * kMaxHeadDim] = {}, sums[queries * kMaxHeadDim] = {}, totals[queries];
  for (int i = 0; i < queries; i++) {
    std::memcpy(padded + i * width, q + i / heads * q_stride + i % heads * size, size * sizeof(float));
  }
  for (int64_t b = 0; b < blocks; b++) {
    if (b + 1 < blocks) prefetch(entry(stack, row, layer, group, b + 1), kLanes * width);
    score<queries>(entry(stack, row, layer, group, b), padded, width, scores + b * kLanes, stride);
  }
  for (int i = 0; i < queries; i++) {  // positions after a row get no weight, and add nothing below
    const int64_t own = row.position + i / heads + 1;
    totals[i] = softmax(scores + i * stride, own, 1.0f / std::sqrt(static_cast<float>(size)));
  }
  constexpr int columns = std::min(8, kBlended / queries);
  for (int64_t b = 0; b < blocks; b++) {
    const uint16_t* values = entry(stack, row, layer, group, b) + kLanes * width;
    if (b + 1 < blocks) prefetch(entry(stack, row, layer, group, b + 1) + kLanes * width, kLanes * width);
    const int64_t filled = b + 1 < blocks ? kLanes : count - b * kLanes;
    int64_t c = 0;
    for (; c + columns * kLanes <= width; c += columns * kLanes) {
      blend<queries, columns>(values + c, width, filled, scores + b * kLanes, stride, sums + c);
    }
    if constexpr (columns > 4) {
      for (; c + 4 * kLanes <= width; c += 4 * kLanes) {
        blend<queries, 4>(values + c, width, filled, scores + b * kLanes, stride, sums + c);
      }
    }
    for (; c < width; c += kLanes) {
      blend<queries, 1>(values + c, width, filled, scores + b * kLanes, stride, sums + c);
    }
  }
  for (int i = 0; i < queries; i++) {
    float* to = out + i / heads * out_stride + i % heads * size;
    for (int64_t k = 0; k < size; k++) to[k] = sums[i * width + k] / totals[i];
  }
}

// All queries of one key/value head in `rows` rows, two heads at a time.
template <int rows>
void attend_group(const Stack& stack, const Row& row, int64_t layer, int64_t group, const float* qkv,
                  int64_t qkv_stride, float* scores, float* out, int64_t out_stride) {
  const int64_t per_group = stack.heads / stack.groups, last = (group + 1) * per_group, size = stack.head_dim;
  int64_t h = group * per_group;
  for (; h + 2 <= last; h += 2) {
    attend<rows, 2>(stack, row, layer, group, qkv + h * size, qkv_stride, scores, out + h * size, out_stride);
  }
  if (h < last) {
    attend<rows, 1>(stack, row, layer, group, qkv + h * size, qkv_stride, scores, out + h * size, out_stride);
  }
}

}  // namespace shoal
