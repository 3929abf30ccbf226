// The codec's causal convolutions and linear layers on a CPU with matrix tiles (Intel AMX): a chain of convolutions, or one
// linear layer, in a call.
//
// Activations between two of them are fp32 rows of channels. What a convolution reads lies in bf16: in one plane, or in two
// whose sum has 16 bits or more of significand. Of two planes three products are taken (all but that of the two smaller
// parts) and added up in fp32, which is known as bf16x3. The sum behind a result is always taken in the same order, so
// blocks of any size give the same bits.
#include "tiles.h"

#if SHOAL_TILES && defined(__AMX_BF16__) && defined(__AVX512BF16__)

#include <vector>

#include "team.h"
#include "wave.h"

namespace shoal {

// Mirrored by models/codec/native.py: every member is 8 bytes.
struct Convolution {
  // [outputs / 32][segments][channels / 32][planes][2][16 pairs of inputs][16 outputs][2]
  const uint16_t* weight;
  const float* bias;                      // (outputs)
  const float *before, *before_inverse;   // of the Snake of its input (channels), or null
  const float *after, *after_inverse;     // of the Snake of its results (outputs), or null
  int64_t inputs, channels;               // values of a row as given, and as read: a multiple of 32
  int64_t results, outputs;               // likewise of a result
  int64_t segments, stride, dilation;     // result r is the sum over s of weight[s] * row[r * stride + s * dilation]
  int64_t context;                        // rows remembered: row 0 is the oldest
  int64_t repeat;                         // one result is seen as so many rows
  int64_t residual;                       // 1: added to the last activations that `after` did not change
  int64_t planes;
};

// What becomes of a result.
enum class Ending : int64_t { kStore, kAdd, kMultiply, kSilu };

namespace {

constexpr int kPanel = 32;           // results computed together
constexpr int kInputs = 32;          // of one tile
constexpr int64_t kChunk = 128;      // rows that a member takes at once
constexpr int64_t kHeavy = 1 << 20;  // bytes of weights that are better read once than rows

// Threads and buffers of layers that never run at the same time.
struct Workspace {
  explicit Workspace(int threads) : team(threads) {}

  // Room for what a convolution reads of `rows` rows.
  void reserve(const Convolution& c, int64_t rows) { grow(inputs, (rows + c.context) * c.channels * c.planes); }

  template <class T>
  static void grow(std::vector<T>& buffer, size_t size) {
    if (buffer.size() < size) buffer.resize(size);
  }

  // What is read, `inputs`: the tail, then the rows of x; the last of them become the tail. Without context it is null.
  void prepare(Member& me, const Convolution& c, const float* x, int64_t rows, uint16_t* tail) {
    c.planes == 1 ? prepare<1>(me, c, x, rows, tail) : prepare<2>(me, c, x, rows, tail);
  }

  // out (rows, results): what is read at `input`, multiplied and ended with `other` (rows, results).
  void multiply(Member& me, const Convolution& c, const uint16_t* input, int64_t rows, Ending ending, const float* other,
                float* out) {
    c.planes == 1 ? multiply<1>(me, c, input, rows, ending, other, out)
                  : multiply<2>(me, c, input, rows, ending, other, out);
  }

  Team team;
  std::vector<float> activations[2];
  std::vector<uint16_t> inputs, middle;

 private:
  template <int planes>
  void prepare(Member& me, const Convolution& c, const float* x, int64_t rows, uint16_t* tail) {
    const int64_t width = planes * c.channels, kept = c.context * width;
    uint16_t* buffer = inputs.data();
    if (tail) me.each(1, [&](int64_t) { std::memcpy(buffer, tail, kept * sizeof(uint16_t)); });
    me.each(rows, [&](int64_t r) {
      for (int64_t i = 0; i < c.channels; i += kLanes) {
        Floats v = load_some(x + r * c.inputs + i, c.inputs - i);
        if (c.before) v = snake(v, load<Floats>(c.before + i), load<Floats>(c.before_inverse + i));
        store_bf16<planes>(buffer + kept + r * width + i, c.channels, v);
      }
    });
    if (tail) me.each(1, [&](int64_t) { std::memcpy(tail, buffer + rows * width, kept * sizeof(uint16_t)); });
  }

