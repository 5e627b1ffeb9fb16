// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "libtune/diagnostic.h"

namespace tuneshift {

/// A folder as an operator's /etc/tuneshift, gone at the end of the test.
class OperatorDirectory {
 public:
  OperatorDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "tuneshift-unit-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
  }
  OperatorDirectory(const OperatorDirectory&) = delete;
  OperatorDirectory& operator=(const OperatorDirectory&) = delete;
  ~OperatorDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary) << text;
    mode(name, 0644);
  }

  void mode(const std::string& name, mode_t mode) const {
    if (chmod(file(name).c_str(), mode) != 0) throw std::runtime_error("chmod " + name);
  }

  /// The diagnostics, one a line, without this folder's path.
  [[nodiscard]] std::string print(const Diagnostics& mistakes) const {
    std::string text;
    for (const Diagnostic& mistake : mistakes) {
      std::string line = to_string(mistake);
      const std::string prefix = path_ + "/";
      if (line.starts_with(prefix)) line.erase(0, prefix.size());
      if (line.starts_with(path_)) line.replace(0, path_.size(), "DIR");
      text += line + "\n";
    }
    return text;
  }

 private:
  std::string path_;
};

}  // namespace tuneshift
