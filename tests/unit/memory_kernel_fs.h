// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cerrno>
#include <map>
#include <string>

#include "libtune/kernel_fs.h"

namespace tuneshift::test {

/// A KernelFs of a few files in memory, for tests that take thousands of machines.
class MemoryKernelFs : public KernelFs {
 public:
  MemoryKernelFs() : KernelFs(std::move(KernelFs::open("/").value())) {}

  std::map<std::string, std::string, std::less<>> files;

  [[nodiscard]] Result<std::string> read(std::string_view path) const override {
    const auto file = files.find(path);
    if (file == files.end()) return errno_error(ENOENT, "open", path);
    return file->second;
  }

  Status write(std::string_view path, std::string_view value) override {
    const auto file = files.find(path);
    if (file == files.end()) return errno_error(ENOENT, "open", path);
    file->second = value;
    return {};
  }

  [[nodiscard]] bool exists(std::string_view path) const override {
    return files.find(path) != files.end();
  }

  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view path) const override {
    return errno_error(ENOENT, "open", path);
  }

  [[nodiscard]] Result<std::string> read_link(std::string_view path) const override {
    return errno_error(ENOENT, "readlink", path);
  }
};

}  // namespace tuneshift::test
