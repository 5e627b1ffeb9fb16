// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <concepts>
#include <type_traits>

#include "libtune/trace.h"

namespace tuneshift {

// The keys of each kind of line, once for writing and parsing: `archive(key, value)` may be left
// out of a line, `archive.need(key, value)` may not.

template <typename T, typename Of>
concept Some = std::same_as<std::remove_const_t<T>, Of>;

template <typename Body>
constexpr const char* trace_kind = nullptr;
template <>
inline constexpr const char* trace_kind<TraceOrigin> = "origin";
template <>
inline constexpr const char* trace_kind<TraceSettings> = "settings";
template <>
inline constexpr const char* trace_kind<TraceMachine> = "machine";
template <>
inline constexpr const char* trace_kind<TraceDisk> = "disk";
template <>
inline constexpr const char* trace_kind<TraceStore> = "store";
template <>
inline constexpr const char* trace_kind<Event> = "event";
template <>
inline constexpr const char* trace_kind<TraceFacts> = "facts";
template <>
inline constexpr const char* trace_kind<TraceFailure> = "failed";
template <>
inline constexpr const char* trace_kind<TraceSample> = "sample";
template <>
inline constexpr const char* trace_kind<TraceBytes> = "bytes";
template <>
inline constexpr const char* trace_kind<TraceConsumed> = "consumed";
template <>
inline constexpr const char* trace_kind<TraceGone> = "gone";
template <>
inline constexpr const char* trace_kind<TraceTimer> = "timer";
template <>
inline constexpr const char* trace_kind<TraceCancel> = "cancel";
template <>
inline constexpr const char* trace_kind<TraceDecision> = "decided";
template <>
inline constexpr const char* trace_kind<TraceLost> = "lost";
template <>
inline constexpr const char* trace_kind<TraceEnd> = "end";
template <>
inline constexpr const char* trace_kind<TraceLabel> = "label";

template <typename Archive>
void fields(Archive& archive, Some<TraceOrigin> auto& origin) {
  archive("version", origin.version);
  archive("kernel", origin.kernel);
  archive("hashed", origin.hashed);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceSettings> auto& settings) {
  archive("settle_ms", settings.settle_ms);
  archive("size_floor", settings.size_floor_bytes);
  archive("dwell_ms", settings.dwell_ms);
  archive("writes_per_hour", settings.writes_per_hour);
  archive("mode", settings.mode);
  archive("loading", settings.loading_profile);
  archive("serving", settings.serving_profile);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceMachine> auto& machine) {
  archive("memory", machine.memory_bytes);
  archive("cpu_vendor", machine.cpu_vendor);
  archive("virtualization", machine.virtualization);
  archive("cpu_policies", machine.cpu_policies);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceDisk> auto& disk) {
  archive.need("name", disk.name);
  archive("transport", disk.facts.transport);
  archive("model", disk.facts.model);
  archive("driver", disk.facts.driver);
  archive("rotational", disk.facts.rotational);
  archive("virtual", disk.facts.is_virtual);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceStore> auto& store) {
  archive.need("major", store.device_major);
  archive.need("minor", store.device_minor);
  archive("bdi", store.store.bdi);
  archive("read_ahead", store.store.read_ahead_knob);
  archive("disks", store.store.disks);
  archive("stack", store.store.stack);
  archive("file_system", store.store.file_system);
}

template <typename Archive>
void fields(Archive& archive, Some<Event> auto& event) {
  archive.need("reader", event.reader);
  archive.need("evidence", event.evidence);
  archive("first_ns", event.first_ns);
  archive("bytes", event.bytes);
  archive("size", event.file_size);
  archive("sequential", event.sequential);
  archive("jumps", event.jumps);
  archive("block_device", event.has_block_device);
  archive("command", event.command);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceFacts> auto& input) {
  auto& facts = input.facts;
  archive.need("reader", input.reader);
  archive("format", facts.format);
  archive("detail", facts.detail);
  archive("path", facts.path);
  archive("size", facts.file_size);
  archive("resident", facts.resident_bytes);
  archive("mapped", facts.mapped);
  archive("descriptors", facts.descriptors);
  archive("model", facts.model);
  archive("model_bytes", facts.model_bytes);
  archive("shards", facts.shards);
  archive("gpu", facts.holds_gpu);
  archive("uid", facts.uid);
  archive("cgroup", facts.cgroup);
  archive("command_line", facts.command_line);
  archive("role", facts.role);
  archive("rule", facts.rule);
  archive("rule_role", facts.rule_role);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceFailure> auto& failure) {
  archive.need("reader", failure.reader);
  archive.need("code", failure.code);
  archive("message", failure.message);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceSample> auto& input) {
  archive.need("reader", input.reader);
  archive("anonymous", input.sample.anonymous_bytes);
  archive("file", input.sample.file_bytes);
  archive("read", input.sample.read_bytes);
  archive("written", input.sample.written_bytes);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceBytes> auto& input) {
  archive.need("reader", input.reader);
  archive.need("bytes", input.bytes);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceConsumed> auto& input) {
  archive.need("reader", input.reader);
  archive.need("bytes", input.bytes);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceGone> auto& input) {
  archive.need("process", input.process);
}

template <typename Archive>
void fields(Archive&, Some<TraceTimer> auto&) {}

template <typename Archive>
void fields(Archive& archive, Some<TraceCancel> auto& input) {
  archive.need("load", input.load);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceDecision> auto& decision) {
  archive.need("kind", decision.change.kind);
  archive.need("reader", decision.change.reader);
  archive("load", decision.change.load);
  archive("reason", decision.change.reason);
}

template <typename Archive>
void fields(Archive& archive, Some<TraceLost> auto& lost) {
  archive.need("lines", lost.lines);
}

template <typename Archive>
void fields(Archive&, Some<TraceEnd> auto&) {}

template <typename Archive>
void fields(Archive& archive, Some<TraceLabel> auto& label) {
  archive.need("pid", label.pid);
  archive.need("is", label.is);
  archive("name", label.name);
  archive("within_ms", label.within_ms);
}

}  // namespace tuneshift
