// A causal convolution of the codec, as its kernels are told of it. A linear layer is one of a single segment.
#pragma once

#include <cstdint>

namespace shoal {

// Mirrored by models/codec/native/packing.py: every member is 8 bytes.
struct Convolution {
  const void* weight;         // in the order in which Products reads it
  const float *bias, *scale;  // (outputs); the sums are multiplied by scale before bias is added; scale may be null
  const float *input_transform, *output_transform;  // of winograd.h: (kPoints, kPoints), (kResults, kPoints); or null
  const float *before, *before_inverse;             // of the Snake before it (channels), or null
  const float *after, *after_inverse;               // of the Snake after it (outputs), or null
  int64_t inputs, channels;                         // values of a row as given, and as read: padded
  int64_t results, outputs;                         // values of a result, and padded
  int64_t segments, stride, dilation;  // result r is the sum over s of weight[s] * row[r * stride + s * dilation]
  int64_t context;                     // rows remembered: row 0 is the oldest
  int64_t repeat;                      // one result is seen as so many rows
  int64_t residual;                    // 1: added to the last activations that `after` did not change
  int64_t exact;                       // which of the two Products
  int64_t unit;                        // rows of a frame: by Winograd's method, rows come in multiples of it
};

// Panels of outputs times chunks of rows, in the order in which workers take them: whichever is heavier, weights or
// rows, is read once.
struct Units {
  static constexpr int64_t kHeavy = 1 << 20;  // bytes of weights

  int64_t panels, chunks, bytes;

  int64_t count() const { return panels * chunks; }
  int64_t panel(int64_t unit) const { return bytes > kHeavy ? unit / chunks : unit % panels; }
  int64_t chunk(int64_t unit) const { return bytes > kHeavy ? unit % chunks : unit / panels; }
};

// The two precisions of a machine, in one of products_*.h:
//
// - kFeedsNext: whether a convolution with a Snake after it stores its results as the next convolution reads them
// - width(channels): words of 16 bits of a row as it is read
// - write(c, x, scratch, row): converts a row of channels to what is read, through the Snake before; scratch (channels)
// - values(c, rows, workers): floats of room that multiply needs
// - multiply(worker, c, input, rows, values, end): calls end(row, column, sums) for every sixteen results, of which the
//   first is at `column`
template <bool exact>
struct Products;

}  // namespace shoal
