// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/bus_manager.h"

#include <limits.h>

#include <algorithm>

#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr const char* object_path = "/org/tuneshift1";
constexpr size_t longest_text = size_t{4} * PATH_MAX;  // as escaped
constexpr uint64_t longest_pause_s = 7ULL * 24 * 3600;

template <typename T>
T option(const sdbus::Variant& value, const std::string& name) {
  if (!value.containsValueOfType<T>()) {
    throw invalid_argument("option '" + escape(name, 64) + "' has the wrong type");
  }
  return value.get<T>();
}

/// What a question is about waits with it for polkit's answer.
void bound(const std::string& text) {
  if (text.size() > longest_text) throw invalid_argument("a path or name is too long");
}

[[noreturn]] void unknown_option(const std::string& name) {
  throw invalid_argument("no option '" + escape(name, 64) + "'");
}

sdbus::Error no_such_profile(const std::string& profile) {
  return bus_error({ErrorCode::not_found, "no profile '" + escape(profile, 64) + "'", {}, 0},
                   "NoSuchProfile");
}

/// What anybody is told: which process has a model open is not shown to all in /proc either.
std::string without_process(const std::string& owner) {
  if (owner.starts_with("load of process ")) return "a load";
  const std::string kind = owner.substr(0, owner.find(' '));
  return kind == "suspect" || kind == "server" ? "a " + kind : owner;
}

BusRow knob_row(const KnobStatus& knob) {
  return {{"knob", sdbus::Variant(knob.knob)},
          {"original", sdbus::Variant(escape(knob.original))},
          {"current", sdbus::Variant(escape(knob.current))},
          {"wanted", sdbus::Variant(escape(knob.wanted))},
          {"owner", sdbus::Variant(escape(knob.owner))},
          {"state", sdbus::Variant(std::string(to_string(knob.state)))},
          {"since", sdbus::Variant(knob.since_us)},
          {"why", sdbus::Variant(escape(knob.why))}};
}

BusRows knob_rows(const std::vector<KnobStatus>& knobs) {
  BusRows rows;
  for (const KnobStatus& knob : knobs) {
    rows.push_back(knob_row(knob));
    rows.back()["owner"] = sdbus::Variant(without_process(escape(knob.owner)));
  }
  return rows;
}

}  // namespace

ManagerObject::ManagerObject(sdbus::IConnection& connection, BusContext& context,
                             Authorizer& authorizer,
                             std::function<void(const std::string&)> watch_sender)
    : AdaptorInterfaces(connection, sdbus::ObjectPath(object_path)),
      context_(context),
      authorizer_(authorizer),
      watch_sender_(std::move(watch_sender)) {
  registerAdaptor();
}

ManagerObject::~ManagerObject() {
  unregisterAdaptor();
}

void ManagerObject::tell_state() {
  bus::tell_changed(getObject(), Manager_adaptor::INTERFACE_NAME,
                    {"Mode", "State", "Loads", "Servers", "ActiveProfiles"});
}

std::string ManagerObject::sender() {
  return bus::sender_of(getObject());
}

template <typename Result>
void ManagerObject::authorized(std::shared_ptr<Result> result, const std::string& action,
                               std::function<void(uint32_t uid)> allowed) {
  authorizer_.check(
      sender(), "org.tuneshift1." + action,
      [result, allowed = std::move(allowed)](const sdbus::Error* refusal, uint32_t uid) {
        if (refusal != nullptr) {
          reply_error(result, *refusal);
          return;
        }
        answer(result, [&] { allowed(uid); });
      });
}

template <typename Result>
void ManagerObject::ask_writer(std::shared_ptr<Result> result, Writer::Job job) {
  if (!context_.writer.query(std::move(job))) reply_error(result, busy());
}

std::string ManagerObject::Version() {
  return TUNESHIFT_VERSION;
}

std::string ManagerObject::Mode() {
  return to_string(context_.tuner.policy().mode());
}

std::string ManagerObject::State() {
  return to_string(context_.tuner.policy().state());
}

uint32_t ManagerObject::Loads() {
  return static_cast<uint32_t>(context_.tuner.policy().count(LeaseKind::load));
}

