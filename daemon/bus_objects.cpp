// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/bus_objects.h"

#include <systemd/sd-bus.h>

#include <array>
#include <cstdlib>
#include <sstream>

#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr std::array queue_files = {"scheduler",  "nr_requests", "read_ahead_kb", "max_sectors_kb",
                                    "rotational", "rq_affinity", "nomerges",      "wbt_lat_usec"};

std::string device_path(const std::string& name) {
  char* encoded = nullptr;
  if (sd_bus_path_encode("/org/tuneshift1/device", name.c_str(), &encoded) < 0) return "";
  std::string path = encoded;
  free(encoded);  // NOLINT: sd-bus hands out malloc'ed memory
  return path;
}

template <typename Text>
std::vector<std::string> list_of(const Text& set) {
  return {set.begin(), set.end()};
}

BusRows reader_rows(const LoadView& load) {
  BusRows rows;
  for (const LoadReaderView& one : load.readers) {
    rows.push_back({{"pid", sdbus::Variant(one.pid)},
                    {"command", sdbus::Variant(one.command)},
                    {"path", sdbus::Variant(one.path)},
                    {"missed", sdbus::Variant(one.missed_bytes)},
                    {"size", sdbus::Variant(one.file_bytes)}});
  }
  return rows;
}

/// Empty where the load is too old to be kept.
const LoadView& view_of(const BusContext& context, uint32_t id) {
  static const LoadView none;
  const LoadView* found = context.tuner.loads().find(id);
  return found != nullptr ? *found : none;
}

}  // namespace

LoadObject::LoadObject(sdbus::IConnection& connection, BusContext& context, Authorizer& authorizer,
                       uint32_t id)
    : AdaptorInterfaces(connection,
                        sdbus::ObjectPath("/org/tuneshift1/load/" + std::to_string(id))),
      context_(context),
      authorizer_(authorizer),
      id_(id) {
  registerAdaptor();
  emitInterfacesAddedSignal();
}

LoadObject::~LoadObject() {
  try {
    emitInterfacesRemovedSignal();
  } catch (const sdbus::Error&) {  // NOLINT(bugprone-empty-catch): the bus itself may be gone
  }
  unregisterAdaptor();
}

void LoadObject::tell_changed() {
  bus::tell_changed(getObject(), Load_adaptor::INTERFACE_NAME,
                    {"State", "Devices", "BytesTotal", "Finished", "Assistance"});
}

const LoadView& LoadObject::view() const {
  return view_of(context_, id_);
}

std::string LoadObject::State() {
  return view().state;
}

std::vector<std::string> LoadObject::Devices() {
  return list_of(view().devices);
}

uint64_t LoadObject::BytesTotal() {
  return view().total_bytes;
}

uint64_t LoadObject::BytesLoaded() {
  return view().loaded_bytes;
}

uint64_t LoadObject::Rate() {
  return view().rate;
}

uint64_t LoadObject::TimeLeft() {
  return time_left_us(view());
}

uint64_t LoadObject::Started() {
  return view().started_us;
}

uint64_t LoadObject::Finished() {
  return view().finished_us;
}

std::string LoadObject::Assistance() {
  return view().assistance;
}

