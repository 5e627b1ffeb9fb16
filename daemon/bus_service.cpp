// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/bus_service.h"

#include <set>
#include <utility>

#include "daemon/bus_manager.h"
#include "daemon/bus_objects.h"

namespace tuneshift {

namespace {

/// Signals to a bus that is just going away are lost like those of a moment later.
template <typename Emit>
void emit(Emit emit_signal) {
  try {
    emit_signal();
  } catch (const sdbus::Error&) {  // NOLINT(bugprone-empty-catch): the connection tells by itself
  }
}

}  // namespace

BusService::BusService(BusContext context)
    : context_(std::move(context)),
      connection_(
          context_.loop, "org.tuneshift1",
          {[this](sdbus::IConnection& connection) { connected(connection); },
           [this](std::shared_ptr<sdbus::IConnection> connection) { lost(std::move(connection)); },
           [this](const std::string& problem) { context_.recorder.warn(problem); }}) {
  TunerObserver observer;
  observer.load_added = [this](uint32_t id) { emit([&] { add_load(id); }); };
  observer.load_changed = [this](uint32_t id) {
    auto load = loads_.find(id);
    if (load != loads_.end()) emit([&] { load->second->tell_changed(); });
  };
  observer.load_removed = [this](uint32_t id) { loads_.erase(id); };
  observer.state_changed = [this] {
    if (manager_) emit([&] { manager_->tell_state(); });
  };
  observer.profile_applied = [this](const std::string& profile, const std::string& reason,
                                    uint32_t written, uint32_t failed) {
    if (manager_) emit([&] { manager_->emitProfileApplied(profile, reason, written, failed); });
  };
  observer.knob_yielded = [this](const Change& change) {
    if (manager_) emit([&] { manager_->emitKnobYielded(change.knob, change.from, change.to); });
  };
  context_.tuner.set_observer(std::move(observer));
  const auto forget = [this](const std::string& sender) { forget_sender(sender); };
  context_.holds.sender_forgotten = forget;
  context_.traces.sender_forgotten = forget;
}

BusService::~BusService() {
  context_.tuner.set_observer({});
  context_.holds.sender_forgotten = nullptr;
  context_.traces.sender_forgotten = nullptr;
}

void BusService::start() {
  connection_.start();
}

void BusService::connected(sdbus::IConnection& connection) {
  authorizer_ = std::make_unique<Authorizer>(connection);
  context_.tuned.connected(connection);
  bus_ = bus::proxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus");
  manager_ =
      std::make_unique<ManagerObject>(connection, context_, *authorizer_,
                                      [this](const std::string& sender) { watch_sender(sender); });
  // Those of a daemon before this one in the same process.
  for (const auto& [cookie, hold] : context_.holds.all()) {
    if (hold.dies_with_sender) watch_sender(hold.sender);
  }
  for (const auto& [id, view] : context_.tuner.loads().all()) {
    loads_[id] = std::make_unique<LoadObject>(connection, context_, *authorizer_, id);
  }
  for (const std::string& disk : list_disks(context_.kernel)) {
    devices_[disk] = std::make_unique<DeviceObject>(connection, context_, disk);
  }
}

void BusService::lost(std::shared_ptr<sdbus::IConnection> connection) {
  context_.tuned.lost();
  senders_.clear();
  forgotten_.clear();
  devices_.clear();
  loads_.clear();
  manager_.reset();
  bus_.reset();
  authorizer_.reset();
  context_.holds.all_senders_gone();
  context_.traces.all_senders_gone();
  // Jobs under way hold messages of this connection: it goes after the last of them.
  context_.writer.retire(std::move(connection));
}

void BusService::add_load(uint32_t id) {
  if (auto* connection = connection_.get()) {
    loads_[id] = std::make_unique<LoadObject>(*connection, context_, *authorizer_, id);
  }
}

void BusService::watch_sender(const std::string& sender) {
  forgotten_.clear();
  auto* connection = connection_.get();
  if (connection == nullptr || senders_.contains(sender)) return;
  // Unique names are never reused: an owner change of one is its end.
  senders_[sender] =
      bus::add_match(*connection,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" +
                         sender + "'",
                     [this, sender](sdbus::Message&) { sender_gone(sender); });
  // It may have left before the match was there: then nobody tells.
  bus_->callMethodAsync("NameHasOwner")
      .onInterface("org.freedesktop.DBus")
      .withArguments(sender)
      .uponReplyInvoke([this, sender](bus::MaybeError error, bool present) {
        if (!error && !present) sender_gone(sender);
      });
}

void BusService::sender_gone(const std::string& sender) {
  context_.traces.sender_gone(sender);
  context_.holds.sender_gone(sender);
  forget_sender(sender);
}

void BusService::forget_sender(const std::string& sender) {
  if (context_.traces.has(sender) || context_.holds.depends_on(sender)) return;
  auto watched = senders_.extract(sender);
  // This may run in the match's own callback: it is destroyed later.
  if (watched) forgotten_.push_back(std::move(watched.mapped()));
}

void BusService::refresh_devices() {
  auto* connection = connection_.get();
  if (connection == nullptr) return;
  const auto disks = list_disks(context_.kernel);
  const std::set<std::string> present(disks.begin(), disks.end());
  std::erase_if(devices_, [&](const auto& entry) { return !present.contains(entry.first); });
  for (const std::string& disk : present) {
    if (devices_.contains(disk)) continue;
    emit([&] { devices_[disk] = std::make_unique<DeviceObject>(*connection, context_, disk); });
  }
}

}  // namespace tuneshift
