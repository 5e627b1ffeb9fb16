// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/kernel_symbols.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <utility>

#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

constexpr char list_path[] = "proc/kallsyms";

// "ffffffff81234560 T name" or "ffffffff81234560 t name\t[module]".
bool names(std::string_view line, std::string_view symbol) {
  const size_t kind = line.find(' ');
  if (kind == std::string_view::npos || line.size() < kind + 3) return false;
  const std::string_view name = line.substr(kind + 3);
  return name.substr(0, name.find_first_of("\t\n")) == symbol;
}

// Whoever opens the list decides what is shown in it. The service manager opens it as standard
// input for a daemon without CAP_SYSLOG.
UniqueFd take_standard_input(int list) {
  struct stat opened {
  }, input{};
  const bool is_same = fstat(list, &opened) == 0 && fstat(STDIN_FILENO, &input) == 0 &&
                       opened.st_dev == input.st_dev && opened.st_ino == input.st_ino;
  if (!is_same || lseek(STDIN_FILENO, 0, SEEK_SET) != 0) return {};
  return UniqueFd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

Result<uint64_t> kernel_symbol_address(const std::string& root, std::string_view symbol) {
  const UniqueFd root_fd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root_fd) return errno_error(errno, "open", root);
  UniqueFd fd(openat(root_fd.get(), list_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return errno_error(errno, "open", list_path);
  if (UniqueFd input = take_standard_input(fd.get())) fd = std::move(input);
  std::unique_ptr<FILE, int (*)(FILE*)> list(fdopen(fd.get(), "re"), fclose);
  if (!list) return errno_error(errno, "fdopen", list_path);
  fd.release();  // the stream closes it

  char line[512];
  while (fgets(line, sizeof line, list.get()) != nullptr) {
    if (!names(line, symbol)) continue;
    uint64_t address = 0;
    std::from_chars(line, line + sizeof line, address, 16);
    if (address == 0)
      return Error{ErrorCode::permission, "the kernel hides the addresses of its symbols",
                   list_path, 0};
    return address;
  }
  return Error{ErrorCode::not_found, "the kernel has no " + std::string(symbol), list_path, 0};
}

}  // namespace tuneshift
