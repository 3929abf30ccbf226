// The text-to-semantic transformers on a CPU: a whole frame, or a whole prompt, in one call.
//
// The arithmetic of a row (one position of one slot) depends on nothing but that row and its slot's cache: a stream's
// frames are bit-identical alone, in any batch, with any chunking of its prompt and any number of threads.
#include <algorithm>
#include <vector>

#include "attention.h"
#include "linear.h"
#include "sampling.h"
#include "thread_pool.h"

namespace shoal {

// Mirrored by abi.py: every member is 8 bytes.
struct Table {  // an embedding as stored
  const void* rows;
  int64_t count, columns, is_bf16;
};

struct Model {
  Stack slow, fast;
  Linear head, residual_head, project;  // project.weight null: the widths are equal
  const float *norm, *fast_norm;
  Table text, codebooks, fast_codes;
  int64_t slots, positions, num_codebooks, codebook_size, residual_size, semantic_begin, scale_embeddings;
  int64_t normed_input;  // 1: the fast transformer begins with the normed hidden state
};

namespace {

constexpr int64_t kChunk = 256;  // rows computed together in prefill, for which the buffers of activations have room

void add_row(const Table& table, int64_t index, float* to) {
  index = index < 0 ? 0 : index >= table.count ? table.count - 1 : index;
  if (table.is_bf16) {
    const auto* from = static_cast<const uint16_t*>(table.rows) + index * table.columns;
    for (int64_t i = 0; i < table.columns; i++) to[i] += from_bf16(from[i]);
  } else {
    const auto* from = static_cast<const float*>(table.rows) + index * table.columns;
    for (int64_t i = 0; i < table.columns; i++) to[i] += from[i];
  }
}

// x / rms(x) * weight, of `size` values padded with zeros in x and weight.
void rms_norm(const float* x, const float* weight, int64_t size, double eps, float* out) {
  const int64_t padded = pad(size, kLanes);
  Floats squares{};
  for (int64_t i = 0; i < padded; i += kLanes) squares += load<Floats>(x + i) * load<Floats>(x + i);
  const float scale = 1.0f / std::sqrt(reduce_sum(squares) / size + static_cast<float>(eps));
  for (int64_t i = 0; i < padded; i += kLanes) store(out + i, load<Floats>(x + i) * scale * load<Floats>(weight + i));
}

struct Slot {
  int64_t position = 0, step = 0;
  const uint16_t* shared = nullptr;  // as in Row
  int64_t shared_blocks = 0;
  Settings settings{};
  std::vector<int32_t> frame, history;  // history (1 + num_codebooks, kWindow): what to penalise, -1 where nothing
};

class Network {
 public:
  Network(const Model& model, int threads) : m_(model), pool_(threads), slots_(model.slots) {
    const Stack &slow = m_.slow, &fast = m_.fast;
    const int64_t rows = std::max(kChunk, 2 * m_.slots);
    auto most = [](int64_t a, int64_t b) { return pad(std::max(a, b), kGroup); };
    width_ = most(slow.dim, fast.dim);
    qkv_width_ = most(slow.layer[0].qkv.outputs, fast.layer[0].qkv.outputs);
    inner_width_ =
        most(std::max(slow.hidden, fast.hidden), std::max(slow.heads * slow.head_dim, fast.heads * fast.head_dim));
    logits_width_ = pad(std::max(m_.head.outputs, m_.residual_head.outputs), kPanel);
    const int64_t depth = std::max(width_, inner_width_);
    x_.resize(rows * width_);
    hidden_.resize(m_.slots * width_);
    normed_.resize(rows * width_);
    qkv_.resize(rows * qkv_width_);
    inner_.resize(rows * inner_width_);
    logits_.resize(m_.slots * logits_width_);
    values_.resize(rows * depth);
    scales_.resize(rows);
    if (amx_allowed()) bytes_.resize(2 * pad(rows, kTileRows) * depth);
    quantized_ = {values_.data(), scales_.data(), depth, bytes_.empty() ? nullptr : bytes_.data()};
    rows_.resize(rows);
    scores_.resize(threads * 2 * kRows * pad(m_.positions, kLanes));
    work_.resize(threads * 2 * logits_width_);
    for (Slot& slot : slots_) {
      slot.frame.resize(1 + m_.num_codebooks);
      slot.history.assign((1 + m_.num_codebooks) * kWindow, -1);
    }
  }

  void reset(int64_t index, const Settings& settings) {
    Slot& slot = slots_[index];
    slot.step = 0;
    slot.settings = settings;
    std::fill(slot.history.begin(), slot.history.end(), -1);
    place(index, 0, nullptr, 0);
  }

