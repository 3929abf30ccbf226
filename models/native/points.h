// Convolutions of seven segments by way of ten points (Toom-Cook, which is also known as Winograd's F(4, 7)): four results
// of ten rows take ten products of a channel instead of twenty-eight. models/codec/native/winograd.py makes the matrices.
//
//   values[p] = sum_i of_rows[p][i] row[i]      result[j] = sum_p of_products[j][p] (values[p] * weight[p])
//
// The four rows of a tile are `dilation` apart. Tiles do not cross the rows of a frame, so that a row is always computed the
// same way, whatever block of frames it comes in. Each result is made of all ten rows: what is not a number in one of them
// spoils the whole tile.
//
// Weights lie as [outputs / 16][kPoints][channels][16 outputs].
#pragma once

#include "registers.h"
#include "team.h"

namespace shoal {

constexpr int kPoints = 10;
constexpr int kResults = 4;           // of a tile
constexpr int64_t kTilesAtOnce = 24;  // of a member: a panel's sums at all points stay in the L1 cache

// Where a tile of a convolution lies.
struct Tile {
  Tile(const Convolution& c, int64_t tile) {
    const int64_t length = kResults * c.dilation, frame = tile / of_frame(c), group = tile % of_frame(c) / c.dilation;
    fresh = frame * c.unit + group * length;
    row = frame * c.unit + std::min(group * length, c.unit - length) + tile % c.dilation;
  }

  static int64_t of_frame(const Convolution& c) {
    const int64_t length = kResults * c.dilation;
    return (c.unit + length - 1) / length * c.dilation;
  }
  static int64_t count(const Convolution& c, int64_t rows) { return rows / c.unit * of_frame(c); }

  int64_t row;    // of its first result
  int64_t fresh;  // results of earlier rows are another tile's: the last ones of a frame may overlap those before
};

// Bytes of weights up to which a member takes some tiles through all panels: weights, values and sums stay in its L2 cache.
constexpr int64_t kLight = 1 << 21;

inline bool is_light(const Convolution& c) {
  return kPoints * c.channels * c.outputs * static_cast<int64_t>(sizeof(float)) <= kLight;
}

constexpr int64_t kSums = kPoints * kTilesAtOnce * kLanes;  // of a panel

// Room for values of all tiles, or for those of some tiles and their sums for each member.
inline int64_t values_of_points(const Convolution& c, int64_t rows, int members) {
  if (!is_light(c)) return Tile::count(c, rows) * kPoints * c.channels;
  return members * (kTilesAtOnce * kPoints * c.channels + c.outputs / kLanes * kSums);
}

// values (kPoints, channels) of a tile of rows of channels.
inline void evaluate(const Convolution& c, const float* input, int64_t tile, float* values) {
  const float* first = input + Tile(c, tile).row * c.channels;
  for (int64_t k = 0; k < c.channels; k += kLanes) {
    for (int p = 0; p < kPoints; p++) {
      Floats value{};
      for (int i = 0; i < kPoints; i++) {
        value += load<Floats>(first + i * c.dilation * c.channels + k) * c.of_rows[p * kPoints + i];
      }
      store(values + p * c.channels + k, value);
    }
  }
}

typedef float PanelSums[kPoints][kTilesAtOnce][kLanes];

// sums[p] += products at point p, of `count` tiles whose values (count, kPoints, channels) are given.
inline void add_point(const Convolution& c, const float* values, int64_t count, int64_t panel, int p, PanelSums& sums) {
  const float* weight = static_cast<const float*>(c.weight) + (panel * kPoints + p) * c.channels * kLanes;
  const auto* from = reinterpret_cast<const uint16_t*>(values + p * c.channels);
  add_segment(c, weight, from, 2 * kPoints * c.channels, count, sums[p]);
}

template <class End>
void end_tiles(const Convolution& c, int64_t first, int64_t count, int64_t panel, const PanelSums& sums, End&& end) {
  for (int64_t t = 0; t < count; t++) {
    const Tile tile(c, first + t);
    for (int j = 0; j < kResults; j++) {
      const int64_t row = tile.row + j * c.dilation;
      if (row < tile.fresh) continue;
      Floats result{};
      for (int p = 0; p < kPoints; p++) result += load<Floats>(sums[p][t]) * c.of_products[j * kPoints + p];
      end(row, panel * kLanes, result);
    }
  }
}

// Some tiles at a time, by all panels: point by point, so that its values stay in the L1 cache.
template <class End>
void multiply_light(Member& me, const Convolution& c, const float* input, int64_t tiles, float* values, End&& end) {
  const int64_t panels = c.outputs / kLanes, size = kPoints * c.channels;
  float* own = values + me.index * (kTilesAtOnce * size + panels * kSums);
  auto* sums = reinterpret_cast<PanelSums*>(own + kTilesAtOnce * size);
  me.each((tiles + kTilesAtOnce - 1) / kTilesAtOnce, [&](int64_t chunk) {
    const int64_t first = chunk * kTilesAtOnce, count = std::min(tiles - first, kTilesAtOnce);
    for (int64_t t = 0; t < count; t++) evaluate(c, input, first + t, own + t * size);
    std::memset(sums, 0, panels * sizeof *sums);
    for (int p = 0; p < kPoints; p++) {
      for (int64_t panel = 0; panel < panels; panel++) add_point(c, own, count, panel, p, sums[panel]);
    }
    for (int64_t panel = 0; panel < panels; panel++) end_tiles(c, first, count, panel, sums[panel], end);
  });
}

// All values first, then panel by panel: each weight is read once.
template <class End>
void multiply_heavy(Member& me, const Convolution& c, const float* input, int64_t tiles, float* values, End&& end) {
  const int64_t size = kPoints * c.channels, chunks = (tiles + kTilesAtOnce - 1) / kTilesAtOnce;
  me.each(tiles, [&](int64_t tile) { evaluate(c, input, tile, values + tile * size); });
  me.each(c.outputs / kLanes * chunks, [&](int64_t i) {
    const int64_t panel = i / chunks, first = i % chunks * kTilesAtOnce, count = std::min(tiles - first, kTilesAtOnce);
    alignas(64) PanelSums sums = {};
    for (int p = 0; p < kPoints; p++) add_point(c, values + first * size, count, panel, p, sums);
    end_tiles(c, first, count, panel, sums, end);
  });
}

// As Products::multiply, of rows in fp32.
template <class End>
void multiply_points(Member& me, const Convolution& c, const float* input, int64_t rows, float* values, End&& end) {
  const int64_t tiles = Tile::count(c, rows);
  is_light(c) ? multiply_light(me, c, input, tiles, values, end) : multiply_heavy(me, c, input, tiles, values, end);
}

}  // namespace shoal
