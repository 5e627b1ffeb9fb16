// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/systemd_units.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "libtune/device_name.h"

namespace tuneshift {

struct SystemdUnits::Property {
  std::string_view name;
  bool per_disk;
  std::string_view no_number;  ///< what UINT64_MAX means
};

namespace {

constexpr const char* unit_interface = "org.freedesktop.systemd1.Unit";
// systemd's own limit is 255; a knob's name holds more than the unit's.
constexpr size_t longest_unit = 200;

constexpr std::array<SystemdUnits::Property, 6> properties = {{
    {"CPUWeight", false, "unset"},
    {"IOWeight", false, "unset"},
    {"MemoryLow", false, "infinity"},
    {"IODeviceLatencyTargetUSec", true, "unset"},
    {"IOReadBandwidthMax", true, "unset"},
    {"IOWriteBandwidthMax", true, "unset"},
}};

struct UnitKind {
  std::string_view suffix;
  const char* interface;
};

constexpr std::array<UnitKind, 3> kinds = {{
    {".service", "org.freedesktop.systemd1.Service"},
    {".slice", "org.freedesktop.systemd1.Slice"},
    {".scope", "org.freedesktop.systemd1.Scope"},
}};

Error refusal(ErrorCode code, const std::string& what) {
  return {code, "systemd: " + what, {}, 0};
}

bool is_unit_character(char c) {
  constexpr std::string_view others = ":_.\\@-";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         others.find(c) != std::string_view::npos;
}

/// The unit's D-Bus interface; nullptr when it is no name of a unit that has a control group.
const char* interface_of(std::string_view unit) {
  if (unit.size() > longest_unit || !std::all_of(unit.begin(), unit.end(), is_unit_character)) {
    return nullptr;
  }
  const auto* kind = std::find_if(kinds.begin(), kinds.end(), [&](const UnitKind& one) {
    return unit.size() > one.suffix.size() && unit.ends_with(one.suffix);
  });
  return kind == kinds.end() ? nullptr : kind->interface;
}

Result<SystemdUnits::Setting> parse_setting(std::string_view rest) {
  const size_t slash = rest.find('/');
  std::string_view name = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  const std::string_view unit = rest.substr(0, slash);
  const size_t next = name.find('/');
  const bool has_disk = next != std::string_view::npos;
  const std::string_view disk = has_disk ? name.substr(next + 1) : "";
  name = name.substr(0, next);
  const auto* property = std::find_if(properties.begin(), properties.end(),
                                      [&](const auto& one) { return one.name == name; });
  if (property == properties.end() || property->per_disk != has_disk ||
      (has_disk && !is_device_name(disk))) {
    return refusal(ErrorCode::not_found, "no setting '" + std::string(rest) + "'");
  }
  const char* interface = interface_of(unit);
  if (interface == nullptr) {
    return refusal(ErrorCode::invalid_argument, "'" + std::string(unit.substr(0, longest_unit)) +
                                                    "' is no name of a service, slice or scope");
  }
  return SystemdUnits::Setting{std::string(unit), interface, property,
                               has_disk ? "/dev/" + std::string(disk) : "",
                               std::string(name) + ":" + std::string(unit)};
}

bool is_kubernetes(std::string_view text) {
  return text.find("kubepods") != std::string_view::npos;
}

std::string to_text(const SystemdUnits::Property& property, uint64_t value) {
  return value == UINT64_MAX ? std::string(property.no_number) : std::to_string(value);
}

Result<uint64_t> parse_value(const SystemdUnits::Setting& setting, std::string_view text) {
  if (text == setting.property->no_number) return UINT64_MAX;
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && rest == end && number != UINT64_MAX) return number;
  return refusal(ErrorCode::invalid_argument, "'" + std::string(text) + "' is no number for " +
                                                  std::string(setting.property->name));
}

/// A disk that is named by anything else could be this one: which value holds nobody can tell.
Status check_names(const SystemdUnits::Setting& setting, const std::vector<DiskValue>& values) {
  for (const DiskValue& one : values) {
    const std::string_view path = one.path;
    constexpr std::string_view devices = "/dev/";
    if (path.starts_with(devices) && is_device_name(path.substr(devices.size()))) continue;
    return refusal(ErrorCode::unsupported, setting.unit + " has " +
                                               std::string(setting.property->name) + " of '" +
                                               one.path + "', which names no disk by itself");
  }
  return {};
}

Result<std::vector<DiskValue>> disk_values(SystemdManager& manager, const std::string& object,
                                           const SystemdUnits::Setting& setting) {
  auto values = manager.disk_values(object, setting.interface, setting.property->name.data());
  if (!values) return values;
  const Status named = check_names(setting, values.value());
  if (!named) return named.error();
  return values;
}

Result<uint64_t> value_of(SystemdManager& manager, const std::string& object,
                          const SystemdUnits::Setting& setting) {
  if (setting.disk.empty()) {
    return manager.number(object, setting.interface, setting.property->name.data());
  }
  const auto values = disk_values(manager, object, setting);
  if (!values) return values.error();
  for (const DiskValue& one : values.value()) {
    if (one.path == setting.disk) return one.value;
  }
  return UINT64_MAX;
}

/// All of the property, fit for comparing: one drop-in holds it for all disks.
Result<std::string> whole_property(SystemdManager& manager, const std::string& object,
                                   const SystemdUnits::Setting& setting) {
  if (setting.disk.empty()) {
    const auto value = value_of(manager, object, setting);
    if (!value) return value.error();
    return std::to_string(value.value());
  }
  auto values = disk_values(manager, object, setting);
  if (!values) return values.error();
  std::vector<std::string> lines;
  for (const DiskValue& one : values.value()) {
    if (one.value != UINT64_MAX) lines.push_back(one.path + " " + std::to_string(one.value));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

SystemdUnits::SystemdUnits(const KernelFs& kernel, Options options)
    : kernel_(kernel), options_(std::move(options)), traces_(options_.traces) {}

Status SystemdUnits::check_owner(const Setting& setting, const std::string& control_group) const {
  if (options_.allow_kubernetes) return {};
  if (!is_kubernetes(setting.unit) && !is_kubernetes(control_group)) return {};
  return refusal(ErrorCode::permission, setting.unit + " is left alone: the kubelet owns it");
}

Result<std::string> SystemdUnits::object_of(SystemdManager& manager, const Setting& setting,
                                            bool is_ours) {
  auto object = manager.get_unit(setting.unit);
  const bool is_unloaded = !object && object.error().code == ErrorCode::not_found;
  return is_unloaded && is_ours ? manager.load_unit(setting.unit) : object;
}

Status SystemdUnits::check_state(SystemdManager& manager, const std::string& object,
                                 const Setting& setting, const std::optional<UnitTrace>& trace) {
  const auto loaded = manager.text(object, unit_interface, "LoadState");
  if (!loaded) return loaded.error();
  if (loaded.value() != "loaded") {
    // The unit has gone for good; the next one of that name shall not inherit what we set.
    if (trace && trace->made) erase(trace->drop_in, setting);
    traces_.forget(setting.trace);
    return refusal(ErrorCode::not_found, setting.unit + " is " + loaded.value());
  }
  // What is ours is put back whatever became of the unit.
  if (trace) return {};
  const auto active = manager.text(object, unit_interface, "ActiveState");
  if (!active) return active.error();
  constexpr std::array<std::string_view, 4> alive = {"active", "activating", "reloading",
                                                     "refreshing"};
  if (std::find(alive.begin(), alive.end(), active.value()) == alive.end()) {
    return refusal(ErrorCode::not_found, setting.unit + " is " + active.value());
  }
  const auto control_group = manager.text(object, setting.interface, "ControlGroup");
  return control_group ? check_owner(setting, control_group.value()) : control_group.error();
}

Result<SystemdUnits::Found> SystemdUnits::find(const Setting& setting) {
  std::optional<UnitTrace> trace = traces_.find(setting.trace);
  if (!trace) {
    const Status owner = check_owner(setting, {});
    if (!owner) return owner.error();
  }
  auto manager = SystemdManager::connect(options_.address);
  if (!manager) return manager.error();
  auto object = object_of(manager.value(), setting, trace.has_value());
  if (!object) return object.error();
  const Status state = check_state(manager.value(), object.value(), setting, trace);
  if (!state) return state.error();
  return Found{std::move(manager).value(), std::move(object).value(), std::move(trace)};
}

Result<std::string> SystemdUnits::read(std::string_view rest) {
  const auto setting = parse_setting(rest);
  if (!setting) return setting.error();
  const std::lock_guard lock(mutex_);
  auto found = find(setting.value());
  if (!found) return found.error();
  const auto value = value_of(found.value().manager, found.value().object, setting.value());
  if (!value) return value.error();
  return to_text(*setting.value().property, value.value());
}

Status SystemdUnits::write(std::string_view rest, std::string_view text) {
  const auto parsed = parse_setting(rest);
  if (!parsed) return parsed.error();
  const Setting& setting = parsed.value();
  const auto value = parse_value(setting, text);
  if (!value) return value.error();
  // systemd would take a disk that is not there, and do nothing.
  if (value.value() != UINT64_MAX && !setting.disk.empty() &&
      !kernel_.exists("sys/block/" + setting.disk.substr(setting.disk.rfind('/') + 1))) {
    return refusal(ErrorCode::not_found, "no disk " + setting.disk);
  }
  const std::lock_guard lock(mutex_);
  auto found = find(setting);
  if (!found) return found.error();
  return change(found.value(), setting, value.value());
}

Status SystemdUnits::change(Found& found, const Setting& setting, uint64_t value) {
  const bool is_first = !found.trace.has_value();
  if (is_first) {
    const auto original = whole_property(found.manager, found.object, setting);
    if (!original) return original.error();
    const auto drop_in = drop_in_of(found, setting);
    if (!drop_in) return drop_in.error();
    found.trace = UnitTrace{drop_in.value().empty(), {}, {}, original.value()};
    Status saved = traces_.save(setting.trace, *found.trace);
    if (!saved) return saved;
  }
  const char* const name = setting.property->name.data();
  Status done = setting.disk.empty()
                    ? found.manager.set_number(setting.unit, name, value)
                    : found.manager.set_disk_value(setting.unit, name, {setting.disk, value});
  if (done) return settle(found, setting);
  // After a time-out nobody knows; any other answer says that nothing was changed.
  if (is_first && done.error().code != ErrorCode::timeout) traces_.forget(setting.trace);
  return done;
}

Status SystemdUnits::settle(Found& found, const Setting& setting) {
  const auto now = whole_property(found.manager, found.object, setting);
  if (!now) return now.error();
  const auto drop_in = drop_in_of(found, setting);
  if (!drop_in) return drop_in.error();
  if (now.value() == found.trace->original) {
    if (found.trace->made) erase(drop_in.value(), setting);
    traces_.forget(setting.trace);
    return {};
  }
  found.trace->drop_in = drop_in.value();
  found.trace->identity = file_identity(drop_in.value());
  return traces_.save(setting.trace, *found.trace);
}

Result<std::string> SystemdUnits::drop_in_of(Found& found, const Setting& setting) const {
  const auto paths = found.manager.texts(found.object, unit_interface, "DropInPaths");
  if (!paths) return paths.error();
  const std::string name = "/50-" + std::string(setting.property->name) + ".conf";
  for (const std::string& path : paths.value()) {
    const bool is_runtime = path.starts_with(options_.runtime_directory + "/");
    // systemd goes on listing one that was removed until it is told to reload.
    if (is_runtime && path.ends_with(name) && !file_identity(path).empty()) return path;
  }
  return std::string();
}

void SystemdUnits::erase(const std::string& drop_in, const Setting& setting) const {
  const std::filesystem::path path(drop_in);
  if (path.parent_path().filename() != setting.unit + ".d") return;
  unlink(path.c_str());
  rmdir(path.parent_path().c_str());  // only where nothing else is in it
}

}  // namespace tuneshift
