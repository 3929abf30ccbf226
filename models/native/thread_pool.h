// A fixed pool of threads that runs a computation phase by phase, with work stealing inside a phase.
#pragma once

#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace shoal {

using Clock = std::chrono::steady_clock;

// Waiting spins only this long, as the workers mostly end a phase within microseconds of one another; then it sleeps,
// so that an idle pool costs nothing and a thread whose partner lost its core to another process gives its own away.
constexpr auto kSpin = std::chrono::microseconds(40);

inline void cpu_relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Which core each worker was on when it last looked. A thread that is woken is often put on the core of the one that
// wakes it, and there it stays: two workers then take turns on one core beside an idle one.
class CorePlacement {
 public:
  explicit CorePlacement(int workers) : core_of_(workers) {}

#if defined(__linux__)
  void note(int worker) { core_of_[worker].store(sched_getcpu(), std::memory_order_relaxed); }

  // Moves the calling worker to a core where no other is, if it may run on one; the kernel can move it again at once.
  void spread(int worker) {
    const int here = sched_getcpu();
    cpu_set_t allowed;
    if (!shared(worker, here) || sched_getaffinity(0, sizeof allowed, &allowed)) return;
    cpu_set_t open = allowed;
    for (size_t i = 0; i < core_of_.size(); i++) {
      if (static_cast<int>(i) != worker) CPU_CLR(core_of_[i].load(std::memory_order_relaxed), &open);
    }
    if (CPU_COUNT(&open) == 0) return;
    sched_setaffinity(0, sizeof open, &open);
    sched_setaffinity(0, sizeof allowed, &allowed);
    note(worker);
  }

 private:
  bool shared(int worker, int here) const {
    for (size_t i = 0; i < core_of_.size(); i++) {
      if (static_cast<int>(i) != worker && core_of_[i].load(std::memory_order_relaxed) == here) return true;
    }
    return false;
  }
#else
  void note(int) {}
  void spread(int) {}

 private:
#endif
  std::vector<std::atomic<int>> core_of_;
};

// A number that only grows, and that threads wait for.
class Counter {
 public:
  // Wakes the threads that wait for `target`, when the number gets there.
  void add(uint64_t more, uint64_t target) {
    if (value_.fetch_add(more) + more != target || sleepers_.load() == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }

  // Returns whether it had to sleep.
  bool wait(uint64_t target) {
    if (spin(target)) return false;
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);  // before the predicate reads the value: add() changes the value first and looks here after
    wake_.wait(lock, [&] { return value_.load() >= target; });
    sleepers_.fetch_sub(1);
    return true;
  }

 private:
  bool spin(uint64_t target) const {
    if (value_.load(std::memory_order_acquire) >= target) return true;
    const auto until = Clock::now() + kSpin;
    do {
      for (int i = 0; i < 16; i++) {
        cpu_relax();
        if (value_.load(std::memory_order_acquire) >= target) return true;
      }
    } while (Clock::now() < until);
    return false;
  }

  alignas(64) std::atomic<uint64_t> value_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

// The items of a phase that are left to a worker, from which others can steal. One word holds the range, so that taking
// from it is one compare-and-swap.
class StealableRange {
 public:
  struct Range {
    int64_t begin, end;
  };

  static constexpr int kBits = 22;
  static constexpr int64_t kMost = (int64_t{1} << kBits) - 1;  // items of a phase

  // Takes the first item, or steals the later half, rounded up; begin == end where nothing is left. Until the first of
  // them is taken in a phase, the word is that of an earlier phase, and the range is still `whole`.
  Range first(uint64_t phase, Range whole) {
    return take(phase, whole, [](Range left) { return Range{left.begin, left.begin + 1}; });
  }
  Range half(uint64_t phase, Range whole) {
    return take(phase, whole, [](Range left) { return Range{(left.begin + left.end) / 2, left.end}; });
  }