uint32_t ManagerObject::Servers() {
  return static_cast<uint32_t>(context_.tuner.servers());
}

std::vector<std::string> ManagerObject::ActiveProfiles() {
  return context_.tuner.policy().active_profiles();
}

std::map<std::string, sdbus::Struct<std::string, std::string>> ManagerObject::Probes() {
  std::map<std::string, sdbus::Struct<std::string, std::string>> tiers;
  for (const auto& [signal, state] : context_.probes.signals()) {
    tiers[signal] = {std::string(to_string(state.tier)), escape(state.why)};
  }
  return tiers;
}

uint64_t ManagerObject::DroppedEvents() {
  return context_.probes.dropped_events();
}

std::map<std::string, uint64_t> ManagerObject::Events() {
  return context_.recorder.counts();
}

std::map<std::string, uint64_t> ManagerObject::Totals() {
  const LoadTotals totals = context_.tuner.loads().totals();
  return {{"loaded_bytes", totals.loaded_bytes},
          {"helped_bytes", totals.helped_bytes},
          {"saved_us", totals.saved_us}};
}

std::vector<sdbus::Struct<std::string, std::string>> ManagerObject::ListProfiles() {
  std::vector<sdbus::Struct<std::string, std::string>> rows;
  for (const auto& [name, profile] : context_.tuner.policy().profiles()) {
    rows.emplace_back(name, escape(profile.summary));
  }
  return rows;
}

BusRows ManagerObject::ListHolds() {
  BusRows rows;
  for (const auto& [cookie, hold] : context_.holds.all()) {
    std::string holder = hold.dies_with_sender ? "bus " + hold.sender : "time";
    if (hold.pid != 0) holder = "process " + std::to_string(hold.pid);
    rows.push_back({{"cookie", sdbus::Variant(cookie)},
                    {"profile", sdbus::Variant(hold.profile)},
                    {"reason", sdbus::Variant(hold.reason)},
                    {"holder", sdbus::Variant(holder)},
                    {"uid", sdbus::Variant(hold.uid)},
                    {"since", sdbus::Variant(hold.since_us)},
                    {"until", sdbus::Variant(hold.until_us)},
                    {"devices", sdbus::Variant(hold.devices)}});
  }
  return rows;
}

Result<std::vector<Store>> ManagerObject::stores_of(const std::vector<std::string>& devices) {
  if (devices.empty()) return context_.tuner.machine().stores;
  const std::vector<Mount> mounts = read_host_mounts(context_.kernel);
  std::vector<Store> stores;
  for (const std::string& device : devices) {
    auto store = find_store_by_name(context_.kernel, device, mounts);
    if (!store.ok()) {
      return Error{ErrorCode::invalid_argument, "no device '" + escape(device, 64) + "'", {}, 0};
    }
    stores.push_back(std::move(store).value());
  }
  return stores;
}

void ManagerObject::Plan(sdbus::Result<BusRows>&& result, std::string profile, Options options) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    std::vector<std::string> devices;
    for (const auto& [name, value] : options) {
      if (name != "devices") unknown_option(name);
      devices = option<std::vector<std::string>>(value, name);
    }
    if (!context_.tuner.policy().profiles().contains(profile)) throw no_such_profile(profile);
    if (devices.size() > HoldBook::most_devices) throw invalid_argument("more than 32 devices");
    auto stores = stores_of(devices);
    if (!stores.ok()) throw bus_error(stores.error(), "InvalidArgument");
    const Desired desired =
        context_.tuner.policy().expand(profile, stores.value(), context_.tuner.machine());
    ask_writer(shared, [shared, desired](Applier& applier) {
      return [shared, plan = applier.plan(desired)] {
        BusRows rows;
        for (const PlanRow& row : plan) {
          rows.push_back({{"knob", sdbus::Variant(row.knob)},
                          {"current", sdbus::Variant(escape(row.current))},
                          {"wanted", sdbus::Variant(escape(row.wanted))},
                          {"owner", sdbus::Variant(without_process(escape(row.owner)))},
                          {"why", sdbus::Variant(escape(row.why))},
                          {"write", sdbus::Variant(row.would_write)}});
        }
        reply(shared, rows);
      };
    });
  });
}

