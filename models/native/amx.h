// Matrix tiles (Intel AMX): whether and how this process uses them, and the product of sixteen rows and a block of
// linear.h's weights, in the same integers as without them (linear_weights.h lays a block out as tiles).
//
// AMX multiplies bytes, so activations also lie as the upper and the lower bytes of their int16:
// sum w * x = 256 * sum w * upper + sum w * lower, which stays exact in int32.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd_math.h"

#if defined(__AMX_INT8__) && defined(__AVX512F__) && defined(__linux__) && !defined(SHOAL_PORTABLE) && \
    !defined(SHOAL_WITHOUT_AMX)
#define SHOAL_AMX 1
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace shoal {

constexpr int kTileRows = 16;
constexpr int kTileBytes = 64;  // of a row: as many inputs as share a scale
constexpr int kTileSize = kTileRows * kTileBytes;

#if SHOAL_AMX

// Whether Linux lets this process use tiles, for which a process must ask once.
inline bool amx_allowed() {
  static const bool allowed = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* XTILEDATA */) == 0;
  return allowed;
}

// The configuration of this thread's tiles, sixteen rows of 64 bytes, for as long as the object lives.
class AmxTiles {
 public:
  AmxTiles() {
    for (int tile = 0; tile < 8; tile++) config_.row_bytes[tile] = kTileBytes, config_.rows[tile] = kTileRows;
    _tile_loadconfig(&config_);
  }
  ~AmxTiles() { _tile_release(); }

  // Tiles 0, 1 and 4 hold the first sixteen of `count` rows, which are at most 32; tiles 2, 3 and 5 the others, or one.
  void rows(int64_t count) {
    const int64_t first = std::min<int64_t>(count, kTileRows), second = std::max<int64_t>(count - kTileRows, 1);
    if (config_.rows[0] == first && config_.rows[2] == second) return;
    for (int tile : {0, 1, 4}) config_.rows[tile] = static_cast<uint8_t>(first);
    for (int tile : {2, 3, 5}) config_.rows[tile] = static_cast<uint8_t>(second);
    _tile_loadconfig(&config_);
  }

 private:
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } config_;
};

// Simd rows times a block of weights: sums of upper bytes for both halves of the outputs, then of lower bytes.
typedef int32_t AmxSums[4][kTileRows][kLanes];

// The sums of `count` times sixteen rows, `step` bytes apart: upper bytes, then lower. All tiles are stored before any
// is read: a read that follows its store at once waits for it.
inline void multiply_amx(const int8_t* rows, int64_t step, const int8_t* weights, int count, AmxSums* sums) {
  _tile_loadd(6, weights, kTileBytes);
  _tile_loadd(7, weights + kTileSize, kTileBytes);
  for (int t = 0; t < count; t++) {
    _tile_loadd(4, rows + t * step, kTileBytes);
    _tile_loadd(5, rows + t * step + kTileSize, kTileBytes);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
    _tile_stored(0, sums[t][0], kTileBytes);
    _tile_stored(1, sums[t][1], kTileBytes);
    _tile_stored(2, sums[t][2], kTileBytes);
    _tile_stored(3, sums[t][3], kTileBytes);
  }
}

inline Ints total(const AmxSums& sums, int half, int row) {
  return (load<Ints>(sums[half][row]) << 8) + load<Ints>(sums[2 + half][row]);
}

#else

inline bool amx_allowed() { return false; }

#endif

}  // namespace shoal
