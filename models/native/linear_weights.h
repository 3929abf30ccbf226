// The layout of linear.h's weights, and the way from it to pairs of int16 and to AMX tiles.
//
// [outputs / 32][inputs / 64] blocks, each of 8 times eight inputs, then 32 scales in bf16: the order in which they are
// read. Eight inputs lie in int8 as [4 pairs][32 outputs][2], in int4 as [32 outputs][2] int16 of four nibbles, one per
// pair.
#pragma once

#include "amx.h"
#include "simd_math.h"

namespace shoal {

constexpr int kPanel = 32;  // outputs computed together
constexpr int kGroup = 64;  // inputs that share a scale; inputs are padded to a multiple of it
constexpr int kEights = kGroup / 8;
template <int bits>
constexpr int kEight = bits * kPanel;  // bytes
template <int bits>
constexpr int64_t kBlock = kEights * kEight<bits> + 2 * kPanel;

// The first bits of the four pairs' nibbles: each becomes an int16 by one or two shifts, and to_tiles, which makes
// bytes, finds consecutive inputs in the upper halves of bytes, or in the lower ones.
constexpr int kNibble[4] = {4, 12, 0, 8};

// Bytes as int16. GCC makes five instructions of the conversion that serves all machines.
template <class Pairs>
inline Pairs widen_bytes(const int8_t* from) {
#if defined(__AVX512BW__)
  if constexpr (sizeof(Pairs) == 64) return (Pairs)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)from));
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(Pairs) == 32) return (Pairs)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)from));
#endif
  typedef int8_t Bytes __attribute__((vector_size(sizeof(Pairs) / 2)));
  Bytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, Pairs);
}

// Vector number `v` of the 32 outputs of a pair of eight inputs, [output][2].
template <int bits, class Pairs>
inline Pairs pairs_of(const int8_t* eight, int pair, int v) {
  if constexpr (bits == 8) {
    return widen_bytes<Pairs>(eight + pair * 2 * kPanel + v * sizeof(Pairs) / 2);
  } else {
    Pairs nibbles;
    std::memcpy(&nibbles, eight + v * sizeof nibbles, sizeof nibbles);
    return (nibbles << (12 - kNibble[pair])) >> 12;
  }
}

// Into the L2 cache: see kAhead.
template <int bits>
inline void prefetch_eight(const int8_t* eight) {
  for (int line = 0; line < kEight<bits>; line += 64) __builtin_prefetch(eight + line, 0, 2);
}

// The scales of the first or the last sixteen outputs of a block.
template <int bits>
inline Floats scale_of(const int8_t* block, int half) {
  return from_bf16(reinterpret_cast<const uint16_t*>(block + kEights * kEight<bits>) + half * kLanes);
}

#if SHOAL_AMX
// A block as two tiles of 16 outputs: [16 fours of inputs][16][4] bytes, of int4 sixteen times the weights.
template <int bits>
inline void to_tiles(const int8_t* w, int64_t ahead, int8_t* tiles) {
  for (int eight = 0; eight < kEights; eight++) {
    const int8_t* at = w + eight * kEight<bits>;
    for (int line = 0; line < kEight<bits>; line += 64) __builtin_prefetch(at + ahead + line);
    for (int half = 0; half < 2; half++) {
      int8_t* to = tiles + half * kTileSize + 2 * eight * kTileBytes;
      if constexpr (bits == 8) {
        const auto* from = reinterpret_cast<const __m256i*>(at + 32 * half);
        for (int two = 0; two < 2; two++) {  // pairs, of int16 [output][2] in bytes
          const __m512i first = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from + 4 * two));
          const __m512i second = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from + 4 * two + 2));
          _mm512_store_si512(to + two * kTileBytes, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
        }
      } else {  // two bytes of even inputs, then two of odd ones: inputs 0 to 3 in upper nibbles, 4 to 7 in lower ones
        const __m512i order = _mm512_set4_epi32(0x0f0d0e0c, 0x0b090a08, 0x07050604, 0x03010200);
        const __m512i nibbles = _mm512_shuffle_epi8(_mm512_loadu_si512(at + 64 * half), order);
        const __m512i upper = _mm512_set1_epi32(static_cast<int32_t>(0xf0f0f0f0));
        _mm512_store_si512(to, _mm512_and_si512(nibbles, upper));
        _mm512_store_si512(to + kTileBytes, _mm512_and_si512(_mm512_slli_epi32(nibbles, 4), upper));
      }
    }
  }
}
#endif

}  // namespace shoal
