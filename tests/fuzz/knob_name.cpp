// SPDX-License-Identifier: LGPL-2.1-or-later
// Any bytes as a knob's name, on a machine whose links lead anywhere: what resolves is a kernel
// file of the catalogue.
#include <algorithm>
#include <string>

#include "libtune/catalogue.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/target.h"
#include "tests/unit/machine_tree.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;
using namespace tuneshift::test;

namespace {

struct Machine {
  KernelTree tree = machine_tree();
  KernelFs kernel = tree.open();

  Machine() {
    tree.add(symbolic_link("sys/class/block/up", "../../.."));
    tree.add(symbolic_link("sys/class/block/here", "."));
    tree.add(symbolic_link("sys/class/block/root", "/"));
    tree.add(symbolic_link("sys/class/block/odd", "../block/a b"));
    tree.add(symbolic_link("sys/dev/block/8:0", "../../block/.."));
    tree.add(symbolic_link("sys/dev/block/8:1", "../../block/vda/../../../../etc"));
  }
};

bool is_kernel_path(const std::string& path) {
  const bool known = path.starts_with("proc/sys/") || path.starts_with("sys/") ||
                     path.starts_with("systemd/") || path.starts_with("device-mapper/") ||
                     path == "dev/cpu_dma_latency";
  if (!known) return false;
  const std::string parts = "/" + path + "/";
  return parts.find("/../") == std::string::npos && parts.find("/./") == std::string::npos &&
         parts.find("//") == std::string::npos && is_readable(path) &&
         path.find(' ') == std::string::npos;
}

/// A sysctl's dots are slashes in its path; all other names are the ends of their paths.
bool is_file_of(const KnobInfo& kind, const std::string& path) {
  std::string end(kind.name);
  if (kind.family == Family::sysctl) std::replace(end.begin(), end.end(), '.', '/');
  if (kind.target == Target::device_mapper) end = end.substr(end.find('/') + 1);
  if (kind.target == Target::unit) end = kind.property;
  if (kind.target == Target::unit_disk) {
    return path.find("/" + std::string(kind.property) + "/") != std::string::npos;
  }
  return path.ends_with("/" + end);
}

void check_knob(const KernelFs& kernel, const Knob& knob) {
  const auto& kinds = catalogue();
  const bool known = std::any_of(kinds.begin(), kinds.end(),
                                 [&](const KnobInfo& kind) { return &kind == knob.kind; });
  check(known, "a knob has a kind of the catalogue", knob.name);
  check(is_kernel_path(knob.path), "a knob is a plain path of a known kind", knob.path);
  check(is_file_of(*knob.kind, knob.path), "a knob's file is its kind's", knob.path);
  const auto again = resolve_knob(kernel, knob.name);
  check(again && again.value().name == knob.name && again.value().path == knob.path &&
            again.value().kind == knob.kind,
        "a canonical name resolves to itself", knob.name);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Machine machine;
  const std::string name(reinterpret_cast<const char*>(data), size);
  const auto knob = resolve_knob(machine.kernel, name);
  if (knob) {
    check_knob(machine.kernel, knob.value());
    return 0;
  }
  check(knob.error().code == ErrorCode::not_found, "anything else is not found", name);
  check(is_readable(knob.error().message), "a refusal can be shown", knob.error().message);
  return 0;
}
