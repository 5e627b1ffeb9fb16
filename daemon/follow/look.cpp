// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/follow/look.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/helper/clock.h"
#include "daemon/helper/find_file.h"
#include "daemon/process_identity.h"

namespace tuneshift {

namespace {

// Bits of an entry in pagemap: in memory, and of a file or shared.
constexpr uint64_t present = uint64_t{1} << 63;
constexpr uint64_t of_file = uint64_t{1} << 61;
// A program with thousands of mappings: reading them is to cost little beside the looks.
constexpr uint64_t mappings_part = 20;

}  // namespace

Result<ReaderLook> ReaderLook::open(const ProcessDir& process, const FileId& file,
                                    uint64_t file_size) {
  auto found = find_file(process, file);
  if (!found) return found.error();
  ReaderLook look;
  look.shown_ = shown_in_maps(found.value(), file);
  look.file_size_ = file_size;
  look.page_bytes_ = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  // They go on showing this process, also when the pid is used again.
  look.maps_ = UniqueFd(openat(process.fd(), "maps", O_RDONLY | O_CLOEXEC));
  look.pagemap_ = UniqueFd(openat(process.fd(), "pagemap", O_RDONLY | O_CLOEXEC));
  look.io_ = UniqueFd(openat(process.fd(), "io", O_RDONLY | O_CLOEXEC));
  if (!look.maps_ || !look.pagemap_ || !look.io_) {
    return errno_error(errno, "open the reader's memory");
  }
  look.read_at_start_ = look.read_bytes();
  return look;
}

bool ReaderLook::look(FollowReport& report, size_t turns) {
  if (!report.coverage.is_whole(file_size_)) look_at_pages(report.coverage, turns);
  const uint64_t read = read_bytes();
  if (read == UINT64_MAX) return false;
  report.read_bytes = std::max(report.read_bytes, read - std::min(read, read_at_start_));
  return true;
}

void ReaderLook::look_at_pages(Coverage& coverage, size_t turns) {
  const uint64_t since_ns = monotonic_now_ns() - mappings_ns_;
  if (since_ns >= mappings_part * mappings_cost_ns_) look_at_mappings();
  bool behind_seen = true;  // a reader begins at the beginning
  turn_ = (turn_ + 1) % turns;
  for (size_t part = 0; part < Coverage::parts(file_size_); ++part) {
    if (coverage.has(part)) {
      behind_seen = true;
      continue;
    }
    if (!behind_seen && part % turns != turn_) continue;
    const uint64_t place = Coverage::place(part, file_size_);
    // A header may be mapped once more beside all of it.
    const bool seen = std::any_of(ranges_.begin(), ranges_.end(), [&](const MappedRange& range) {
      return place >= range.offset && place - range.offset < range.length &&
             is_mapped_in(range.address + (place - range.offset));
    });
    if (seen) coverage.set(part);
    behind_seen = seen;
  }
}

void ReaderLook::look_at_mappings() {
  const uint64_t began_ns = monotonic_now_ns();
  ranges_ = read_mapped_ranges(maps_.get(), shown_);
  mappings_ns_ = monotonic_now_ns();
  mappings_cost_ns_ = mappings_ns_ - began_ns;
}

bool ReaderLook::is_mapped_in(uint64_t address) const {
  uint64_t entry = 0;
  const auto at = static_cast<off_t>(address / page_bytes_ * sizeof entry);
  if (pread(pagemap_.get(), &entry, sizeof entry, at) != sizeof entry) return false;
  return (entry & present) != 0 && (entry & of_file) != 0;
}

uint64_t ReaderLook::read_bytes() const {
  char text[512];
  const ssize_t got = pread(io_.get(), text, sizeof text, 0);
  if (got <= 0) return UINT64_MAX;
  return parse_field({text, static_cast<size_t>(got)}, "rchar:").value_or(UINT64_MAX);
}

}  // namespace tuneshift
