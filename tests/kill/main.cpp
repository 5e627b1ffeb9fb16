// SPDX-License-Identifier: LGPL-2.1-or-later
// Kills and lies to a process that tunes the real knobs of this machine, at every system call, and
// looks whether a restore puts every value back. Prints a table; fails when one value differs.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>

#include "libtune/knob_text.h"
#include "tests/kill/faults.h"
#include "tests/kill/keeper.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

struct Options {
  int loops = 24;
  size_t points = 0;  ///< at most that many for each line of the table; 0: all
  std::string set;    ///< only this one
  std::string fault;
};

struct Task {
  Life life;
  Fault fault;
};

constexpr Fault kAll[] = {Fault::kill,     Fault::enospc,       Fault::eio,    Fault::eintr,
                          Fault::late_eio, Fault::full_journal, Fault::foreign};

/// What a worker tells: fixed size, so that one write to a pipe is whole.
struct Report {
  char set[16];
  Life life;
  Fault fault;
  int points;
  int differing;
  double seconds;
};

std::vector<Task> tasks_of(const std::string& set, const Options& options) {
  std::vector<Task> tasks;
  const auto add = [&](Life life, Fault fault) {
    if (options.fault.empty() || options.fault == to_string(fault)) tasks.push_back({life, fault});
  };
  if (set == "few") {
    for (const Fault fault : kAll) {
      if (fault != Fault::foreign) add(Life::compaction, fault);
    }
    return tasks;
  }
  for (const Life life : {Life::whole, Life::restart}) {
    for (const Fault fault : kAll) add(life, fault);
  }
  if (set == "queue") add(Life::whole, Fault::kill_inside);
  return tasks;
}

void pin_to(size_t worker) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  size_t wanted = worker % static_cast<size_t>(CPU_COUNT(&allowed));
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || wanted-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ::sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

/// One of `slice.stride` processes that try a set's faults.
int work(const KnobSet& set, KernelFs& kernel, const std::string& directory, Slice slice,
         const Options& options, int reports) {
  FaultRunner runner(kernel, set, directory);
  bool right = true;
  for (const std::string& line : runner.check_trace()) {
    std::fprintf(stderr, "%s: %s\n", set.title.c_str(), line.c_str());
    right = false;
  }
  for (const Task& task : tasks_of(set.title, options)) {
    Slice mine = slice;
    const size_t all = runner.points(task.life, task.fault);
    if (options.points > 0) mine.stride *= std::max<size_t>(1, all / options.points);
    if (options.points > 0) mine.first *= mine.stride / slice.stride;
    const Row row = runner.run(task.life, task.fault, mine);
    Report report = {"", row.life, row.fault, row.points, row.differing, row.seconds};
    std::strncpy(report.set, row.set.c_str(), sizeof(report.set) - 1);
    if (::write(reports, &report, sizeof(report)) != sizeof(report)) return 1;
  }
  if (slice.first == 0) std::printf("%s\n", runner.summary().c_str());
  std::fflush(stdout);
  return right ? 0 : 1;
}

/// Forks a worker; what it throws ends it with a message.
pid_t start(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    ::_exit(body());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kill_knobs: %s\n", error.what());
    ::_exit(1);
  }
}

bool print(const std::vector<Report>& reports) {
  std::vector<Report> rows;
  for (const Report& report : reports) {
    const auto same = [&report](const Report& row) {
      return row.life == report.life && row.fault == report.fault &&
             std::strcmp(row.set, report.set) == 0;
    };
    const auto row = std::find_if(rows.begin(), rows.end(), same);
    if (row == rows.end()) {
      rows.push_back(report);
      continue;
    }
    row->points += report.points;
    row->differing += report.differing;
    row->seconds = std::max(row->seconds, report.seconds);
  }
  std::printf("%-8s %-24s %-22s %7s %10s %8s\n", "knobs", "life", "fault", "points", "differing",
              "seconds");
  Report total = {};
  for (const Report& row : rows) {
    std::printf("%-8s %-24s %-22s %7d %10d %8.1f\n", row.set, to_string(row.life),
                to_string(row.fault), row.points, row.differing, row.seconds);
    total.points += row.points;
    total.differing += row.differing;
  }
  std::printf("%-56s %7d %10d\n", "all", total.points, total.differing);
  if (total.points == 0) std::puts("no such set or fault");
  return total.differing == 0 && total.points > 0;
}

int run(const Options& options) {
  Keeper keeper(options.set.empty() || options.set == "queue" ? options.loops : 0);
  KernelFs kernel = KernelFs::open("/").value();
  int reports[2] = {-1, -1};
  if (::pipe2(reports, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  std::vector<pid_t> workers;
  // The sets of one worker slice knobs: one after the other.
  const auto add = [&](const std::vector<KnobSet>& sets, Slice slice) {
    const size_t number = workers.size();
    workers.push_back(start([&] {
      ::close(reports[0]);
      pin_to(number);
      const std::string directory = keeper.folder() + "/" + std::to_string(number);
      int status = 0;
      for (const KnobSet& set : sets) {
        if (!options.set.empty() && options.set != set.title) continue;
        status |= work(set, kernel, directory, slice, options, reports[1]);
      }
      return status;
    }));
  };
  const std::vector<std::string>& loops = keeper.loops();
  add({machine_set(kernel, keeper.bdi()), few_set(kernel)}, {0, 1});
  for (size_t i = 0; i < loops.size(); ++i) add({queue_set(kernel, loops[i])}, {i, loops.size()});
  ::close(reports[1]);
  std::vector<Report> all;
  Report report = {};
  while (::read(reports[0], &report, sizeof(report)) == sizeof(report)) all.push_back(report);
  bool right = true;
  const auto wait_for = [&right](pid_t worker) {
    int status = 0;
    ::waitpid(worker, &status, 0);
    right = right && status == 0;
  };
  for (const pid_t worker : workers) wait_for(worker);
  right = print(all) && right;
  return keeper.finish() && right ? 0 : 1;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    const auto number = parse_number(value);
    const bool is_count = number && *number > 0 && *number < 100000;
    if (name == "--points" && is_count) {
      options.points = static_cast<size_t>(*number);
    } else if (name == "--loops" && is_count) {
      options.loops = static_cast<int>(*number);
    } else if (name == "--set" && !value.empty()) {
      options.set = value;
    } else if (name == "--fault" && !value.empty()) {
      options.fault = value;
    } else {
      throw std::runtime_error("'" + name + " " + value +
                               "'; it takes --points N, --loops N, --set NAME, --fault NAME");
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kill_knobs: %s\n", error.what());
    return 1;
  }
}