  // The slot goes on at a position, its first `blocks` blocks being those at `shared`.
  void place(int64_t index, int64_t position, const uint16_t* shared, int64_t blocks) {
    Slot& slot = slots_[index];
    slot.position = position;
    slot.shared = shared;
    slot.shared_blocks = blocks;
  }

  // values (1 + num_codebooks, length): token ids over codes. hidden (dim) receives the last position's.
  void prefill(int64_t slot, const int32_t* values, int64_t length, int64_t start, float* hidden) {
    pool_.run([&](Worker& worker) {
      int64_t count = 0;
      for (int64_t first = 0; first < length; first += count) {
        count = std::min(kChunk, length - first);
        worker.parallel_for(count, [&](int64_t r) {
          rows_[r] = row_of(slot, start + first + r);
          const int32_t* at = values + first + r;
          const int64_t code = at[0] - m_.semantic_begin;
          embed(at, length, code >= 0 && code < m_.codebook_size, x_.data() + r * width_);
        });
        forward(worker, m_.slow, count, (start + first) % kRows);
      }
    });
    std::memcpy(hidden, x_.data() + (length - 1) % kChunk * width_, m_.slow.dim * sizeof(float));
    slots_[slot].position = start + length;
  }

  // The frame (1 + num_codebooks) that follows a prompt whose last hidden state is given.
  void first_frame(int64_t slot, const float* hidden, int64_t* frame, float* trace) {
    std::memcpy(hidden_.data(), hidden, m_.slow.dim * sizeof(float));
    pool_.run([&](Worker& worker) { sample(worker, &slot, 1, frame, trace); });
  }

  // One more frame of each slot listed: frames (count, 1 + num_codebooks).
  void decode(const int64_t* slots, int64_t count, int64_t* frames, float* trace) {
    pool_.run([&](Worker& worker) {
      worker.parallel_for(count, [&](int64_t r) {
        Slot& slot = slots_[slots[r]];
        rows_[r] = row_of(slots[r], slot.position++);
        // Not frame[0]: after the end, which has no embedding, a step may still run.
        slot.frame[0] = slot.frame[1] + static_cast<int32_t>(m_.semantic_begin);
        embed(slot.frame.data(), 1, true, x_.data() + r * width_);
      });
      forward(worker, m_.slow, count, 0);
      worker.parallel_for(count, [&](int64_t r) {
        std::memcpy(hidden_.data() + r * width_, x_.data() + r * width_, width_ * sizeof(float));
      });
      sample(worker, slots, count, frames, trace);
    });
  }

  int64_t trace_size() const { return m_.codebook_size + 1 + (m_.num_codebooks - 1) * m_.residual_size; }

 private:
  uint16_t* cache_of(const Stack& stack, int64_t slot) const { return stack.cache + slot * stack.slot_size; }

  Row row_of(int64_t slot, int64_t position) const {
    return {cache_of(m_.slow, slot), position, slots_[slot].shared, slots_[slot].shared_blocks};
  }

  // One position: a token id and, `stride` apart, its codes, which are added if the position is spoken.
  void embed(const int32_t* values, int64_t stride, bool spoken, float* x) const {
    std::memset(x, 0, width_ * sizeof(float));
    if (spoken) {
      for (int64_t i = 0; i < m_.num_codebooks; i++) {
        add_row(m_.codebooks, i * m_.codebook_size + values[(i + 1) * stride], x);
      }
    }
    add_row(m_.text, values[0], x);
    if (!spoken || !m_.scale_embeddings) return;
    const float root = std::sqrt(static_cast<float>(m_.num_codebooks + 1));
    for (int64_t i = 0; i < m_.slow.dim; i++) x[i] /= root;
  }

  void quantize_normed(Worker& worker, const float* x, int64_t stride, const float* weight, const Stack& stack,
                       int64_t count) {
    worker.parallel_for(count, [&](int64_t r) {
      float* normed = normed_.data() + r * width_;
      rms_norm(x + r * stride, weight, stack.dim, stack.eps, normed);
      quantize(normed, pad(stack.dim, kLanes), pad(stack.dim, kGroup), quantized_, r);
    });
  }

  void quantize_inner(Worker& worker, int64_t size, int64_t count) {
    worker.parallel_for(count, [&](int64_t r) {
      float* x = inner_.data() + r * inner_width_;
      std::memset(x + size, 0, (pad(size, kLanes) - size) * sizeof(float));
      quantize(x, pad(size, kLanes), pad(size, kGroup), quantized_, r);
    });
  }

