// SPDX-License-Identifier: LGPL-2.1-or-later
// A program that loads model files and knows nothing of tuneshift: it does nothing to help itself
// unless --advise says so. Prints one JSON line when all is loaded, each rank its own.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "read_modes.h"

namespace {

using tuneshift::load_file;
using tuneshift::Loaded;
using tuneshift::ReadMode;
using tuneshift::ReadSettings;

const std::map<std::string, ReadMode> mode_names = {
    {"mmap-sequential", ReadMode::mmap_sequential},
    {"mmap-tensor", ReadMode::mmap_tensor},
    {"mmap-random", ReadMode::mmap_random},
    {"read", ReadMode::read},
    {"pread", ReadMode::pread},
    {"direct", ReadMode::direct},
    {"aio", ReadMode::aio},
    {"uring", ReadMode::uring},
    {"uring-async", ReadMode::uring_async},
    {"uring-sqpoll", ReadMode::uring_sqpoll},
    {"uring-direct", ReadMode::uring_direct},
};

const std::map<std::string, int> advice_names = {
    {"normal", POSIX_FADV_NORMAL},
    {"random", POSIX_FADV_RANDOM},
    {"sequential", POSIX_FADV_SEQUENTIAL},
    {"willneed", POSIX_FADV_WILLNEED},
};

const std::map<std::string, int> memory_advice_names = {
    {"random", MADV_RANDOM},
    {"sequential", MADV_SEQUENTIAL},
    {"willneed", MADV_WILLNEED},
    {"populate-read", MADV_POPULATE_READ},
};

unsigned long long monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<unsigned long long>(now.tv_sec) * 1000000000 +
         static_cast<unsigned long long>(now.tv_nsec);
}

// Stays until standard input ends or SIGTERM comes, as a server keeps its model.
void serve() {
  char ignored[256];
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, ignored, sizeof(ignored));
    if (got == 0 || (got < 0 && errno != EINTR)) return;
  }
}

// Makes the other ranks, which end with this one. Returns in each of them.
void start_ranks(unsigned ranks) {
  const pid_t first = getpid();
  for (unsigned rank = 1; rank < ranks; ++rank) {
    const pid_t child = fork();
    if (child < 0) {
      std::perror("reader: fork");
      std::exit(1);
    }
    if (child > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != first) std::exit(1);  // it ended before the line above
    return;
  }
}

// 1 when one of this process's ranks failed.
int wait_for_ranks() {
  int failed = 0;
  int status = 0;
  while (wait(&status) > 0) failed |= status;
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned long long start_ns = monotonic_ns();
  ReadSettings settings;
  std::vector<std::string> files;
  bool stay = false;
  unsigned ranks = 1;
  CLI::App app{"Loads model files as an ordinary program does."};
  app.add_option("mode", settings.mode, "how to read")
      ->required()
      ->transform(CLI::CheckedTransformer(mode_names));
  app.add_option("files", files, "to load, one after the other")->required();
  app.add_option("--threads", settings.threads, "of pread and direct")->check(CLI::Range(1, 256));
  app.add_option("--advise", settings.advice, "posix_fadvise for the whole file")
      ->transform(CLI::CheckedTransformer(advice_names));
  app.add_option("--step", settings.step_bytes, "bytes of one read; with O_DIRECT whole blocks")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--madvise", settings.memory_advice, "madvise for the whole mapping")
      ->transform(CLI::CheckedTransformer(memory_advice_names));
  app.add_flag("--populate", settings.populate, "mmap with MAP_POPULATE");
  app.add_flag("--hint", settings.hinted, "mmap at an address of its own choice");
  app.add_flag("--close", settings.close_descriptor, "close the descriptor after mmap");
  app.add_flag("--discard", settings.discard, "read, pread, direct: drop it, as sha256sum does");
  app.add_option("--ranks", ranks, "processes that each load all the files at once")
      ->check(CLI::Range(1, 64));
  app.add_flag("--serve", stay, "stay until standard input ends or SIGTERM");
  CLI11_PARSE(app, argc, argv);
  start_ranks(ranks);

  std::vector<Loaded> models;
  unsigned long long bytes = 0;
  unsigned long long sum = 0;
  for (const std::string& file : files) {
    models.push_back(load_file(file, settings));
    bytes += models.back().bytes;
    sum += models.back().sum;
  }
  const double load_ms = static_cast<double>(monotonic_ns() - start_ns) / 1e6;
  std::printf("{\"start_mono_ns\":%llu,\"load_ms\":%.1f,\"bytes\":%llu,\"sum\":%llu}\n", start_ns,
              load_ms, bytes, sum);
  std::fflush(stdout);
  if (stay) serve();
  return wait_for_ranks();
}