  // Tiles multiply while the block before is finished: the one takes as long as the other.
  template <int planes>
  void multiply(Member& me, const Convolution& c, const uint16_t* input, int64_t rows, Ending ending, const float* other,
                float* out) {
    const int64_t panels = c.outputs / kPanel, chunks = (rows + kChunk - 1) / kChunk, units = panels * chunks;
    const int64_t size = c.segments * c.channels * planes * kPanel;  // of a panel's weights
    const bool heavy = size * panels * static_cast<int64_t>(sizeof(uint16_t)) > kHeavy;
    Tiles tiles;
    alignas(64) float sums[2][2 * kTileRows][kPanel];
    int64_t before_row = 0, before_panel = 0, before_count = 0;
    int which = 0;
    const auto finish_before = [&](int64_t from, int64_t to) {
      for (int64_t r = from; r < to; r++) {
        finish<planes>(c, sums[which ^ 1][r], before_row + r, before_panel, ending, other, out);
      }
    };
    const auto multiply_unit = [&](int64_t i) {
      const int64_t panel = heavy ? i / chunks : i % panels, chunk = heavy ? i % chunks : i / panels;
      const int64_t end = std::min(rows, (chunk + 1) * kChunk);
      for (int64_t row = chunk * kChunk; row < end; row += 2 * kTileRows) {
        const int64_t count = std::min<int64_t>(end - row, 2 * kTileRows);
        const int64_t steps = c.segments * c.channels / kInputs;
        tiles.rows(count);
        add_up<planes>(c, input + row * c.stride * planes * c.channels, c.weight + panel * size, count, sums[which],
                       [&](int64_t step) {
                         finish_before(before_count * step / steps, before_count * (step + 1) / steps);
                       });
        before_row = row, before_panel = panel, before_count = count;
        which ^= 1;
      }
    };
    me.each(units, multiply_unit, [&] { finish_before(0, before_count); });
  }

  // Up to 32 results of a panel; `meanwhile` is called with the number of each step.
  template <int planes, class Meanwhile>
  static void add_up(const Convolution& c, const uint16_t* input, const uint16_t* weight, int64_t count,
                     float (*sums)[kPanel], Meanwhile&& meanwhile) {
    const int64_t width = planes * c.channels, bytes = c.stride * width * sizeof(uint16_t);
    const int64_t second = count > kTileRows ? kTileRows * c.stride * width : 0;  // else the first again, to be dropped
    constexpr int half = kTileSize / sizeof(uint16_t);
    asm volatile("" ::: "memory");  // GCC does not know that a tile's load reads what was stored
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    int64_t step = 0;
    for (int64_t s = 0; s < c.segments; s++) {
      const uint16_t* from = input + s * c.dilation * width;
      for (int64_t k = 0; k < c.channels; k += kInputs, from += kInputs, weight += planes * 2 * half) {
        _tile_loadd(6, weight, kTileBytes);
        _tile_loadd(7, weight + half, kTileBytes);
        if (planes == 2) {
          _tile_loadd(4, from + c.channels, bytes);
          _tile_loadd(5, from + c.channels + second, bytes);
          products();
        }
        _tile_loadd(4, from, bytes);
        _tile_loadd(5, from + second, bytes);
        products();
        if (planes == 2) {
          _tile_loadd(6, weight + 2 * half, kTileBytes);
          _tile_loadd(7, weight + 3 * half, kTileBytes);
          products();
        }
        meanwhile(step++);
      }
    }
    constexpr int row = kPanel * sizeof(float);
    _tile_stored(0, sums[0], row);
    _tile_stored(1, sums[0] + kLanes, row);
    _tile_stored(2, sums[kTileRows], row);
    _tile_stored(3, sums[kTileRows] + kLanes, row);
  }

  static void products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }

  template <int planes>
  void finish(const Convolution& c, const float* sums, int64_t row, int64_t panel, Ending ending, const float* other,
              float* out) {
    for (int64_t i = panel * kPanel; i < (panel + 1) * kPanel; i += kLanes, sums += kLanes) {
      Floats y = load<Floats>(sums) + load<Floats>(c.bias + i);
      if (c.after) {
        y = snake(y, load<Floats>(c.after + i), load<Floats>(c.after_inverse + i));
        store_bf16<planes>(middle.data() + row * planes * c.outputs + i, c.outputs, y);
        continue;
      }
      const int64_t at = row * c.results + i, count = c.results - i;
      if (ending == Ending::kSilu) y = silu(y);
      if (ending == Ending::kAdd) y += load_some(other + at, count);
      if (ending == Ending::kMultiply) y *= load_some(other + at, count);
      store_some(out + at, count, y);
    }
  }
};

class Chain {
 public:
  Chain(Workspace* workspace, const Convolution* convolutions, int64_t count)
      : w_(*workspace), convolutions_(convolutions, convolutions + count) {}

  // x (rows, inputs) of one stream and a tail for each convolution; out receives the last one's results.
  void run(const float* x, int64_t rows, uint16_t* const* tails, float* out) {
    reserve(rows);
    w_.team.run([&](Member& me) { run(me, x, rows, tails, out); });
  }

 private:
  void reserve(int64_t rows) {
    for (const Convolution& c : convolutions_) {
      w_.reserve(c, rows);
      rows /= c.stride;
      for (auto& each : w_.activations) w_.grow(each, rows * c.results);
      if (c.after) w_.grow(w_.middle, rows * c.outputs * c.planes);
      rows *= c.repeat;
    }
  }

  void run(Member& me, const float* x, int64_t rows, uint16_t* const* tails, float* out) {
    const uint16_t* ready = nullptr;
    int which = 0;
    for (size_t i = 0; i < convolutions_.size(); i++) {
      const Convolution& c = convolutions_[i];
      if (!ready) {
        w_.prepare(me, c, x, rows, c.context ? tails[i] : nullptr);
        ready = w_.inputs.data();
      }
      rows /= c.stride;
      float* to = i + 1 == convolutions_.size() ? out : w_.activations[which].data();
      w_.multiply(me, c, ready, rows, c.residual ? Ending::kAdd : Ending::kStore, x, to);
      ready = c.after ? w_.middle.data() : nullptr;
      if (!c.after) {
        x = to;
        which ^= 1;
      }
      rows *= c.repeat;
    }
  }

  Workspace& w_;
  const std::vector<Convolution> convolutions_;
};

}  // namespace
}  // namespace shoal

extern "C" {

int64_t shoal_tiles() { return shoal::tiles_allowed(); }

void* shoal_workspace(int64_t threads) { return new shoal::Workspace(static_cast<int>(threads)); }

void shoal_drop_workspace(void* workspace) { delete static_cast<shoal::Workspace*>(workspace); }

void* shoal_chain(void* workspace, const shoal::Convolution* convolutions, int64_t count) {
  return new shoal::Chain(static_cast<shoal::Workspace*>(workspace), convolutions, count);
}

void shoal_drop_chain(void* chain) { delete static_cast<shoal::Chain*>(chain); }

// out (rows, results) of x (rows, inputs): a convolution without context, ended with `other` (rows, results).
void shoal_linear(void* workspace, const shoal::Convolution* layer, const float* x, int64_t rows, int64_t ending,
                  const float* other, float* out) {
  auto& w = *static_cast<shoal::Workspace*>(workspace);
  w.reserve(*layer, rows);
  w.team.run([&](shoal::Member& me) {
    w.prepare(me, *layer, x, rows, nullptr);
    w.multiply(me, *layer, w.inputs.data(), rows, static_cast<shoal::Ending>(ending), other, out);
  });
}

void shoal_run_chain(void* chain, const float* x, int64_t rows, uint16_t* const* tails, float* out) {
  static_cast<shoal::Chain*>(chain)->run(x, rows, tails, out);
}

}  // extern "C"

#else

extern "C" int64_t shoal_tiles() { return 0; }

#endif
