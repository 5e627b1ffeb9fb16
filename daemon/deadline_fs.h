// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// How long a DeadlineFs waits, and for how many calls at once it has given up waiting: on devices,
/// and once more so many on processes.
struct DeadlineLimits {
  /// A queue freeze takes 16 to 28 ms on an idle device and 32 ms under load (measured), and the
  /// kernel's request timeout is 30 s. Giving up early costs nothing: what lands later is noticed.
  std::chrono::milliseconds answer{2000};
  /// Each is a thread that sleeps in the kernel.
  size_t most_given_up = 16;
};

/// A KernelFs whose calls return in time, also where the kernel does not: writing a queue's file
/// waits for every request in flight, and reading one may wait for such a write.
///
/// Reads and writes of sys/block/DISK/queue/ and sys/class/bdi/ run on a thread of this object, as
/// do those of proc/PID/io and proc/PID/fdinfo/, where a process counts as a device does. One that
/// has no answer by its deadline is given up: `timeout` (without an errno) tells so, and it may
/// still have its effect. Until it returns, every call on the same device fails at once with
/// `busy`, reads as well: what a device shows before a late write has landed would be no news.
/// Other paths are used directly. No thread is made before the first such call, and none is ever
/// woken without one. Calls from several threads take turns.
class DeadlineFs : public KernelFs {
 public:
  /// `kernel` must outlive the process's last call that hangs.
  explicit DeadlineFs(KernelFs& kernel) : DeadlineFs(kernel, DeadlineLimits{}) {}
  DeadlineFs(KernelFs& kernel, DeadlineLimits limits);
  DeadlineFs(DeadlineFs&&) = delete;
  DeadlineFs& operator=(DeadlineFs&&) = delete;
  DeadlineFs(const DeadlineFs&) = delete;
  DeadlineFs& operator=(const DeadlineFs&) = delete;
  /// Leaves what hangs to its fate.
  ~DeadlineFs() override;

  [[nodiscard]] Result<std::string> read(std::string_view path) const override;
  [[nodiscard]] Result<std::string> read_head(std::string_view path, size_t most) const override;
  Status write(std::string_view path, std::string_view value) override;
  [[nodiscard]] bool exists(std::string_view path) const override;
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view path) const override;
  [[nodiscard]] Result<std::string> read_link(std::string_view path) const override;
  [[nodiscard]] Result<uint64_t> inode(std::string_view path) const override;

  /// `callback` runs whenever a call that was given up has returned, on that call's thread: it must
  /// be short and call nothing here. An empty one ends it, and waits for one that runs.
  void on_return(std::function<void()> callback);

  /// Whether a call that was given up has not returned yet.
  [[nodiscard]] bool hangs() const;

  /// From now on every call on the file's device (on the file alone where it has none) fails with
  /// `busy` and this reason: somebody else's call hangs there.
  void set_stuck(std::string_view path, const std::string& why);

 private:
  class Executor;
  struct Shared;

  template <typename Answer>
  Answer call(std::string_view path, const char* verb, std::function<Answer()> operation) const;
  /// Why nothing can be asked of this device, or file without one, now.
  [[nodiscard]] std::optional<Error> refusal(const std::string& key, std::string_view path,
                                             size_t most_given_up) const;

  KernelFs& kernel_;
  const DeadlineLimits limits_;
  std::shared_ptr<Shared> shared_;
  mutable std::mutex turn_;
  mutable std::unique_ptr<Executor> executor_;  ///< guarded by `turn_`
};

}  // namespace tuneshift
