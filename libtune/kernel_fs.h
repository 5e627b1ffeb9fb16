// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// The one way to kernel files (procfs, sysfs, cgroupfs). Paths are relative to the root it was
/// opened with ("proc/sys/vm/swappiness"); symbolic links and ".." are resolved within that root
/// (openat2(2) RESOLVE_IN_ROOT), so a test's directory cannot leak into the real machine.
/// Virtual so that tests can inject faults; safe to call from several threads.
class KernelFs {
 public:
  /// Opens `root`: "/" in main(), a directory in tests.
  static Result<KernelFs> open(const std::string& root);

  KernelFs(KernelFs&& other) noexcept;
  KernelFs& operator=(KernelFs&&) = delete;
  KernelFs(const KernelFs&) = delete;
  KernelFs& operator=(const KernelFs&) = delete;
  virtual ~KernelFs();

  /// The whole file, at most 64 KiB, without its trailing newline.
  [[nodiscard]] virtual Result<std::string> read(std::string_view path) const;

  /// The first `most` bytes of a file that may be larger (proc/self/mountinfo, proc/cpuinfo).
  [[nodiscard]] virtual Result<std::string> read_head(std::string_view path, size_t most) const;

  /// Writes `value` in one write(2). Never creates a file: a missing knob fails with ENOENT as in
  /// the kernel. EINTR is retried, a short write is an error.
  virtual Status write(std::string_view path, std::string_view value);

  [[nodiscard]] virtual bool exists(std::string_view path) const;

  /// Names in a directory, sorted, without "." and "..".
  [[nodiscard]] virtual Result<std::vector<std::string>> list(std::string_view path) const;

  /// The target of a symbolic link, as stored.
  [[nodiscard]] virtual Result<std::string> read_link(std::string_view path) const;

 protected:
  /// For a decorator, which opens no root of its own and answers every call itself.
  KernelFs() = default;

 private:
  explicit KernelFs(int root_fd) : root_fd_(root_fd) {}
  int root_fd_ = -1;
};

}  // namespace tuneshift
