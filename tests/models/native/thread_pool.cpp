// Phases that read what the phase before wrote, on pools whose threads lose their cores to one another.
#include "thread_pool.h"

#include <cstdlib>
#include <numeric>

int main(int, char** arguments) {
  const int threads = std::atoi(arguments[1]), runs = std::atoi(arguments[2]);
  shoal::ThreadPool pool(threads);
  std::vector<int64_t> values(3000), others(values.size());
  // Phases of a single item, more than half as many as phases have numbers: all ranges but the last stay empty.
  pool.run([&](shoal::Worker& worker) {
    for (int phase = 0; phase < 3 << 18; phase++) worker.parallel_for(1, [](int64_t) {});
  });
  int64_t phases = 0, expected = 0;
  std::atomic<int64_t> calls{0}, finished{0};
  for (int run = 0; run < runs; run++) {
    const int64_t size = run % 7 ? 1 + run * 37 % 40 : 3000;
    const int64_t whole = std::accumulate(values.begin(), values.begin() + size, int64_t{0});
    std::atomic<bool> agree{true};
    pool.run([&](shoal::Worker& worker) {
      int64_t did = 0;
      for (int round = 0; round < 20; round++) {
        worker.parallel_for(size, [&](int64_t i) { values[i]++, did++; }, [&] { finished += did, did = 0; });
        worker.parallel_for(size, [&](int64_t i) { others[i] = values[size - 1 - i]; });
        worker.parallel_for(round % 3, [&](int64_t item) {  // nothing, one item, or two
          const int64_t sum = std::accumulate(others.begin(), others.begin() + size, int64_t{0});
          if (sum != whole + (round + 1) * size) agree = false;
          if (item == 0) phases++;
        });
      }
      calls++;
    });
    expected += 20 * size;
    if (!agree || finished != expected || calls != int64_t{run + 1} * threads || phases != 13 * (run + 1)) {
      std::printf("run %d: items in order %d, %lld of %lld finished\n", run, agree.load(), (long long)finished.load(),
                  (long long)expected);
      return 1;
    }
  }
}
