// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/knob_router.h"
#include "libtune/device_name.h"

namespace tuneshift {

/// One row of a map's table, as `dmsetup status` shows it.
struct MapTarget {
  uint64_t start_sector = 0;
  std::string type;    ///< "cache", "linear", …
  std::string status;  ///< what the target says of itself
};

/// The calls to the kernel's device mapper.
class MapControl {
 public:
  MapControl() = default;
  MapControl(const MapControl&) = delete;
  MapControl& operator=(const MapControl&) = delete;
  virtual ~MapControl() = default;

  /// Without flushing anything.
  virtual Result<std::vector<MapTarget>> status(DeviceNumber map) = 0;
  virtual Status message(DeviceNumber map, uint64_t sector, const std::string& text) = 0;
};

/// The real ones, through libdevmapper. Not safe to call from several threads.
std::unique_ptr<MapControl> device_mapper_control();

/// The migration threshold in the status of a "cache" target, in sectors of 512 bytes
/// (Documentation/admin-guide/device-mapper/cache.rst); nothing when it is not there, as in the
/// "Fail" of a broken cache.
std::optional<uint64_t> migration_threshold_in(std::string_view status);

/// "dm-0/migration_threshold": how much a dm-cache may copy at a time between its two devices. A
/// map is named as the kernel names its disk, so that the knob's name is that of its queue knobs.
/// not_found for what is no map or has no cache target, unsupported for several of them.
class DeviceMapper : public KnobBackend {
 public:
  /// `kernel` must outlive this.
  explicit DeviceMapper(const KernelFs& kernel,
                        std::unique_ptr<MapControl> control = device_mapper_control());

  Result<std::string> read(std::string_view rest) override;
  Status write(std::string_view rest, std::string_view value) override;

 private:
  struct Cache {
    DeviceNumber map;
    MapTarget target;
  };
  Result<Cache> find(std::string_view rest);

  const KernelFs& kernel_;
  std::unique_ptr<MapControl> control_;
  std::mutex mutex_;
};

}  // namespace tuneshift
