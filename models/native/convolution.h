// What a causal convolution of the codec is, or a linear layer, which is one of a single segment.
#pragma once

#include <cstdint>

namespace shoal {

// Mirrored by models/codec/native/packing.py: every member is 8 bytes.
struct Convolution {
  const void* weight;                     // in the order in which Products reads it
  const float *bias, *scale;              // (outputs); what sums are multiplied by before it is added, or null
  const float *of_rows, *of_products;     // of points.h (kPoints, kPoints) and (kResults, kPoints), or null
  const float *before, *before_inverse;   // of the Snake of its input (channels), or null
  const float *after, *after_inverse;     // of the Snake of its results (outputs), or null
  int64_t inputs, channels;               // values of a row as given, and as read: padded
  int64_t results, outputs;               // likewise of a result
  int64_t segments, stride, dilation;     // result r is the sum over s of weight[s] * row[r * stride + s * dilation]
  int64_t context;                        // rows remembered: row 0 is the oldest
  int64_t repeat;                         // one result is seen as so many rows
  int64_t residual;                       // 1: added to the last activations that `after` did not change
  int64_t exact;                          // which of the two Products
  int64_t unit;                           // rows of a frame: with points, rows come in multiples of it
};

// Panels of outputs in chunks of rows, in the order in which members take them: weights that are heavier than rows are read
// once, else rows are.
struct Units {
  static constexpr int64_t kHeavy = 1 << 20;  // bytes of weights

  int64_t panels, chunks, bytes;

  int64_t count() const { return panels * chunks; }
  int64_t panel(int64_t unit) const { return bytes > kHeavy ? unit / chunks : unit % panels; }
  int64_t chunk(int64_t unit) const { return bytes > kHeavy ? unit % chunks : unit / panels; }
};

// The two precisions of a machine, in one of products_*.h.
//   kTiles                        whether a convolution whose results a Snake ends stores them as the next one reads them
//   width(channels)               of a row as it is read, in words of 16 bits
//   write(c, x, scratch, row)     a row of channels to what is read of it, by the Snake before; scratch (channels) is free
//   values(c, rows, members)      room that multiply takes, in floats
//   multiply(me, c, input, rows, values, end)
//                                 calls end(row, column, sums) for every sixteen results, sums being the first at column
template <bool exact>
struct Products;

}  // namespace shoal