void ManagerObject::Hold(sdbus::Result<uint32_t>&& result, std::string profile, std::string reason,
                         Options options) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    HoldRequest request;
    request.profile = profile;
    request.reason = reason;
    request.sender = sender();
    auto pidfd = std::make_shared<sdbus::UnixFd>();
    for (const auto& [name, value] : options) {
      if (name == "ttl") {
        request.ttl_s = option<uint64_t>(value, name);
        if (request.ttl_s == 0) throw invalid_argument("'ttl' is 0");
      } else if (name == "pidfd") {
        *pidfd = option<sdbus::UnixFd>(value, name);
        request.pidfd = pidfd->get();
      } else if (name == "devices") {
        request.devices = option<std::vector<std::string>>(value, name);
      } else {
        unknown_option(name);
      }
    }
    // Before it waits for an answer, in which it takes memory.
    if (const Status fits = context_.holds.check(request); !fits) {
      throw bus_error(fits.error(), "NoSuchProfile");
    }
    authorized(shared, "hold", [this, shared, request, pidfd](uint32_t uid) mutable {
      request.uid = uid;
      auto cookie = context_.holds.take(request);
      if (!cookie.ok()) throw bus_error(cookie.error(), "NoSuchProfile");
      // Not of whoever asks: the bus lets us watch some hundred names. It is noticed here if the
      // sender has left meanwhile.
      try {
        watch_sender_(request.sender);
      } catch (const sdbus::Error&) {
        static_cast<void>(context_.holds.release(cookie.value(), "", 0));
        throw;
      }
      reply(shared, cookie.value());
    });
  });
}

void ManagerObject::Release(sdbus::Result<>&& result, uint32_t cookie) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    const auto found = context_.holds.all().find(cookie);
    if (found != context_.holds.all().end() && found->second.sender == sender()) {
      // Whoever took it needs nobody's leave to give it back.
      static_cast<void>(context_.holds.release(cookie, sender(), found->second.uid));
      reply(shared);
      return;
    }
    authorized(shared, "configure", [this, shared, cookie](uint32_t) {
      auto released = context_.holds.release(cookie, "", 0);
      if (!released.ok()) throw bus_error(released.error(), "NoSuchHold");
      reply(shared);
    });
  });
}

void ManagerObject::SwitchProfile(sdbus::Result<>&& result, std::string profile) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    if (!profile.empty() && !context_.tuner.policy().profiles().contains(profile)) {
      throw no_such_profile(profile);
    }
    authorized(shared, "switch", [this, shared, profile](uint32_t uid) {
      auto done = context_.tuner.switch_profile(profile, "uid " + std::to_string(uid));
      if (!done.ok()) throw bus_error(done.error(), "NoSuchProfile");
      reply(shared);
    });
  });
}

void ManagerObject::SetMode(sdbus::Result<>&& result, std::string text) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    tuneshift::Mode mode = tuneshift::Mode::observe;
    if (!parse_mode(text, mode)) {
      throw invalid_argument("no mode '" + escape(text, 64) + "': observe, auto, manual or paused");
    }
    authorized(shared, "configure", [this, shared, mode](uint32_t uid) {
      context_.tuner.set_mode(mode, "uid " + std::to_string(uid));
      reply(shared);
    });
  });
}

void ManagerObject::Pause(sdbus::Result<>&& result, uint64_t seconds) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    if (seconds == 0 || seconds > longest_pause_s) {
      throw invalid_argument("a pause lasts from 1 second to 7 days");
    }
    authorized(shared, "configure", [this, shared, seconds](uint32_t uid) {
      context_.tuner.pause(seconds, "uid " + std::to_string(uid));
      reply(shared);
    });
  });
}

void ManagerObject::Reload(sdbus::Result<>&& result) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    authorized(shared, "configure", [this, shared](uint32_t) {
      auto done = context_.reload();
      if (!done.ok()) throw invalid_argument(done.error().message);
      reply(shared);
    });
  });
}

void ManagerObject::ListKnobs(sdbus::Result<BusRows>&& result) {
  auto shared = share(std::move(result));
  context_.writer.knobs(
      [shared](const std::vector<KnobStatus>& knobs) { reply(shared, knob_rows(knobs)); });
}

