// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/handover.h"

#include <yaml-cpp/yaml.h>

#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr int version = 1;

void emit(YAML::Emitter& out, const Handover::Hold& hold) {
  out << YAML::BeginMap << YAML::Key << "cookie" << hold.cookie << YAML::Key << "profile"
      << YAML::DoubleQuoted << hold.profile << YAML::Key << "reason" << YAML::DoubleQuoted
      << hold.reason << YAML::Key << "sender" << YAML::DoubleQuoted << hold.sender << YAML::Key
      << "uid" << hold.uid << YAML::Key << "since_us" << hold.since_us << YAML::Key << "until_us"
      << hold.until_us << YAML::Key << "until_ns" << hold.until_ns << YAML::Key
      << "dies_with_sender" << hold.dies_with_sender << YAML::Key << "pid" << hold.pid << YAML::Key
      << "pidfd" << hold.pidfd << YAML::Key << "devices" << hold.devices << YAML::EndMap;
}

void emit(YAML::Emitter& out, const Store& store) {
  out << YAML::BeginMap << YAML::Key << "bdi" << YAML::DoubleQuoted << store.bdi << YAML::Key
      << "read_ahead_knob" << YAML::DoubleQuoted << store.read_ahead_knob << YAML::Key << "disks"
      << store.disks << YAML::Key << "stack" << store.stack << YAML::Key << "file_system"
      << YAML::DoubleQuoted << store.file_system << YAML::EndMap;
}

template <typename Rows>
void emit_list(YAML::Emitter& out, const char* key, const Rows& rows);

void emit(YAML::Emitter& out, const Handover::Process& process) {
  out << YAML::BeginMap << YAML::Key << "pid" << process.id.pid << YAML::Key << "start_ns"
      << process.id.start_ns << YAML::Key << "loads" << process.loads;
  emit_list(out, "stores", process.stores);
  out << YAML::EndMap;
}

void emit(YAML::Emitter& out, const Handover::Knob& knob) {
  out << YAML::BeginMap << YAML::Key << "name" << YAML::DoubleQuoted << knob.name << YAML::Key
      << "written" << YAML::DoubleQuoted << knob.written << YAML::Key << "refused"
      << YAML::DoubleQuoted << knob.refused << YAML::Key << "moved_by" << YAML::DoubleQuoted
      << knob.moved_by << YAML::Key << "yielded" << knob.yielded << YAML::Key << "why"
      << YAML::DoubleQuoted << knob.why << YAML::Key << "original" << YAML::DoubleQuoted
      << knob.original << YAML::Key << "device" << YAML::DoubleQuoted << knob.device << YAML::Key
      << "gave_up" << knob.gave_up << YAML::Key << "writer" << YAML::DoubleQuoted << knob.writer
      << YAML::EndMap;
}

template <typename Rows>
void emit_list(YAML::Emitter& out, const char* key, const Rows& rows) {
  out << YAML::Key << key << YAML::BeginSeq;
  for (const auto& row : rows) emit(out, row);
  out << YAML::EndSeq;
}

template <typename T>
void read(const YAML::Node& map, const char* key, T& value) {
  value = map[key].as<T>();
}

void read(const YAML::Node& map, const char* key, Mode& mode) {
  if (!parse_mode(map[key].as<std::string>(), mode))
    throw YAML::Exception(map[key].Mark(), "no such mode");
}

Handover::Hold read_hold(const YAML::Node& map) {
  Handover::Hold hold;
  read(map, "cookie", hold.cookie);
  read(map, "profile", hold.profile);
  read(map, "reason", hold.reason);
  read(map, "sender", hold.sender);
  read(map, "uid", hold.uid);
  read(map, "since_us", hold.since_us);
  read(map, "until_us", hold.until_us);
  read(map, "until_ns", hold.until_ns);
  read(map, "dies_with_sender", hold.dies_with_sender);
  read(map, "pid", hold.pid);
  read(map, "pidfd", hold.pidfd);
  read(map, "devices", hold.devices);
  return hold;
}

Store read_store(const YAML::Node& map) {
  Store store;
  read(map, "bdi", store.bdi);
  read(map, "read_ahead_knob", store.read_ahead_knob);
  read(map, "disks", store.disks);
  read(map, "stack", store.stack);
  read(map, "file_system", store.file_system);
  return store;
}

Handover::Process read_process(const YAML::Node& map) {
  Handover::Process process;
  read(map, "pid", process.id.pid);
  read(map, "start_ns", process.id.start_ns);
  read(map, "loads", process.loads);
  for (const auto& row : map["stores"]) process.stores.push_back(read_store(row));
  return process;
}

Handover::Knob read_knob(const YAML::Node& map) {
  Handover::Knob knob;
  read(map, "name", knob.name);
  read(map, "written", knob.written);
  read(map, "refused", knob.refused);
  read(map, "moved_by", knob.moved_by);
  read(map, "yielded", knob.yielded);
  read(map, "why", knob.why);
  read(map, "original", knob.original);
  read(map, "device", knob.device);
  read(map, "gave_up", knob.gave_up);
  // The daemon before an upgrade may not tell it.
  if (map["writer"]) read(map, "writer", knob.writer);
  return knob;
}

Handover read_all(const YAML::Node& root) {
  if (const int other = root["version"].as<int>(); other != version)
    throw YAML::Exception(root["version"].Mark(), "version " + std::to_string(other));
  Handover handover;
  read(root, "mode", handover.mode);
  read(root, "configured_mode", handover.configured_mode);
  read(root, "mode_before_pause", handover.mode_before_pause);
  read(root, "pause_until_ns", handover.pause_until_ns);
  read(root, "switched_profile", handover.switched_profile);
  read(root, "last_cookie", handover.last_cookie);
  for (const auto& row : root["holds"]) handover.holds.push_back(read_hold(row));
  for (const auto& row : root["processes"]) handover.processes.push_back(read_process(row));
  for (const auto& row : root["knobs"]) handover.knobs.push_back(read_knob(row));
  read(root, "yields", handover.yields);
  return handover;
}

}  // namespace

std::string to_text(const Handover& handover) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "version" << version << YAML::Key << "mode"
      << to_string(handover.mode) << YAML::Key << "configured_mode"
      << to_string(handover.configured_mode) << YAML::Key << "mode_before_pause"
      << to_string(handover.mode_before_pause) << YAML::Key << "pause_until_ns"
      << handover.pause_until_ns << YAML::Key << "switched_profile" << YAML::DoubleQuoted
      << handover.switched_profile << YAML::Key << "last_cookie" << handover.last_cookie;
  emit_list(out, "holds", handover.holds);
  emit_list(out, "processes", handover.processes);
  emit_list(out, "knobs", handover.knobs);
  out << YAML::Key << "yields" << handover.yields << YAML::EndMap;
  return out.c_str();
}

Result<Handover> parse_handover(const std::string& text) {
  try {
    return read_all(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return Error{ErrorCode::invalid_argument,
                 std::string("not the state of a daemon: ") + escape(error.what()),
                 {},
                 0};
  }
}

}  // namespace tuneshift
