// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/knob_router.h"

#include <cerrno>

namespace tuneshift {

KnobRouter::KnobRouter(KernelFs& inner, std::vector<Route> routes)
    : inner_(inner), routes_(std::move(routes)) {}

KnobBackend* KnobRouter::find(std::string_view& path) const {
  for (const auto& [prefix, backend] : routes_) {
    const bool matches = prefix.back() == '/' ? path.starts_with(prefix) : path == prefix;
    if (!matches) continue;
    path.remove_prefix(prefix.size());
    return backend.get();
  }
  return nullptr;
}

Result<std::string> KnobRouter::read(std::string_view path) const {
  std::string_view rest = path;
  KnobBackend* backend = find(rest);
  return backend == nullptr ? inner_.read(path) : backend->read(rest);
}

Result<std::string> KnobRouter::read_head(std::string_view path, size_t most) const {
  std::string_view rest = path;
  KnobBackend* backend = find(rest);
  return backend == nullptr ? inner_.read_head(path, most) : backend->read(rest);
}

Status KnobRouter::write(std::string_view path, std::string_view value) {
  std::string_view rest = path;
  KnobBackend* backend = find(rest);
  return backend == nullptr ? inner_.write(path, value) : backend->write(rest, value);
}

bool KnobRouter::exists(std::string_view path) const {
  std::string_view rest = path;
  KnobBackend* backend = find(rest);
  return backend == nullptr ? inner_.exists(path) : backend->read(rest).ok();
}

Result<std::vector<std::string>> KnobRouter::list(std::string_view path) const {
  std::string_view rest = path;
  if (find(rest) != nullptr) return errno_error(ENOTDIR, "list", path);
  return inner_.list(path);
}

Result<std::string> KnobRouter::read_link(std::string_view path) const {
  std::string_view rest = path;
  if (find(rest) != nullptr) return errno_error(EINVAL, "read link", path);
  return inner_.read_link(path);
}

Result<uint64_t> KnobRouter::inode(std::string_view path) const {
  std::string_view rest = path;
  if (find(rest) != nullptr) return errno_error(EINVAL, "stat", path);
  return inner_.inode(path);
}

}  // namespace tuneshift
