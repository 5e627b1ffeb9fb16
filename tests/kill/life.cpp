// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/kill/life.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "libtune/applier.h"
#include "libtune/journal_record.h"

namespace tuneshift::test {

namespace {

uint64_t tick() {
  static uint64_t now = 0;
  return ++now;
}

constexpr size_t kStoryBytes = 64 << 10;

}  // namespace

const char* to_string(Life life) {
  switch (life) {
    case Life::whole:
      return "apply, switch, restore";
    case Life::restart:
      return "--restore";
    case Life::compaction:
      break;
  }
  return "compaction";
}

Stage::Stage(KernelFs& kernel, const KnobSet& set, std::string directory)
    : kernel_(kernel), set_(set), directory_(std::move(directory)) {
  void* shared =
      ::mmap(nullptr, kStoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::runtime_error("mmap");
  story_ = static_cast<char*>(shared);
}

Stage::~Stage() {
  ::munmap(story_, kStoryBytes);
}

std::string Stage::story() const {
  return {story_, ::strnlen(story_, kStoryBytes)};
}

void Stage::tell(const char* part, const Receipt& receipt) {
  size_t used = ::strnlen(story_, kStoryBytes);
  for (const Change& change : receipt) {
    const int count =
        std::snprintf(story_ + used, kStoryBytes - used, "    | %s: %s %s %s -> %s (%s)\n", part,
                      to_string(change.kind), change.knob.c_str(), change.from.c_str(),
                      change.to.c_str(), change.why.c_str());
    if (count < 0 || used + static_cast<size_t>(count) >= kStoryBytes) return;
    used += static_cast<size_t>(count);
  }
}

void Stage::converge(Applier& applier, const Desired& desired) {
  ::getppid();
  for (const Pass pass : {Pass::quick, Pass::freezing}) {
    tell("switch", applier.converge(desired, pass));
  }
}

void Stage::prepare(Life life) {
  *story_ = '\0';
  ::unlink(journal_path().c_str());
  ::unlink((journal_path() + ".new").c_str());
  if (life == Life::compaction) {
    constexpr size_t kAboveThreshold = 260 << 10;
    const std::string line = encode_record({"restored", std::string(200, 'x')});
    std::string text;
    while (text.size() < kAboveThreshold) text += line;
    std::ofstream(journal_path(), std::ios::binary) << text;
  }
  if (life != Life::restart) return;
  const pid_t earlier = ::fork();
  if (earlier < 0) throw std::runtime_error("fork");
  if (earlier == 0) {
    auto journal = Journal::open(directory_, 0);
    if (!journal) ::_exit(3);
    Applier applier(kernel_, journal.value(), {tick, tick});
    converge(applier, set_.profile_a());
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(earlier, &status, 0) != earlier || status != 0) {
    throw std::runtime_error("the earlier process failed");
  }
}

int Stage::live(Life life) {
  auto journal = Journal::open(directory_, 0);
  if (!journal) return 3;
  Applier applier(kernel_, journal.value(), {tick, tick});
  tell("start", applier.restore_all());
  if (life != Life::restart) converge(applier, set_.profile_a());
  if (life == Life::whole) converge(applier, set_.profile_a());
  if (life != Life::compaction) converge(applier, set_.profile_b());
  ::getppid();
  tell("restore", applier.restore_all());
  return 0;
}

std::vector<std::string> Stage::restore() {
  constexpr int kWaitMs = 20000;
  auto journal = Journal::open(directory_, kWaitMs);
  if (!journal) return {journal.error().message};
  Applier applier(kernel_, journal.value(), {tick, tick});
  tell("--restore", applier.restore_all());
  std::vector<std::string> left;
  const JournalContents contents = journal.value().read();
  for (const std::string& problem : contents.problems) left.push_back(problem);
  for (const JournalEntry& entry : contents.entries) {
    if (!entry.yielded) left.push_back("the journal still has " + entry.knob);
  }
  return left;
}

}  // namespace tuneshift::test