  // Only the owner of an empty range, from which nothing can be taken, may call this.
  void set(uint64_t phase, Range range) { word_.store(pack(phase, range), std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kPhases = uint64_t{1} << (64 - 2 * kBits);

  static uint64_t pack(uint64_t phase, Range range) {
    return phase << 2 * kBits | static_cast<uint64_t>(range.begin) << kBits | static_cast<uint64_t>(range.end);
  }

  // Relaxed: what an item reads was written in earlier phases, whose end the caller has seen.
  template <class Part>
  Range take(uint64_t phase, Range whole, Part&& part) {
    uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t behind = (phase - (word >> 2 * kBits)) % kPhases;
      if (behind >= kPhases / 2) return {0, 0};  // the others are in a later phase: this one is over
      const Range left =
          behind ? whole : Range{static_cast<int64_t>(word >> kBits) & kMost, static_cast<int64_t>(word) & kMost};
      if (left.begin == left.end) {
        // A worker that never gets an item would keep a word so old that it looks new.
        if (behind > kPhases / 4) word_.compare_exchange_strong(word, pack(phase, {0, 0}), std::memory_order_relaxed);
        return {0, 0};
      }
      const Range taken = part(left);
      const Range rest = taken.begin == left.begin ? Range{taken.end, left.end} : Range{left.begin, taken.begin};
      if (word_.compare_exchange_weak(word, pack(phase, rest), std::memory_order_relaxed)) return taken;
    }
  }

  alignas(64) std::atomic<uint64_t> word_{0};
};

class ThreadPool;

// One thread's view of its pool, inside ThreadPool::run. All workers go through the same phases, of the same sizes. A
// worker may be behind the others by several phases, which are over then: outside of items it must not rely on what
// those write.
struct Worker {
  int index, count;
  ThreadPool* pool;
  uint64_t phase = 0, items = 0;  // of all phases so far

  // Calls work(i) for each i of 0..size-1, on one worker or another, and returns when all are done. A worker begins
  // with its own range and then steals from those that are late, as they may have lost their cores. A worker that had
  // an item calls finish() after its last one.
  template <class Work, class Finish>
  void parallel_for(int64_t size, Work&& work, Finish&& finish);

  template <class Work>
  void parallel_for(int64_t size, Work&& work) {
    parallel_for(size, work, [] {});
  }
};

// The caller's thread and others beside it. Which of them does what does not change results.
class ThreadPool {
 public:
  explicit ThreadPool(int threads) : count_(threads), placement_(threads), ranges_(threads), caller_{0, threads, this} {
    try {
      for (int i = 1; i < threads; i++) threads_.emplace_back([this, i] { serve(i); });
    } catch (const std::system_error& error) {  // the threads that started wait for the others: there is no way back
      std::fprintf(stderr, "shoal: cannot start %d threads: %s (a limit of processes?)\n", threads, error.what());
      std::abort();
    }
  }

  ~ThreadPool() {
    job_ = nullptr;
    start();
    for (auto& thread : threads_) thread.join();
  }

  // Runs job on every thread of the pool, the caller's own included, and returns when all have finished.
  void run(const std::function<void(Worker&)>& job) {
    job_ = &job;
    placement_.note(0);
    start();
    job(caller_);
    left_.wait(runs_ * (count_ - 1));
  }

 private:
  friend struct Worker;

  // The next item of a worker's own range; when that is empty, half of another's becomes its own. -1: nothing is left.
  int64_t take(const Worker& worker, int64_t size) {
    const auto whole = [&](int of) { return StealableRange::Range{size * of / count_, size * (of + 1) / count_}; };
    StealableRange& own = ranges_[worker.index];
    StealableRange::Range range = own.first(worker.phase, whole(worker.index));
    for (int i = 1; i < count_ && range.begin == range.end; i++) {
      const int other = (worker.index + i) % count_;
      range = ranges_[other].half(worker.phase, whole(other));
      if (range.end - range.begin > 1) own.set(worker.phase, {range.begin + 1, range.end});
    }
    return range.begin == range.end ? -1 : range.begin;
  }

  void start() {
    runs_++;
    started_.add(1, runs_);
  }

  void serve(int index) {
    Worker worker{index, count_, this};
    for (uint64_t run = 1;; run++) {
      started_.wait(run);
      if (!job_) return;
      placement_.spread(index);
      (*job_)(worker);
      left_.add(1, run * (count_ - 1));
    }
  }

  const int count_;
  CorePlacement placement_;
  Counter started_, done_, left_;  // runs; items of all phases; runs of the other threads
  std::vector<StealableRange> ranges_;
  alignas(64) Worker caller_;  // changes in every phase, what is before it never
  uint64_t runs_ = 0;
  const std::function<void(Worker&)>* job_ = nullptr;
  std::vector<std::thread> threads_;
};

template <class Work, class Finish>
void Worker::parallel_for(int64_t size, Work&& work, Finish&& finish) {
  assert(size <= StealableRange::kMost);
  phase++;
  items += size;
  int64_t did = 0;
  for (int64_t item; (item = pool->take(*this, size)) >= 0; did++) work(item);
  if (did) {
    finish();
    pool->done_.add(did, items);
  }
  pool->placement_.note(index);
  if (pool->done_.wait(items)) pool->placement_.spread(index);
}

}  // namespace shoal
