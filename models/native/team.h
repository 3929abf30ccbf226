// A fixed team of threads that walks through a computation together, phase by phase.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
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
using Duration = Clock::duration;

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

class Barrier {
 public:
  explicit Barrier(int members) : members_(members) {}

  // Returns how long it had to sleep.
  Duration wait() {
    const unsigned now = generation_.load();
    if (arrived_.fetch_add(1) + 1 == members_) {
      arrived_.store(0);
      generation_.fetch_add(1);
      if (sleepers_.load() > 0) {
        std::lock_guard<std::mutex> lock(mutex_);
        wake_.notify_all();
      }
      return Duration::zero();
    }
    if (spin(now)) return Duration::zero();
    const auto began = Clock::now();
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);  // before the predicate looks at the generation, after which the last one looks here
    wake_.wait(lock, [&] { return generation_.load() != now; });
    sleepers_.fetch_sub(1);
    return Clock::now() - began;
  }

 private:
  bool spin(unsigned now) {
    const auto until = Clock::now() + kSpin;
    do {
      for (int i = 0; i < 16; i++) {
        if (generation_.load(std::memory_order_acquire) != now) return true;
        relax();
      }
    } while (Clock::now() < until);
    return false;
  }

  const int members_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> generation_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

class Team;

// One thread's view of its team, inside Team::run.
struct Member {
  int index, count;
  int64_t meeting;  // number of the next one, ever rising
  Team* team;

  // Calls work(i) for this member's share of 0..size-1, then waits until all shares are done.
  template <class Work>
  void each(int64_t size, Work&& work) {
    for (int64_t i = size * index / count; i < size * (index + 1) / count; i++) work(i);
    meet();
  }

  void meet() {
    if (count > 1) meet_others();
  }

  inline void meet_others();
};

// The caller's thread and its helpers. Where another process keeps taking a helper's core away, the caller sleeps for a
// good part of a run, and both do better side by side: it dismisses the helpers and tries again later and later.
// Shares do not change results, so this needs no decision from outside. (Counting sleeps instead of their time dismissed
// helpers on quiet machines, where two shares of a long phase differ by more than it is worth to spin: half the speed.)
class Team {
 public:
  explicit Team(int threads) : count_(threads), cores_(threads), barrier_(threads) {
    try {
      for (int i = 1; i < threads; i++) helpers_.emplace_back([this, i] { help(i); });
    } catch (const std::system_error& error) {  // those that started wait for the others: there is no way back
      std::fprintf(stderr, "shoal: cannot start %d threads: %s (a limit of processes?)\n", threads, error.what());
      std::abort();
    }
  }

  ~Team() {
    job_ = nullptr;
    barrier_.wait();
    for (auto& helper : helpers_) helper.join();
  }

  // Runs job on every thread of the team, the caller's own included, and returns when all have finished.
  void run(std::function<void(Member)> job) {
    if (count_ == 1 || alone_ > 0) {
      alone_--;
      return job(Member{0, 1, 0, this});
    }
    job_ = job;
    slept_ = Duration::zero();
    began_ = Clock::now();
    runs_++;
    cores_.note(0);
    barrier_.wait();
    job(Member{0, count_, runs_ << 32, this});
    const bool dismissed = dismissed_ >> 32 == runs_;
    if (!dismissed) barrier_.wait();
    patience_ = dismissed ? std::min(2 * patience_, kPatience) : 1;
    alone_ = dismissed ? patience_ : 0;
  }

 private:
  friend struct Member;
  struct Dismissed {};
  static constexpr int kPatience = 64;
  // A neighbour that takes a core keeps it for a scheduler's slice, some three milliseconds: one slice says nothing.
  static constexpr auto kGrace = std::chrono::milliseconds(8);  // of sleep, before it is judged

  bool better_alone() const { return slept_ > kGrace && 3 * slept_ > Clock::now() - began_; }

  void help(int index) {
    for (;;) {
      barrier_.wait();
      const auto job = job_;  // a copy: the caller does not wait for those it dismissed
      if (!job) return;
      cores_.spread(index);
      try {
        job(Member{index, count_, runs_ << 32, this});
        barrier_.wait();
      } catch (Dismissed) {
      }
    }
  }

  const int count_;
  Cores cores_;
  Barrier barrier_;
  std::function<void(Member)> job_;
  int alone_ = 0, patience_ = 1;  // the caller's own, as the next two
  Clock::time_point began_;
  Duration slept_{};
  int64_t runs_ = 0;
  std::atomic<int64_t> dismissed_{0};  // the last meeting after which helpers were not needed
  std::vector<std::thread> helpers_;
};

inline void Member::meet_others() {
  meeting++;
  if (index == 0 && team->better_alone()) team->dismissed_ = meeting;
  team->cores_.note(index);
  const Duration slept = team->barrier_.wait();
  if (slept > Duration::zero()) team->cores_.spread(index);
  // Equal, not later: a helper that is slow to leave one meeting must still come to the next.
  if (team->dismissed_ == meeting) {
    if (index != 0) throw Team::Dismissed();
    count = 1;
  } else if (index == 0) {
    team->slept_ += slept;
  }
}

}  // namespace shoal