void LoadObject::Describe(sdbus::Result<BusRow>&& result) {
  auto shared = share(std::move(result));
  const std::string sender = bus::sender_of(getObject());
  // Not with `this`: the load may be too old to be kept by then.
  const auto describe = [&context = context_, id = id_, shared](const sdbus::Error* refusal,
                                                                uint32_t) {
    if (refusal != nullptr) {
      reply_error(shared, *refusal);
      return;
    }
    const LoadView& load = view_of(context, id);
    const std::vector<uint32_t> processes(load.processes.begin(), load.processes.end());
    reply(shared, BusRow{{"id", sdbus::Variant(load.id)},
                         {"model", sdbus::Variant(load.model)},
                         {"format", sdbus::Variant(load.format)},
                         {"processes", sdbus::Variant(processes)},
                         {"commands", sdbus::Variant(list_of(load.commands))},
                         {"cgroup", sdbus::Variant(load.cgroup)},
                         {"workload", sdbus::Variant(load.workload)},
                         {"files", sdbus::Variant(list_of(load.files))},
                         {"pattern", sdbus::Variant(load.pattern)},
                         {"evidence", sdbus::Variant(load.evidence)},
                         {"shards", sdbus::Variant(load.shards)},
                         {"rate_before", sdbus::Variant(load.rate_before)},
                         {"rate_after", sdbus::Variant(load.rate_after)},
                         {"saved_us", sdbus::Variant(load.saved_us)},
                         {"assistance", sdbus::Variant(load.assistance)},
                         {"readers", sdbus::Variant(reader_rows(load))},
                         {"missed", sdbus::Variant(load.missed_bytes)},
                         {"refaulted", sdbus::Variant(load.refaulted_bytes)},
                         {"evicted", sdbus::Variant(load.evicted_bytes)},
                         {"major_faults", sdbus::Variant(load.major_faults)},
                         {"warning", sdbus::Variant(load.warning)}});
  };
  authorizer_.check(sender, "org.tuneshift1.inspect", describe);
}

void LoadObject::Cancel(sdbus::Result<>&& result) {
  auto shared = share(std::move(result));
  const std::string sender = bus::sender_of(getObject());
  const auto cancel = [&context = context_, id = id_, shared](const sdbus::Error* refusal,
                                                              uint32_t) {
    if (refusal != nullptr) {
      reply_error(shared, *refusal);
      return;
    }
    auto done = context.tuner.cancel_load(id);
    if (done.ok()) {
      reply(shared);
    } else {
      reply_error(shared, invalid_argument(done.error().message));
    }
  };
  authorizer_.check(sender, "org.tuneshift1.configure", cancel);
}

DeviceObject::DeviceObject(sdbus::IConnection& connection, BusContext& context,
                           const std::string& name)
    : AdaptorInterfaces(connection, sdbus::ObjectPath(device_path(name))),
      context_(context),
      name_(name) {
  registerAdaptor();
  emitInterfacesAddedSignal();
}

DeviceObject::~DeviceObject() {
  try {
    emitInterfacesRemovedSignal();
  } catch (const sdbus::Error&) {  // NOLINT(bugprone-empty-catch): the bus itself may be gone
  }
  unregisterAdaptor();
}

std::string DeviceObject::Model() {
  return escape(read_disk_facts(context_.kernel, name_).model, 128);
}

std::string DeviceObject::Transport() {
  return read_disk_facts(context_.kernel, name_).transport;
}

std::map<std::string, std::string> DeviceObject::Queue() {
  std::map<std::string, std::string> queue;
  for (const char* file : queue_files) {
    auto value = context_.kernel.read("sys/block/" + name_ + "/queue/" + file);
    if (value.ok()) queue[file] = escape(value.value());
  }
  return queue;
}

LatencyHistogram DeviceObject::latency() const {
  auto device = context_.kernel.read("sys/block/" + name_ + "/dev");
  unsigned major = 0, minor = 0;
  if (!device.ok()) return {};
  char colon = 0;
  std::istringstream(device.value()) >> major >> colon >> minor;
  return context_.probes.latency(major, minor);
}

std::vector<uint64_t> DeviceObject::ReadLatency() {
  return latency().read.device;
}

std::vector<uint64_t> DeviceObject::WriteLatency() {
  return latency().write.device;
}

std::vector<uint64_t> DeviceObject::ReadQueueLatency() {
  return latency().read.queue;
}

std::vector<uint64_t> DeviceObject::WriteQueueLatency() {
  return latency().write.queue;
}

std::vector<uint64_t> DeviceObject::ReadSizes() {
  return latency().read.sizes;
}

std::vector<uint64_t> DeviceObject::WriteSizes() {
  return latency().write.sizes;
}

}  // namespace tuneshift
