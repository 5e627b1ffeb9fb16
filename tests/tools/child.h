// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace tuneshift {

/// A directory of its own for one test, removed with it.
class ScratchDirectory {
 public:
  /// Under `parent`; the test fails when it cannot be made.
  explicit ScratchDirectory(const std::filesystem::path& parent);
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A program with pipes on its standard input and output, ended by SIGTERM with the object.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// The next line of its output without the newline; empty at its end.
  std::string read_line();

  /// Ends its input.
  void close_input();

  void terminate() const;

  /// Its exit status; 128 + N when signal N ended it.
  int wait();

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
};

/// Runs one of the tools of this directory to its end.
int run_tool(const std::string& name, const std::vector<std::string>& arguments);

/// The path of one of the tools.
std::string tool(const std::string& name);

/// The whole content of a file.
std::string read_file(const std::filesystem::path& path);

}  // namespace tuneshift
