// The codec's causal convolutions and linear layers on a CPU: a chain of convolutions, or one linear layer, in a call.
//
// Activations between two of them are fp32 rows of channels, which Products convert to the precision that they multiply
// in. The sum behind a result is always taken in the same order, so blocks of any number of frames give the same bits.
#include "amx.h"

#if SHOAL_AMX && defined(__AMX_BF16__) && defined(__AVX512BF16__)
#define SHOAL_CONVOLUTIONS 1
#include "products_amx.h"
#elif defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__) && !defined(SHOAL_PORTABLE)
#define SHOAL_CONVOLUTIONS 2
#include "products_avx2.h"
#endif

#if SHOAL_CONVOLUTIONS

#include <vector>

namespace shoal {

// What is done with a result.
enum class Ending : int64_t { kStore, kAdd, kMultiply, kSilu };

namespace {

// Words of 16 bits of a row as it is read.
int64_t width(const Convolution& c, int64_t channels) {
  return c.exact ? Products<true>::width(channels) : Products<false>::width(channels);
}

// Threads and buffers of layers that never run at the same time.
struct Workspace {
  explicit Workspace(int threads) : pool(threads), scratch(threads) {}

  // Room for what a convolution reads for `rows` rows.
  void reserve(const Convolution& c, int64_t rows) {
    grow(inputs, (rows + c.context) * width(c, c.channels));
    grow(values, c.exact ? Products<true>::values(c, rows, static_cast<int>(scratch.size())) : 0);
    for (auto& each : scratch) grow(each, c.exact || Products<false>::kFeedsNext ? 0 : c.channels);
  }

  template <class T>
  static void grow(Buffer<T>& buffer, size_t size) {
    if (buffer.size() < size) buffer.resize(size);
  }

  // Fills `inputs`: the tail, then the rows of x, the last of which become the tail. Without context the tail is null.
  void prepare(Worker& worker, const Convolution& c, const float* x, int64_t rows, uint16_t* tail) {
    const int64_t size = width(c, c.channels), kept = c.context * size;
    uint16_t* buffer = inputs.data();
    if (tail) worker.parallel_for(1, [&](int64_t) { std::memcpy(buffer, tail, kept * sizeof(uint16_t)); });
    worker.parallel_for(rows, [&](int64_t r) {
      const auto write = c.exact ? Products<true>::write : Products<false>::write;
      write(c, x + r * c.inputs, scratch[worker.index].data(), buffer + kept + r * size);
    });
    if (tail)
      worker.parallel_for(1, [&](int64_t) { std::memcpy(tail, buffer + rows * size, kept * sizeof(uint16_t)); });
  }

  // out (rows, results): what is read at `input`, multiplied and ended with `other` (rows, results). Where Products
  // feed the next convolution, results that a Snake ends go to `middle`.
  void multiply(Worker& worker, const Convolution& c, const uint16_t* input, int64_t rows, Ending ending,
                const float* other, float* out) {
    c.exact ? multiply<Products<true>>(worker, c, input, rows, ending, other, out)
            : multiply<Products<false>>(worker, c, input, rows, ending, other, out);
  }

  ThreadPool pool;
  std::vector<Buffer<float>> scratch;  // a row per worker
  Buffer<float> activations[2], values;
  Buffer<uint16_t> inputs, middle;

 private:
  template <class P>
  void multiply(Worker& worker, const Convolution& c, const uint16_t* input, int64_t rows, Ending ending,
                const float* other, float* out) {
    const auto end = [&](int64_t row, int64_t column, Floats y) {
      const int64_t at = row * c.results + column, count = c.results - column;
      if (c.scale) y *= load<Floats>(c.scale + column);
      y += load<Floats>(c.bias + column);
      if (c.after) {
        y = snake(y, load<Floats>(c.after + column), load<Floats>(c.after_inverse + column));
        if constexpr (P::kFeedsNext) return P::store(middle.data() + row * P::width(c.outputs) + column, c, y);
        return store_partial(out + at, count, y);
      }
      if (ending == Ending::kSilu) y = silu(y);
      if (ending == Ending::kAdd) y += load_partial(other + at, count);
      if (ending == Ending::kMultiply) y *= load_partial(other + at, count);
      store_partial(out + at, count, y);
    };
    P::multiply(worker, c, input, rows, values.data(), end);
  }
};

class Chain {
 public:
  Chain(Workspace* workspace, const Convolution* convolutions, int64_t count)
      : w_(*workspace), convolutions_(convolutions, convolutions + count) {}

  // x (rows, inputs) of one stream and a tail for each convolution; out receives the last one's results.
  void run(const float* x, int64_t rows, uint16_t* const* tails, float* out) {
    reserve(rows);
    w_.pool.run([&](Worker& worker) { run(worker, x, rows, tails, out); });
  }

 private:
  void reserve(int64_t rows) {
    for (const Convolution& c : convolutions_) {
      w_.reserve(c, rows);
      rows /= c.stride;
      for (auto& each : w_.activations) w_.grow(each, rows * c.results);
      if (c.after && Products<false>::kFeedsNext) w_.grow(w_.middle, rows * width(c, c.outputs));
      rows *= c.repeat;
    }
  }

  void run(Worker& worker, const float* x, int64_t rows, uint16_t* const* tails, float* out) {
    const float* source = x;
    const uint16_t* ready = nullptr;  // of `source`, as it is read
    int which = 0;
    for (size_t i = 0; i < convolutions_.size(); i++) {
      const Convolution& c = convolutions_[i];
      if (!ready) {
        w_.prepare(worker, c, source, rows, c.context ? tails[i] : nullptr);
        ready = w_.inputs.data();
      }
      rows /= c.stride;
      float* to = i + 1 == convolutions_.size() ? out : w_.activations[which].data();
      w_.multiply(worker, c, ready, rows, c.residual ? Ending::kAdd : Ending::kStore, x, to);
      ready = c.after && Products<false>::kFeedsNext ? w_.middle.data() : nullptr;
      source = to;
      if (!c.after) {  // else the next one, which reads nothing else, may write where this one did
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

int64_t shoal_convolutions() { return SHOAL_CONVOLUTIONS == 1 && !shoal::amx_allowed() ? 0 : SHOAL_CONVOLUTIONS; }

int64_t shoal_width(const shoal::Convolution* convolution) { return shoal::width(*convolution, convolution->channels); }

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
  w.pool.run([&](shoal::Worker& worker) {
    w.prepare(worker, *layer, x, rows, nullptr);
    w.multiply(worker, *layer, w.inputs.data(), rows, static_cast<shoal::Ending>(ending), other, out);
  });
}

void shoal_run_chain(void* chain, const float* x, int64_t rows, uint16_t* const* tails, float* out) {
  static_cast<shoal::Chain*>(chain)->run(x, rows, tails, out);
}

}  // extern "C"

#else

extern "C" int64_t shoal_convolutions() { return 0; }

#endif
