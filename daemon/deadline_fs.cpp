// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/deadline_fs.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <limits>
#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace tuneshift {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view processes = "proc/";

/// "proc/42" for those of its files that wait for what other code of the process's has locked: io
/// for the end of an execve (exec_update_lock), fdinfo for the file's own driver. Else nothing.
std::string_view process_of(std::string_view path) {
  if (path.substr(0, processes.size()) != processes) return {};
  const size_t end = path.find_first_not_of("0123456789", processes.size());
  if (end == processes.size() || end == std::string_view::npos) return {};
  const std::string_view rest = path.substr(end);
  return rest == "/io" || rest.substr(0, 8) == "/fdinfo/" ? path.substr(0, end)
                                                          : std::string_view{};
}

/// "sys/block/vda" for a file of its queue, "sys/class/bdi/0:44" for one of that, else what
/// process_of() says.
std::string_view device_of(std::string_view path) {
  constexpr std::string_view disks = "sys/block/";
  constexpr std::string_view bdis = "sys/class/bdi/";
  const bool of_disk = path.substr(0, disks.size()) == disks;
  if (!of_disk && path.substr(0, bdis.size()) != bdis) return process_of(path);
  const size_t end = path.find('/', of_disk ? disks.size() : bdis.size());
  if (end == std::string_view::npos) return {};
  if (of_disk && path.substr(end, 7) != "/queue/") return {};
  return path.substr(0, end);
}

std::string duration(std::chrono::milliseconds time) {
  if (time.count() % 1000 != 0) return std::to_string(time.count()) + " ms";
  return std::to_string(time.count() / 1000) + " s";
}

/// In few steps, so that one stuck knob is told a few times and not each time it is tried.
std::string rough_duration(Clock::duration lasted, std::chrono::milliseconds least) {
  using std::chrono::seconds;
  constexpr std::array steps = {std::pair{seconds(3600), "an hour"},
                                std::pair{seconds(600), "10 minutes"},
                                std::pair{seconds(60), "a minute"}, std::pair{seconds(10), "10 s"}};
  for (const auto& [step, text] : steps) {
    if (lasted >= step) return text;
  }
  return duration(least);
}

Error error(ErrorCode code, const std::string& message, std::string_view path) {
  return {code, message, std::string(path), 0};
}

}  // namespace

/// What outlives the object while a call of it hangs. One mutex guards it and all executors.
struct DeadlineFs::Shared {
  struct Stuck {
    std::string why;  ///< somebody else's call; empty for one of ours:
    std::string path;
    const char* verb = "";
    Clock::time_point since;
  };
  std::mutex mutex;
  std::map<std::string, Stuck> stuck;  ///< by device or process
  std::function<void()> returned;

  /// Our own calls among them, on processes or on devices: users must not use up what is for those.
  [[nodiscard]] size_t given_up(bool on_processes) const {
    return static_cast<size_t>(std::count_if(stuck.begin(), stuck.end(), [&](const auto& entry) {
      return entry.second.why.empty() && entry.first.starts_with(processes) == on_processes;
    }));
  }
};

/// A thread that does one thing at a time, until it is given up or no longer needed.
class DeadlineFs::Executor {
 public:
  explicit Executor(std::shared_ptr<Shared> shared)
      : state_(std::make_shared<State>()), shared_(std::move(shared)) {
    // The loop takes its signals from a descriptor: no other thread may be there to take them.
    sigset_t all{};
    sigset_t before{};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread(serve, state_, shared_);
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  ~Executor() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(shared_->mutex);
      state_->closed = true;
    }
    state_->wake.notify_one();
    thread_.join();
  }

  /// Whether the job was done in time; else it goes on alone, and the device is stuck till its end.
  bool run(std::function<void()> job, std::chrono::milliseconds limit, const std::string& device,
           Shared::Stuck stuck) {
    std::unique_lock lock(shared_->mutex);
    state_->job = std::move(job);
    state_->done = false;
    state_->wake.notify_one();
    if (state_->answered.wait_for(lock, limit, [this] { return state_->done; })) return true;
    state_->given_up = device;
    shared_->stuck.emplace(device, std::move(stuck));
    thread_.detach();
    return false;
  }

 private:
  struct State {
    std::condition_variable wake;
    std::condition_variable answered;
    std::function<void()> job;
    std::optional<std::string> given_up;  ///< the device on which it hangs
    bool done = false;
    bool closed = false;
  };

  static void serve(const std::shared_ptr<State>& state, const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    while (true) {
      state->wake.wait(lock, [&] { return state->closed || state->job; });
      if (state->closed) return;
      const auto job = std::exchange(state->job, nullptr);
      lock.unlock();
      job();
      lock.lock();
      if (state->given_up) break;
      state->done = true;
      state->answered.notify_one();
    }
    shared->stuck.erase(*state->given_up);
    if (shared->returned) shared->returned();
  }

  std::shared_ptr<State> state_;
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

