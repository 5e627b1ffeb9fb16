// SPDX-License-Identifier: LGPL-2.1-or-later
#include <libdevmapper.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <memory>

#include "daemon/device_mapper.h"

namespace tuneshift {

namespace {

using Task = std::unique_ptr<dm_task, decltype(&dm_task_destroy)>;

/// The library would print to stderr what our errors say as well.
__attribute__((format(printf, 5, 6))) void log_quietly(int /*level*/, const char* /*file*/,
                                                       int /*line*/, int /*error*/,
                                                       const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): not where the analyser follows va_start
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  spdlog::debug("libdevmapper: {}", text);
}

Error failed(int errno_value, DeviceNumber map) {
  return errno_error(errno_value == 0 ? EIO : errno_value, "device-mapper", to_string(map));
}

/// By number: a map's name would have to be encoded, and may change.
Result<Task> make_task(int type, DeviceNumber map) {
  Task task(dm_task_create(type), dm_task_destroy);
  if (!task || dm_task_set_major_minor(task.get(), static_cast<int>(map.major_number),
                                       static_cast<int>(map.minor_number), 0) == 0) {
    return failed(errno, map);
  }
  return task;
}

class LibDevMapper : public MapControl {
 public:
  LibDevMapper() { dm_log_with_errno_init(log_quietly); }
  ~LibDevMapper() override { dm_lib_release(); }

  Result<std::vector<MapTarget>> status(DeviceNumber map) override {
    const auto made = make_task(DM_DEVICE_STATUS, map);
    if (!made) return made.error();
    dm_task* task = made.value().get();
    // Otherwise a cache writes its metadata out for the sake of exact counters.
    if (dm_task_no_flush(task) == 0 || dm_task_run(task) == 0) {
      return failed(dm_task_get_errno(task), map);
    }
    std::vector<MapTarget> targets;
    void* next = nullptr;
    do {
      uint64_t start = 0;
      uint64_t length = 0;
      char* type = nullptr;
      char* params = nullptr;
      next = dm_get_next_target(task, next, &start, &length, &type, &params);
      if (type != nullptr) targets.push_back({start, type, params == nullptr ? "" : params});
    } while (next != nullptr);
    return targets;
  }

  Status message(DeviceNumber map, uint64_t sector, const std::string& text) override {
    const auto made = make_task(DM_DEVICE_TARGET_MSG, map);
    if (!made) return made.error();
    dm_task* task = made.value().get();
    if (dm_task_set_sector(task, sector) == 0 || dm_task_set_message(task, text.c_str()) == 0 ||
        dm_task_run(task) == 0) {
      return failed(dm_task_get_errno(task), map);
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<MapControl> device_mapper_control() {
  return std::make_unique<LibDevMapper>();
}

}  // namespace tuneshift
