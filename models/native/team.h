// A fixed team of threads that walks through a computation together, phase by phase.
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

// Waiting spins only this long, since a phase mostly ends within microseconds of the others' share; then it sleeps, so
// that an idle team costs nothing and a thread whose partner lost its core to a neighbour gives its own away.
constexpr auto kSpin = std::chrono::microseconds(40);

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Which core each member was on when it last looked. A thread that is woken is often put on the core of the one that wakes
// it, and there it stays: two members then take turns on one core beside an idle one.
class Cores {
 public:
  explicit Cores(int members) : of_(members) {}

#if defined(__linux__)
  void note(int member) { of_[member].store(sched_getcpu(), std::memory_order_relaxed); }

  // Moves the calling member to a core where no other is, if it may run on one; the kernel can move it again at once.
  void spread(int member) {
    const int here = sched_getcpu();
    cpu_set_t allowed;
    if (!shared(member, here) || sched_getaffinity(0, sizeof allowed, &allowed)) return;
    cpu_set_t open = allowed;
    for (size_t i = 0; i < of_.size(); i++) {
      if (static_cast<int>(i) != member) CPU_CLR(of_[i].load(std::memory_order_relaxed), &open);
    }
    if (CPU_COUNT(&open) == 0) return;
    sched_setaffinity(0, sizeof open, &open);
    sched_setaffinity(0, sizeof allowed, &allowed);
    note(member);
  }

 private:
  bool shared(int member, int here) const {
    for (size_t i = 0; i < of_.size(); i++) {
      if (static_cast<int>(i) != member && of_[i].load(std::memory_order_relaxed) == here) return true;
    }
    return false;
  }
#else
  void note(int) {}
  void spread(int) {}

 private:
#endif
  std::vector<std::atomic<int>> of_;
};

// A number that only grows, and that threads wait for.
class Count {
 public:
  // Wakes those who wait for `target` when it gets there.
  void add(uint64_t more, uint64_t target) {
    if (value_.fetch_add(more) + more != target || sleepers_.load() == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }

  // Returns whether it had to sleep.
  bool wait(uint64_t target) {
    if (spin(target)) return false;
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);  // before the predicate looks at the value, after which the one who adds looks here
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
        relax();
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

// What is left of a member's share of a phase. One word holds it all, so that taking from it is one comparison and swap.
class Share {
 public:
  struct Range {
    int64_t begin, end;
  };

  static constexpr int kBits = 22;
  static constexpr int64_t kMost = (int64_t{1} << kBits) - 1;  // items of a phase

  // Takes the first item, or the later half, rounded up; nothing: begin == end. Until someone takes from it in a phase, the
  // word is that of an earlier phase, and the share is still `whole`.
  Range first(uint64_t phase, Range whole) {
    return take(phase, whole, [](Range left) { return Range{left.begin, left.begin + 1}; });
  }
  Range half(uint64_t phase, Range whole) {
    return take(phase, whole, [](Range left) { return Range{(left.begin + left.end) / 2, left.end}; });
  }

  // Only by the owner of an empty share, from which no one takes.
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
      const Range left = behind ? whole
                                : Range{static_cast<int64_t>(word >> kBits) & kMost, static_cast<int64_t>(word) & kMost};
      if (left.begin == left.end) {
        // One that is never given an item would keep a word so old that it looks new.
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

class Team;

// One thread's view of its team, inside Team::run. All members go through the same phases, of the same sizes. One may be
// behind the others by several phases, which are over then: outside of items it must not rely on what those write.
struct Member {
  int index, count;
  Team* team;
  uint64_t phase = 0, items = 0;  // of all phases so far

  // Calls work(i) for each i of 0..size-1, on one member or another, and returns when all are done. A member begins with
  // its own share and then takes from those who are late, as they may have lost their cores. One that had any item calls
  // finish() after its last.
  template <class Work, class Finish>
  void each(int64_t size, Work&& work, Finish&& finish);

  template <class Work>
  void each(int64_t size, Work&& work) {
    each(size, work, [] {});
  }
};

// The caller's thread and its helpers. Who does what does not change results.
class Team {
 public:
  explicit Team(int threads) : count_(threads), cores_(threads), shares_(threads), caller_{0, threads, this} {
    try {
      for (int i = 1; i < threads; i++) helpers_.emplace_back([this, i] { help(i); });
    } catch (const std::system_error& error) {  // those that started wait for the others: there is no way back
      std::fprintf(stderr, "shoal: cannot start %d threads: %s (a limit of processes?)\n", threads, error.what());
      std::abort();
    }
  }

  ~Team() {
    job_ = nullptr;
    start();
    for (auto& helper : helpers_) helper.join();
  }

  // Runs job on every thread of the team, the caller's own included, and returns when all have finished.
  void run(const std::function<void(Member&)>& job) {
    job_ = &job;
    cores_.note(0);
    start();
    job(caller_);
    left_.wait(runs_ * (count_ - 1));
  }

 private:
  friend struct Member;

  // The next item of a member's own share of a phase; when that is empty, half of another's becomes it. -1: nothing is left.
  int64_t take(const Member& me, int64_t size) {
    const auto whole = [&](int of) { return Share::Range{size * of / count_, size * (of + 1) / count_}; };
    Share& own = shares_[me.index];
    Share::Range range = own.first(me.phase, whole(me.index));
    for (int i = 1; i < count_ && range.begin == range.end; i++) {
      const int other = (me.index + i) % count_;
      range = shares_[other].half(me.phase, whole(other));
      if (range.end - range.begin > 1) own.set(me.phase, {range.begin + 1, range.end});
    }
    return range.begin == range.end ? -1 : range.begin;
  }

  void start() {
    runs_++;
    started_.add(1, runs_);
  }

  void help(int index) {
    Member me{index, count_, this};
    for (uint64_t run = 1;; run++) {
      started_.wait(run);
      if (!job_) return;
      cores_.spread(index);
      (*job_)(me);
      left_.add(1, run * (count_ - 1));
    }
  }

  const int count_;
  Cores cores_;
  Count started_, done_, left_;  // runs; items of all phases; helpers' runs
  std::vector<Share> shares_;
  alignas(64) Member caller_;  // changes in every phase, what is before it never
  uint64_t runs_ = 0;
  const std::function<void(Member&)>* job_ = nullptr;
  std::vector<std::thread> helpers_;
};

template <class Work, class Finish>
void Member::each(int64_t size, Work&& work, Finish&& finish) {
  assert(size <= Share::kMost);
  phase++;
  items += size;
  int64_t did = 0;
  for (int64_t item; (item = team->take(*this, size)) >= 0; did++) work(item);
  if (did) {
    finish();
    team->done_.add(did, items);
  }
  team->cores_.note(index);
  if (team->done_.wait(items)) team->cores_.spread(index);
}

}  // namespace shoal
