// SPDX-License-Identifier: LGPL-2.1-or-later
#include "store_faults.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <random>
#include <string_view>

namespace tuneshift {
namespace {

// Set by signals; a store stopped as a process could not take the SIGTERM that ends it.
std::atomic<bool> reads_are_held{false};
std::atomic<bool> range_hangs{true};

void hold_reads(int signal) {
  reads_are_held = signal == SIGUSR1;
  if (signal == SIGUSR2) range_hangs = false;
  const std::string_view said = reads_are_held ? "holding\n" : "letting go\n";
  // Whoever does not listen misses it.
  static_cast<void>(!write(STDOUT_FILENO, said.data(), said.size()));
}

}  // namespace

bool touches(const StoreRange& range, uint64_t offset, uint64_t size) {
  return offset < range.first + range.second && range.first < offset + size;
}

uint64_t jitter_ns(const StoreFaults& faults, uint64_t file, uint64_t offset) {
  if (faults.jitter_us == 0) return 0;
  std::seed_seq seeds{faults.seed, file, offset, offset >> 32};
  std::minstd_rand random(seeds);
  return random() % (faults.jitter_us * 1000 + 1);
}

void set_up_holding() {
  struct sigaction action {};
  action.sa_handler = hold_reads;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGUSR2, &action, nullptr);
}

bool is_held(bool hangs) {
  return reads_are_held || (hangs && range_hangs);
}

}  // namespace tuneshift