  // Runs rows 0..count-1 of rows_ and x_ through a stack, in place; the first is `lead` rows behind one that kRows
  // divides, if they are a slot's consecutive positions.
  void forward(Worker& worker, const Stack& stack, int64_t count, int64_t lead) {
    float* scores = scores_.data() + worker.index * 2 * kRows * pad(m_.positions, kLanes);
    const int64_t tiles = (lead + count + kRows - 1) / kRows;
    for (int64_t l = 0; l < stack.layers; l++) {
      const Layer& layer = stack.layer[l];
      quantize_normed(worker, x_.data(), width_, layer.attention_norm, stack, count);
      apply<Finish::kStore>(worker, layer.qkv, quantized_, count, qkv_.data(), qkv_width_);
      // Heads are outermost, so that a worker's range holds early and late positions alike.
      worker.parallel_for(stack.groups * count, [&](int64_t i) {
        write_cache(stack, rows_[i % count], l, i / count, qkv_.data() + i % count * qkv_width_);
      });
      worker.parallel_for(stack.groups * tiles, [&](int64_t i) {
        const int64_t first = i % tiles * kRows - lead, end = std::min(first + kRows, count);
        attend_rows(stack, std::max(first, int64_t{0}), end, l, i / tiles, scores);
      });
      quantize_inner(worker, stack.heads * stack.head_dim, count);
      apply<Finish::kAdd>(worker, layer.wo, quantized_, count, x_.data(), width_);
      quantize_normed(worker, x_.data(), width_, layer.ffn_norm, stack, count);
      apply<Finish::kGate>(worker, layer.w13, quantized_, count, inner_.data(), inner_width_);
      quantize_inner(worker, stack.hidden, count);
      apply<Finish::kAdd>(worker, layer.w2, quantized_, count, x_.data(), width_);
    }
  }

  // Attention of rows first..end-1, at most kRows: together where they are a slot's consecutive positions.
  void attend_rows(const Stack& stack, int64_t first, int64_t end, int64_t layer, int64_t group, float* scores) {
    const Row &one = rows_[first], &other = rows_[end - 1];
    const bool together = end - first == kRows && one.cache == other.cache && one.position % kRows == 0;
    for (int64_t r = first; r < end; r += together ? kRows : 1) {
      const float* qkv = qkv_.data() + r * qkv_width_;
      float* out = inner_.data() + r * inner_width_;
      const auto attend = together ? attend_group<kRows> : attend_group<1>;
      attend(stack, rows_[r], layer, group, qkv, qkv_width_, scores, out, inner_width_);
    }
  }

  // Draws the frames that follow hidden_, by the slow head and then the fast transformer.
  void sample(Worker& worker, const int64_t* slots, int64_t count, int64_t* frames, float* trace) {
    const Stack& fast = m_.fast;
    quantize_normed(worker, hidden_.data(), width_, m_.norm, m_.slow, count);
    apply<Finish::kStore>(worker, m_.head, quantized_, count, logits_.data(), logits_width_);
    worker.parallel_for(count, [&](int64_t r) {
      int64_t* frame = frames + r * (1 + m_.num_codebooks);
      frame[0] = draw_code(worker, slots[r], r, 0, trace);
      frame[1] = frame[0] == m_.codebook_size ? 0 : frame[0];  // <|im_end|> is not a code; the caller drops its frame
      // The hidden state and the first code are both known: two positions in one pass over the weights.
      for (int64_t i = 0; i < 2; i++) rows_[2 * r + i] = {cache_of(fast, slots[r]), i};
      put_code(frame[1], 2 * r + 1);
    });
    project(worker, count);
    for (int64_t codebook = 1; codebook < m_.num_codebooks; codebook++) {
      const int64_t each = codebook == 1 ? 2 : 1;
      forward(worker, fast, each * count, 0);
      quantize_normed(worker, x_.data() + (each - 1) * width_, each * width_, m_.fast_norm, fast, count);
      apply<Finish::kStore>(worker, m_.residual_head, quantized_, count, logits_.data(), logits_width_);
      worker.parallel_for(count, [&](int64_t r) {
        int64_t* frame = frames + r * (1 + m_.num_codebooks);
        frame[1 + codebook] = draw_code(worker, slots[r], r, codebook, trace);
        rows_[r] = {cache_of(fast, slots[r]), codebook + 1};
        put_code(frame[1 + codebook], r);
      });
    }
    worker.parallel_for(count, [&](int64_t r) { remember(slots_[slots[r]], frames + r * (1 + m_.num_codebooks)); });
  }

