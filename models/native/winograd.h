// Convolutions of seven segments by Winograd's minimal filtering F(4, 7), also known as Toom-Cook: four results of ten
// rows take ten products per channel instead of twenty-eight. models/codec/native/winograd.py makes the matrices.
//
//   transformed[p] = sum_i input_transform[p][i] row[i]
//   result[j]      = sum_p output_transform[j][p] (transformed[p] * weight[p])
//
// The four results of an output tile are `dilation` rows apart. No tile crosses the end of a frame, so that a row is
// always computed in the same way, whatever block of frames it comes in. Each result is made of all ten rows: a row
// that holds a NaN spoils its whole tile.
//
// Weights, transformed ahead, lie as [outputs / 16][kPoints][channels][16 outputs].
#pragma once

#include "microkernels_avx2.h"
#include "thread_pool.h"

namespace shoal {

constexpr int kPoints = 10;           // at which the polynomials are evaluated, infinity among them
constexpr int kResults = 4;           // of a tile
constexpr int64_t kTilesAtOnce = 24;  // per worker: a panel's sums at all points stay in the L1 cache

// Where an output tile of a convolution lies.
struct OutputTile {
  OutputTile(const Convolution& c, int64_t tile) {
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
  int64_t fresh;  // results of earlier rows belong to another tile: the last tiles of a frame overlap those before
};

// Bytes of weights up to which a worker takes some tiles through all panels: weights, transformed rows and sums stay in
// its L2 cache.
constexpr int64_t kLight = 1 << 21;

inline bool is_light(const Convolution& c) {
  return kPoints * c.channels * c.outputs * static_cast<int64_t>(sizeof(float)) <= kLight;
}

constexpr int64_t kSums = kPoints * kTilesAtOnce * kLanes;  // of a panel

// Floats that multiply_winograd needs: for the transformed rows of all tiles, or for those of some tiles and their sums
// per worker.
inline int64_t winograd_room(const Convolution& c, int64_t rows, int workers) {
  if (!is_light(c)) return OutputTile::count(c, rows) * kPoints * c.channels;
  return workers * (kTilesAtOnce * kPoints * c.channels + c.outputs / kLanes * kSums);
}

// transformed (kPoints, channels): the rows of a tile at each point.
inline void transform_input(const Convolution& c, const float* input, int64_t tile, float* transformed) {
  const float* first = input + OutputTile(c, tile).row * c.channels;
  for (int64_t k = 0; k < c.channels; k += kLanes) {
    for (int p = 0; p < kPoints; p++) {
      Floats value{};
      for (int i = 0; i < kPoints; i++) {
        value += load<Floats>(first + i * c.dilation * c.channels + k) * c.input_transform[p * kPoints + i];
      }
      store(transformed + p * c.channels + k, value);
    }
  }
}

typedef float PanelSums[kPoints][kTilesAtOnce][kLanes];

// sums[p] += the products at point p of `count` tiles, whose transformed rows (count, kPoints, channels) are given.
inline void multiply_point(const Convolution& c, const float* transformed, int64_t count, int64_t panel, int p,
                           PanelSums& sums) {
  const float* weight = static_cast<const float*>(c.weight) + (panel * kPoints + p) * c.channels * kLanes;
  const auto* from = reinterpret_cast<const uint16_t*>(transformed + p * c.channels);
  add_segment(c, weight, from, 2 * kPoints * c.channels, count, sums[p]);
}

// Calls end(row, column, results) for every sixteen results of the tiles.
template <class End>
void transform_output(const Convolution& c, int64_t first, int64_t count, int64_t panel, const PanelSums& sums,
                      End&& end) {
  for (int64_t t = 0; t < count; t++) {
    const OutputTile tile(c, first + t);
    for (int j = 0; j < kResults; j++) {
      const int64_t row = tile.row + j * c.dilation;
      if (row < tile.fresh) continue;
      Floats result{};
      for (int p = 0; p < kPoints; p++) result += load<Floats>(sums[p][t]) * c.output_transform[j * kPoints + p];
      end(row, panel * kLanes, result);
    }
  }
}

// Some tiles at a time go through all panels: point by point, so that the rows at a point stay in the L1 cache.
template <class End>
void winograd_light(Worker& worker, const Convolution& c, const float* input, int64_t tiles, float* room, End&& end) {
  const int64_t panels = c.outputs / kLanes, size = kPoints * c.channels;
  float* own = room + worker.index * (kTilesAtOnce * size + panels * kSums);
  auto* sums = reinterpret_cast<PanelSums*>(own + kTilesAtOnce * size);
  worker.parallel_for((tiles + kTilesAtOnce - 1) / kTilesAtOnce, [&](int64_t chunk) {
    const int64_t first = chunk * kTilesAtOnce, count = std::min(tiles - first, kTilesAtOnce);
    for (int64_t t = 0; t < count; t++) transform_input(c, input, first + t, own + t * size);
    std::memset(sums, 0, panels * sizeof *sums);
    for (int p = 0; p < kPoints; p++) {
      for (int64_t panel = 0; panel < panels; panel++) multiply_point(c, own, count, panel, p, sums[panel]);
    }
    for (int64_t panel = 0; panel < panels; panel++) transform_output(c, first, count, panel, sums[panel], end);
  });
}

// First all rows are transformed, then come the panels one by one: each weight is read once.
template <class End>
void winograd_heavy(Worker& worker, const Convolution& c, const float* input, int64_t tiles, float* room, End&& end) {
  const int64_t size = kPoints * c.channels, chunks = (tiles + kTilesAtOnce - 1) / kTilesAtOnce;
  worker.parallel_for(tiles, [&](int64_t tile) { transform_input(c, input, tile, room + tile * size); });
  worker.parallel_for(c.outputs / kLanes * chunks, [&](int64_t i) {
    const int64_t panel = i / chunks, first = i % chunks * kTilesAtOnce, count = std::min(tiles - first, kTilesAtOnce);
    alignas(64) PanelSums sums = {};
    for (int p = 0; p < kPoints; p++) multiply_point(c, room + first * size, count, panel, p, sums);
    transform_output(c, first, count, panel, sums, end);
  });
}

// As Products::multiply, for rows in fp32.
template <class End>
void multiply_winograd(Worker& worker, const Convolution& c, const float* input, int64_t rows, float* room, End&& end) {
  const int64_t tiles = OutputTile::count(c, rows);
  is_light(c) ? winograd_light(worker, c, input, tiles, room, end) : winograd_heavy(worker, c, input, tiles, room, end);
}

}  // namespace shoal
