// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// What answers for knobs that are no plain files. Safe to call from several threads.
class KnobBackend {
 public:
  KnobBackend() = default;
  KnobBackend(const KnobBackend&) = delete;
  KnobBackend& operator=(const KnobBackend&) = delete;
  virtual ~KnobBackend() = default;

  /// The knob's text; `rest` is what follows the backend's prefix. not_found when there is no such
  /// knob now.
  virtual Result<std::string> read(std::string_view rest) = 0;
  virtual Status write(std::string_view rest, std::string_view value) = 0;
};

/// Sends paths that begin with a backend's prefix to that backend, all others to `inner`, which
/// must outlive this. The knobs of a backend cannot be listed.
class KnobRouter : public KernelFs {
 public:
  /// A prefix ends in a slash, or is the whole path of a backend's only knob.
  using Route = std::pair<std::string, std::unique_ptr<KnobBackend>>;

  KnobRouter(KernelFs& inner, std::vector<Route> routes);

  [[nodiscard]] Result<std::string> read(std::string_view path) const override;
  [[nodiscard]] Result<std::string> read_head(std::string_view path, size_t most) const override;
  Status write(std::string_view path, std::string_view value) override;
  [[nodiscard]] bool exists(std::string_view path) const override;
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view path) const override;
  [[nodiscard]] Result<std::string> read_link(std::string_view path) const override;
  [[nodiscard]] Result<uint64_t> inode(std::string_view path) const override;

 private:
  /// The backend for `path`, which then is what follows its prefix; nullptr for a plain file.
  [[nodiscard]] KnobBackend* find(std::string_view& path) const;

  KernelFs& inner_;
  std::vector<Route> routes_;
};

}  // namespace tuneshift