void ManagerObject::Rearm(sdbus::Result<>&& result, std::string knob) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    bound(knob);
    authorized(shared, "configure", [this, shared, knob](uint32_t) {
      context_.tuner.rearm(knob, [shared](const Status& done) {
        if (done.ok()) {
          reply(shared);
        } else {
          reply_error(shared, bus_error(done.error(), "NoSuchKnob"));
        }
      });
    });
  });
}

void ManagerObject::Verify(sdbus::Result<BusRows>&& result) {
  auto shared = share(std::move(result));
  const bool asked = context_.tuner.verify([shared](const std::vector<KnobStatus>& knobs) {
    std::vector<KnobStatus> different;
    std::copy_if(knobs.begin(), knobs.end(), std::back_inserter(different),
                 [](const KnobStatus& knob) { return knob.state != KnobState::ours; });
    reply(shared, knob_rows(different));
  });
  if (!asked) reply_error(shared, busy());
}

void ManagerObject::Why(sdbus::Result<BusRows>&& result, Options subject) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    if (subject.size() != 1) throw invalid_argument("ask for one of 'pid', 'path' and 'knob'");
    const std::string key = subject.begin()->first;
    const sdbus::Variant value = subject.begin()->second;
    Record::Value wanted;
    Record::Value as_shown;  // a path copied from a row, which a raw one cannot always be
    if (key == "pid") {
      wanted = option<uint32_t>(value, key);
    } else if (key == "path") {
      as_shown = option<std::string>(value, key);
      bound(std::get<std::string>(as_shown));
      wanted = escape(std::get<std::string>(as_shown));
    } else if (key == "knob") {
      const auto name = option<std::string>(value, key);
      bound(name);
      auto knob = resolve_knob(context_.kernel, name);
      if (!knob.ok()) throw bus_error(knob.error(), "NoSuchKnob");
      wanted = knob.value().name;
    } else {
      unknown_option(key);
    }
    authorized(shared, "inspect", [this, shared, key, wanted, as_shown](uint32_t) {
      auto records = context_.recorder.history().about(key, wanted);
      if (records.empty()) records = context_.recorder.history().about(key, as_shown);
      if (key != "knob") {
        reply(shared, to_rows(records));
        return;
      }
      ask_writer(shared, [shared, records, wanted](Applier& applier) {
        return [shared, records, wanted, knobs = applier.knobs()] {
          BusRows rows;
          for (const KnobStatus& knob : knobs) {
            if (Record::Value(knob.knob) != wanted) continue;
            rows.push_back(knob_row(knob));
            rows.back()["kind"] = sdbus::Variant(std::string("knob"));
          }
          for (const tuneshift::Record& record : records) rows.push_back(to_row(record));
          reply(shared, rows);
        };
      });
    });
  });
}

void ManagerObject::History(sdbus::Result<BusRows>&& result, uint64_t since) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    authorized(shared, "inspect", [this, shared, since](uint32_t) {
      reply(shared, to_rows(context_.recorder.history().since(since)));
    });
  });
}

void ManagerObject::Record(sdbus::Result<>&& result, sdbus::UnixFd socket, Options options) {
  auto shared = share(std::move(result));
  answer(shared, [&] {
    bool hash_names = false;
    for (const auto& [name, value] : options) {
      if (name != "hash-names") unknown_option(name);
      hash_names = option<bool>(value, name);
    }
    const std::string who = sender();
    authorized(shared, "inspect", [this, shared, who, socket, hash_names](uint32_t) {
      auto started = context_.traces.start(socket.get(), who, hash_names);
      if (!started.ok()) throw bus_error(started.error(), "InvalidArgument");
      try {
        watch_sender_(who);
      } catch (const sdbus::Error&) {
        context_.traces.sender_gone(who);  // this one alone: nobody is watched twice
        throw;
      }
      reply(shared);
    });
  });
}

void ManagerObject::StopRecord() {
  auto stopped = context_.traces.stop(sender());
  if (!stopped.ok()) throw invalid_argument(stopped.error().message);
}

}  // namespace tuneshift