  void put_code(int64_t code, int64_t row) {
    float* x = x_.data() + row * width_;
    std::memset(x, 0, width_ * sizeof(float));
    add_row(m_.fast_codes, code, x);
  }

  // The hidden states that sample() has put into hidden_ and normed_ to the even rows of x_, in the fast transformer's
  // width.
  void project(Worker& worker, int64_t count) {
    const float* hidden = m_.normed_input ? normed_.data() : hidden_.data();
    if (!m_.project.weight) {
      worker.parallel_for(count, [&](int64_t r) {
        std::memcpy(x_.data() + 2 * r * width_, hidden + r * width_, width_ * sizeof(float));
      });
      return;
    }
    worker.parallel_for(count, [&](int64_t r) {
      quantize(hidden + r * width_, pad(m_.slow.dim, kLanes), pad(m_.slow.dim, kGroup), quantized_, r);
    });
    apply<Finish::kStore>(worker, m_.project, quantized_, count, x_.data(), 2 * width_);
  }

  int64_t draw_code(Worker& worker, int64_t index, int64_t row, int64_t codebook, float* trace) {
    const Slot& slot = slots_[index];
    const int64_t size = codebook == 0 ? m_.codebook_size + 1 : m_.residual_size;
    float* logits = logits_.data() + row * logits_width_;
    if (trace) {
      float* to =
          trace + row * trace_size() + (codebook ? m_.codebook_size + 1 + (codebook - 1) * m_.residual_size : 0);
      std::memcpy(to, logits, size * sizeof(float));
    }
    // A text that was accepted is spoken: an utterance may not end before its first frame.
    if (codebook == 0 && slot.step == 0) logits[m_.codebook_size] = -INFINITY;
    const int32_t* history = slot.history.data() + (codebook ? codebook + 1 : 0) * kWindow;
    const uint64_t key = noise_key(slot.settings.seed, slot.step, static_cast<int>(codebook));
    return draw(logits, static_cast<int>(size), slot.settings, history, key,
                work_.data() + worker.index * 2 * logits_width_);
  }

  void remember(Slot& slot, const int64_t* frame) {
    for (int64_t i = 0; i <= m_.num_codebooks; i++) {
      slot.frame[i] = static_cast<int32_t>(frame[i]);
      slot.history[i * kWindow + slot.step % kWindow] = slot.frame[i];
    }
    slot.step++;
  }

  const Model m_;
  ThreadPool pool_;
  std::vector<Slot> slots_;
  int64_t width_, qkv_width_, inner_width_, logits_width_;  // strides of the buffers below
  Buffer<float> x_, hidden_, normed_, qkv_, inner_, logits_, scores_, work_;
  Buffer<int16_t> values_;
  Buffer<int8_t> bytes_;
  Buffer<float> scales_;
  Quantized quantized_{};
  std::vector<Row> rows_;
};

}  // namespace
}  // namespace shoal

extern "C" {

using shoal::Network;

void* shoal_create(const shoal::Model* model, int64_t threads) {
  return new Network(*model, static_cast<int>(threads));
}

void shoal_destroy(void* network) { delete static_cast<Network*>(network); }

void shoal_reset(void* network, int64_t slot, float temperature, float top_p, float penalty, int64_t seed) {
  static_cast<Network*>(network)->reset(slot, {temperature, top_p, penalty, seed});
}

void shoal_place(void* network, int64_t slot, int64_t position, const uint16_t* shared, int64_t blocks) {
  static_cast<Network*>(network)->place(slot, position, shared, blocks);
}

void shoal_prefill(void* network, int64_t slot, const int32_t* values, int64_t length, int64_t start, float* hidden) {
  static_cast<Network*>(network)->prefill(slot, values, length, start, hidden);
}

void shoal_first_frame(void* network, int64_t slot, const float* hidden, int64_t* frame, float* trace) {
  static_cast<Network*>(network)->first_frame(slot, hidden, frame, trace);
}

void shoal_decode(void* network, const int64_t* slots, int64_t count, int64_t* frames, float* trace) {
  static_cast<Network*>(network)->decode(slots, count, frames, trace);
}

// For tests: one draw; logits, with room for a multiple of 16, are penalised in place.
int64_t shoal_draw(float* logits, int64_t size, float temperature, float top_p, float penalty, int64_t seed,
                   int64_t step, int64_t codebook, const int32_t* history) {
  std::vector<float> work(2 * shoal::pad(size, shoal::kLanes));
  const uint64_t key = shoal::noise_key(seed, step, static_cast<int>(codebook));
  return shoal::draw(logits, static_cast<int>(size), {temperature, top_p, penalty, seed}, history, key, work.data());
}

}  // extern "C"