DeadlineFs::DeadlineFs(KernelFs& kernel, DeadlineLimits limits)
    : kernel_(kernel), limits_(limits), shared_(std::make_shared<Shared>()) {}

DeadlineFs::~DeadlineFs() {
  on_return({});
}

void DeadlineFs::on_return(std::function<void()> callback) {
  const std::lock_guard lock(shared_->mutex);
  shared_->returned = std::move(callback);
}

bool DeadlineFs::hangs() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->given_up(true) + shared_->given_up(false) > 0;
}

void DeadlineFs::set_stuck(std::string_view path, const std::string& why) {
  const std::string_view device = device_of(path);
  const std::lock_guard lock(shared_->mutex);
  shared_->stuck[std::string(device.empty() ? path : device)] = {why, std::string(path), "", {}};
}

std::optional<Error> DeadlineFs::refusal(const std::string& key, std::string_view path,
                                         size_t most_given_up) const {
  const std::lock_guard lock(shared_->mutex);
  const auto found = shared_->stuck.find(key);
  if (found == shared_->stuck.end()) {
    const bool of_process = !process_of(path).empty();
    if (shared_->given_up(of_process) < most_given_up) return std::nullopt;
    return error(ErrorCode::busy,
                 of_process ? "too many processes hang in the kernel already"
                            : "too many devices hang in the kernel already",
                 path);
  }
  const Shared::Stuck& stuck = found->second;
  if (!stuck.why.empty()) return error(ErrorCode::busy, stuck.why, path);
  return error(ErrorCode::busy,
               std::string("the kernel has not answered the ") + stuck.verb + " of " + stuck.path +
                   " for " + rough_duration(Clock::now() - stuck.since, limits_.answer),
               path);
}

template <typename Answer>
Answer DeadlineFs::call(std::string_view path, const char* verb,
                        std::function<Answer()> operation) const {
  const std::string_view device = device_of(path);
  if (device.empty()) {
    const auto why = refusal(std::string(path), path, std::numeric_limits<size_t>::max());
    return why ? *why : operation();
  }
  const std::string key(device);
  const std::lock_guard turn(turn_);
  if (const auto why = refusal(key, path, limits_.most_given_up)) return *why;
  try {
    if (!executor_) executor_ = std::make_unique<Executor>(shared_);
  } catch (const std::system_error& failed) {
    return error(ErrorCode::busy, std::string("no thread to ") + verb + ": " + failed.what(), path);
  }
  const auto answer = std::make_shared<std::optional<Answer>>();
  const auto job = [answer, operation = std::move(operation)] { answer->emplace(operation()); };
  if (executor_->run(job, limits_.answer, key, {"", std::string(path), verb, Clock::now()})) {
    return std::move(**answer);
  }
  executor_.reset();
  return error(ErrorCode::timeout,
               std::string(verb) + " " + std::string(path) + ": no answer from the kernel for " +
                   duration(limits_.answer),
               path);
}

Result<std::string> DeadlineFs::read(std::string_view path) const {
  return call<Result<std::string>>(
      path, "read", [&kernel = kernel_, path = std::string(path)] { return kernel.read(path); });
}

Result<std::string> DeadlineFs::read_head(std::string_view path, size_t most) const {
  return kernel_.read_head(path, most);
}

Status DeadlineFs::write(std::string_view path, std::string_view value) {
  return call<Status>(path, "write",
                      [&kernel = kernel_, path = std::string(path), value = std::string(value)] {
                        return kernel.write(path, value);
                      });
}

bool DeadlineFs::exists(std::string_view path) const {
  return kernel_.exists(path);
}

Result<std::vector<std::string>> DeadlineFs::list(std::string_view path) const {
  return kernel_.list(path);
}

Result<std::string> DeadlineFs::read_link(std::string_view path) const {
  return kernel_.read_link(path);
}

Result<uint64_t> DeadlineFs::inode(std::string_view path) const {
  return kernel_.inode(path);
}

}  // namespace tuneshift
