// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libtune/diagnostic.h"
#include "libtune/result.h"
#include "libtune/trusted_file.h"

namespace tuneshift {

/// What failed about a whole file or directory, among the mistakes in files.
void add_mistake(const Error& error, Diagnostics& mistakes);

/// The files of one kind in several directories, from the distribution's to the administrator's:
/// of two with one name the later directory's counts.
class Layers {
 public:
  /// Takes names that end in `suffix`, at most `most_files` of each directory.
  Layers(std::string suffix, size_t most_files, Diagnostics& mistakes)
      : suffix_(std::move(suffix)), most_files_(most_files), mistakes_(mistakes) {}

  /// A missing directory is empty; one that cannot be trusted is a mistake.
  void add(const std::string& path);

  /// File name → index of the directory that counts, from 0 in the order of add().
  [[nodiscard]] const std::map<std::string, size_t>& files() const { return last_with_; }
  [[nodiscard]] const TrustedDirectory& directory(size_t index) const { return opened_[index]; }

 private:
  std::string suffix_;
  size_t most_files_;
  Diagnostics& mistakes_;
  std::vector<TrustedDirectory> opened_;
  std::map<std::string, size_t> last_with_;
};

}  // namespace tuneshift
