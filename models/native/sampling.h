// Drawing one code from logits as models/text_to_semantic/network/sampling.py does, but without a sort.
#pragma once

#include <vector>

#include "simd_math.h"

namespace shoal {

constexpr int kWindow = 16;  // frames of the repetition penalty: PENALTY_WINDOW

struct Settings {
  float temperature, top_p, penalty;
  int64_t seed;
};

typedef Simd<uint64_t> Words;

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15, kStep = 0xD1B54A32D192ED03;

// SplitMix64's finaliser (Steele, Lea, Flood 2014), for a number or a vector of them.
template <class W>
inline W mix(W x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

inline uint64_t noise_key(int64_t seed, int64_t step, int codebook) {
  return mix(mix(static_cast<uint64_t>(seed) + kGolden) + static_cast<uint64_t>(step) * kStep + codebook);
}

// sampling.exponential_noise for candidates first .. first + 15.
inline Floats exponential_noise(uint64_t key, int first) {
  constexpr uint64_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Words candidate = load<Words>(numbers) + static_cast<uint64_t>(first);
  const Floats uniform = to_floats(lower_bits(mix(key + candidate * kGolden) >> 41));
  return -logarithm((uniform + 0.5f) * 0x1p-23f);
}

inline double add_up(Floats v) {
  typedef float Floats4 __attribute__((vector_size(16)));
  typedef double Doubles4 __attribute__((vector_size(32)));
  float numbers[kLanes];
  store(numbers, v);
  Doubles4 d[4];
  for (int i = 0; i < 4; i++) {
    Floats4 four;
    std::memcpy(&four, numbers + 4 * i, sizeof four);
    d[i] = __builtin_convertvector(four, Doubles4);
  }
  const Doubles4 sums = (d[0] + d[2]) + (d[1] + d[3]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Index drawn from `size` logits (padded to 16 by -inf here, so there must be room), which are penalised in place.
// `work` holds two more arrays of that size.
//
// Top-p keeps a candidate while the probability of all that come before it, in falling order of logits and rising
// order of index, with its own, stays within top_p; and always the first. To know whether a candidate is kept takes one
// pass. So take the best score of all: if it is kept it is the answer, if not, all behind it are out too, and the next
// best is tried. That is the same answer as sorting, after one or two passes as a rule.
inline int draw(float* logits, int size, const Settings& settings, const int32_t* history, uint64_t key, float* work) {
  for (int i = 0; i < kWindow; i++) {
    bool again = history[i] < 0 || history[i] >= size;
    for (int j = 0; j < i; j++) again = again || history[j] == history[i];
    if (again) continue;
    float& logit = logits[history[i]];
    logit = logit < 0 ? logit * settings.penalty : logit / settings.penalty;
  }
  const int padded = (size + kLanes - 1) / kLanes * kLanes;
  for (int i = size; i < padded; i++) logits[i] = -INFINITY;
  float *probability = work, *score = work + padded;

  Floats top = broadcast(-INFINITY);
  for (int i = 0; i < padded; i += kLanes) top = maximum(top, load<Floats>(logits + i));
  const float peak = reduce_max(top);
  double mass = 0;
  for (int i = 0; i < padded; i += kLanes) {
    const Floats e = exponential(load<Floats>(logits + i) - peak);
    store(probability + i, e);
    mass += add_up(e);
  }
  const float total = static_cast<float>(mass);
  for (int i = 0; i < padded; i += kLanes) {
    store(probability + i, load<Floats>(probability + i) / total);
    // argmax(p / q) for exponential q, in logarithms.
    const Floats gumbel = load<Floats>(logits + i) / settings.temperature - logarithm(exponential_noise(key, i));
    store(score + i, select(i + lane_numbers() < size, gumbel, broadcast(-INFINITY)));
  }
  for (;;) {
    int best = 0;
    for (int i = 1; i < size; i++) best = score[i] > score[best] ? i : best;
    const float bound = logits[best];
    double before = 0;
    Ints ahead{};
    for (int i = 0; i < padded; i += kLanes) {
      const Floats logit = load<Floats>(logits + i);
      const Ints first = (logit > bound) | ((logit == bound) & (i + lane_numbers() < best));
      ahead |= first;
      before += add_up(select(first, load<Floats>(probability + i), Floats{}));
    }
    bool leads = true;
    for (int lane = 0; lane < kLanes; lane++) leads = leads && !ahead[lane];
    if (leads || static_cast<float>(before + probability[best]) <= settings.top_p) return best;
    for (int i = 0; i < padded; i += kLanes) {
      const Floats logit = load<Floats>(logits + i);
      const Ints out = (logit < bound) | ((logit == bound) & (i + lane_numbers() >= best));
      store(score + i, select(out, broadcast(-INFINITY), load<Floats>(score + i)));
    }
  }
}

}  // namespace shoal
