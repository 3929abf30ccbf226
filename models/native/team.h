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

  // Returns whether it had to sleep.
  bool wait() {
    const unsigned now = generation_.load();
    if (arrived_.fetch_add(1) + 1 == members_) {
      arrived_.store(0);
      generation_.fetch_add(1);
      if (sleepers_.load() > 0) {
        std::lock_guard<std::mutex> lock(mutex_);
        wake_.notify_all();
      }
      return false;
    }
    if (spin(now)) return false;
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);  // before the predicate looks at the generation, after which the last one looks here
    wake_.wait(lock, [&] { return generation_.load() != now; });
    sleepers_.fetch_sub(1);
    return true;
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
  Team* team;

  // Calls work(i) for this member's share of 0..size-1, then waits until all shares are done.
  template <class Work>
  void each(int64_t size, Work&& work) {
    for (int64_t i = size * index / count; i < size * (index + 1) / count; i++) work(i);
    meet();
  }

  inline void meet();
};

// The caller's thread and its helpers. Shares do not change results.
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
  void run(const std::function<void(Member)>& job) {
    if (count_ == 1) return job(Member{0, 1, this});
    job_ = &job;
    cores_.note(0);
    barrier_.wait();
    job(Member{0, count_, this});
    barrier_.wait();
  }

 private:
  friend struct Member;

  void help(int index) {
    for (;;) {
      barrier_.wait();
      if (!job_) return;
      cores_.spread(index);
      (*job_)(Member{index, count_, this});
      barrier_.wait();
    }
  }

  const int count_;
  Cores cores_;
  Barrier barrier_;
  const std::function<void(Member)>* job_ = nullptr;
  std::vector<std::thread> helpers_;
};

inline void Member::meet() {
  if (count == 1) return;
  team->cores_.note(index);
  if (team->barrier_.wait()) team->cores_.spread(index);
}

}  // namespace shoal
