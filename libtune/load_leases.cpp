// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/load_leases.h"

namespace tuneshift {

void LoadLeases::on_change(const LoadChange& change, const Load* load) {
  switch (change.kind) {
    case LoadChangeKind::suspected:
    case LoadChangeKind::look_again:
    case LoadChangeKind::progress:
      break;
    case LoadChangeKind::recognised:
      add_suspect(change.reader);
      break;
    case LoadChangeKind::dormant:
    case LoadChangeKind::forgotten:
    case LoadChangeKind::rejected:
      end_suspect(change.reader);
      break;
    case LoadChangeKind::started:
    case LoadChangeKind::joined:
      add_load(change);
      break;
    case LoadChangeKind::finished:
    case LoadChangeKind::abandoned:
      if (load != nullptr) end_load(*load);
      break;
    case LoadChangeKind::serving:
      end_suspect(change.reader);
      serve(change.reader.process, {store_of_(change.reader)});
      break;
  }
}

void LoadLeases::add_suspect(const Reader& reader) {
  if (suspects_.contains(reader)) return;
  Lease lease;
  lease.kind = LeaseKind::suspect;
  lease.profile = loading_profile_;
  lease.owner = suspect_name(reader.process);
  lease.reason = "reads a model file";
  lease.stores = {store_of_(reader)};
  suspects_[reader] = policy_.add(std::move(lease));
}

void LoadLeases::end_suspect(const Reader& reader) {
  const auto suspect = suspects_.find(reader);
  if (suspect == suspects_.end()) return;
  policy_.remove(suspect->second);
  suspects_.erase(suspect);
}

void LoadLeases::add_load(const LoadChange& change) {
  const Store store = store_of_(change.reader);
  if (const auto known = loads_.find(change.load); known != loads_.end()) {
    policy_.extend(known->second, store);
  } else {
    Lease lease;
    lease.kind = LeaseKind::load;
    lease.profile = loading_profile_;
    lease.owner = load_name(change.load);
    lease.reason = "loads a model";
    lease.stores = {store};
    loads_[change.load] = policy_.add(std::move(lease));
  }
  end_suspect(change.reader);
}

void LoadLeases::end_load(const Load& load) {
  std::vector<Store> stores;
  if (const auto known = loads_.find(load.id); known != loads_.end()) {
    if (const Lease* lease = policy_.lease(known->second)) stores = lease->stores;
    policy_.remove(known->second);
    loads_.erase(known);
  }
  if (load.state != Load::State::finished) return;
  for (const ProcessId& process : load.processes) serve(process, stores);
}

void LoadLeases::serve(const ProcessId& process, const std::vector<Store>& stores) {
  uint64_t& id = servers_[process];
  for (const Store& store : stores) policy_.extend(id, store);
  if (id != 0) return;
  Lease lease;
  lease.kind = LeaseKind::server;
  lease.profile = serving_profile_;
  lease.owner = server_name(process);
  lease.reason = "serves a model";
  lease.stores = stores;
  id = policy_.add(std::move(lease));
}

bool LoadLeases::on_process_gone(const ProcessId& process) {
  for (auto it = suspects_.lower_bound(Reader{process, FileId{}});
       it != suspects_.end() && it->first.process == process; it = suspects_.erase(it)) {
    policy_.remove(it->second);
  }
  const auto server = servers_.find(process);
  if (server == servers_.end()) return false;
  policy_.remove(server->second);
  servers_.erase(server);
  return true;
}

std::string LoadLeases::suspect_name(const ProcessId& process) {
  return "suspect " + std::to_string(process.pid);
}

std::string LoadLeases::load_name(uint32_t load) {
  return "load " + std::to_string(load);
}

std::string LoadLeases::server_name(const ProcessId& process) {
  return "server " + std::to_string(process.pid);
}

}  // namespace tuneshift
