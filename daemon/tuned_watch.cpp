// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/tuned_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr uint64_t ms = 1'000'000;
/// After a sign: tuned's own switch takes 0.1 s, with slow plugins seconds.
constexpr std::array<uint64_t, 6> looks_after_ms = {0, 50, 300, 1000, 3000, 10000};
constexpr uint64_t answer_us = 10'000'000;  // it answers behind a switch that is under way
constexpr size_t longest_profiles = 1024;
constexpr const char* name_on_bus = "com.redhat.tuned";
constexpr const char* interface_on_bus = "com.redhat.tuned.control";
constexpr const char* path_on_bus = "/Tuned";
constexpr const char* nobodys_name = "org.freedesktop.DBus.Error.NameHasNoOwner";
constexpr uint32_t file_changes = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE;

bool is_alive(const UniqueFd& process) {
  pollfd end{process.get(), POLLIN, 0};
  return process && poll(&end, 1, 0) == 0;
}

}  // namespace

TunedWatch::TunedWatch(Loop& loop, const KernelFs& kernel, TunedPaths paths, Handler handler,
                       std::function<void(const std::string&)> problem)
    : loop_(loop),
      kernel_(kernel),
      paths_(std::move(paths)),
      handler_(std::move(handler)),
      problem_(std::move(problem)),
      timer_(loop.timer([this] { on_timer(); })) {}

TunedWatch::~TunedWatch() {
  lost();
}

void TunedWatch::start() {
  files_ = UniqueFd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (files_) file_events_ = loop_.watch(files_.get(), [this] { read_file_events(); });
  look();
}

void TunedWatch::hint() {
  // A sign within a series begins it anew, but never puts off a look that is due.
  const bool is_due = waiting_ && step_ == 0;
  step_ = 0;
  if (is_due) return;
  waiting_ = true;
  // At once, as tuned may be somewhere else in a moment; but a flood of signs is looked at
  // together.
  const uint64_t now = monotonic_ns();
  timer_.set(std::max(now, looked_ns_ + looks_after_ms[1] * ms));
}

bool TunedWatch::is_there() {
  watch_process();
  return is_followed();
}

void TunedWatch::on_timer() {
  waiting_ = false;
  const size_t done = step_++;
  look();
  // Where tuned is not, there is nothing that it may still be doing.
  if (!is_followed() || step_ >= looks_after_ms.size() || waiting_) return;
  waiting_ = true;
  timer_.set(monotonic_ns() + (looks_after_ms[step_] - looks_after_ms[done]) * ms);
}

void TunedWatch::watch_files() {
  if (!files_) return;
  // Before tuned's first start there is no run directory: then its parent tells of it.
  const std::string parent = paths_.run_directory.substr(0, paths_.run_directory.rfind('/'));
  const int run =
      inotify_add_watch(files_.get(), paths_.run_directory.c_str(), file_changes | IN_ONLYDIR);
  if (run >= 0 && run_watch_ >= 0 && run != run_watch_) inotify_rm_watch(files_.get(), run_watch_);
  run_watch_ = run >= 0 ? run
                        : inotify_add_watch(files_.get(), parent.c_str(),
                                            IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
  config_watch_ =
      inotify_add_watch(files_.get(), paths_.config_directory.c_str(), file_changes | IN_ONLYDIR);
}

void TunedWatch::read_file_events() {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  bool tell = false;
  for (ssize_t got = 0; (got = read(files_.get(), buffer.data(), buffer.size())) > 0;) {
    for (ssize_t at = 0; at < got;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* start = buffer.data() + at + sizeof event;
      const std::string_view name(start, strnlen(start, event.len));
      const std::string_view run =
          std::string_view(paths_.run_directory).substr(paths_.run_directory.rfind('/') + 1);
      // systemd removes the file as well, but of a process that has ended.
      const bool is_removed = (event.mask & IN_DELETE) != 0 && name == "tuned.pid" &&
                              is_alive(process_) && !is_pid_file_of(paths_, pid_);
      rolled_back_ = rolled_back_ || is_removed;
      tell = tell || (event.mask & (IN_Q_OVERFLOW | IN_IGNORED)) != 0 || name == "tuned.pid" ||
             name == "active_profile" || name == "post_loaded_profile" || name == run;
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
  if (!tell) return;
  // Before it has ended again, or somebody writes the next profile.
  watch_process();
  const std::string before = accepted_;
  if (pid_ != 0 && applied_profiles() != before) report(accepted_);
  hint();
}

void TunedWatch::watch_process() {
  if (pid_ != 0) return;  // the old one's end is told first
  const pid_t pid = find_tuned(kernel_, paths_);
  if (pid == 0) return;
  UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process || find_tuned(kernel_, paths_) != pid) return;
  pid_ = pid;
  process_ = std::move(process);
  process_end_ = loop_.watch(process_.get(), [this] { on_exit(); });
}

void TunedWatch::on_exit() {
  const pid_t pid = std::exchange(pid_, 0);
  process_end_ = Source();
  process_.reset();
  std::optional<KeptValues> at_death;
  const bool is_unwatched = run_watch_ < 0;
  const bool is_removed = !is_pid_file_of(paths_, pid);
  const bool rolls = rolls_back(paths_);
  const bool was_seen = std::exchange(rolled_back_, false);
  const bool has_rolled_back = rolls && (was_seen || (is_unwatched && is_removed));
  // Removed by tuned, and we came late, or by systemd after it had died.
  const bool may_have_rolled_back = rolls && !has_rolled_back && is_removed;
  if (!has_rolled_back) {
    // The profile that it was at may not have been seen yet.
    const ActiveProfiles active = read_active_profiles(paths_, had_post_loaded_);
    const auto values = read_kept_values(kernel_, paths_, active.names);
    at_death = values && !active.is_half_written ? values.value() : values_;
  } else {
    // What it rolled back may not have been told yet.
    const auto values = read_kept_values(kernel_, paths_, accepted_);
    if (values && values.value() != values_) handler_(values.value(), std::nullopt, false);
  }
  accepted_.clear();
  had_post_loaded_ = false;
  accepted_thread_ns_ = 0;
  values_.clear();
  handler_({}, at_death, may_have_rolled_back);
  hint();
}

void TunedWatch::look() {
  looked_ns_ = monotonic_ns();
  watch_files();
  watch_process();
  if (!owner_.empty()) {
    // It answers behind what it is at; by then this profile may be the last one.
    const bool is_news = pid_ != 0 && newest_thread_ns(kernel_, pid_) != answered_thread_ns_;
    if (is_news) report(applied_profiles());
    return ask_bus();
  }
  if (pid_ == 0) return report("");
  report(applied_profiles());
}

std::string TunedWatch::applied_profiles() {
  constexpr uint64_t tick = 10 * ms;
  const uint64_t thread_ns = newest_thread_ns(kernel_, pid_);
  const ActiveProfiles active = read_active_profiles(paths_, had_post_loaded_);
  // tuned makes a thread for each profile, which then writes the file. What else is written there
  // tuned has not read yet.
  if (thread_ns == accepted_thread_ns_ && accepted_is_its_own_) return accepted_;
  if (active.is_half_written) return accepted_;  // the file's next event tells
  accepted_thread_ns_ = thread_ns;
  accepted_is_its_own_ = active.written_ns + tick >= thread_ns;
  accepted_ = active.names;
  had_post_loaded_ = active.has_post_loaded;
  return accepted_;
}

void TunedWatch::report(const std::string& profiles) {
  const auto values = read_kept_values(kernel_, paths_, profiles);
  if (!values) {
    // What it keeps is not known: better not to tell anything.
    const std::string text = "tuned's profile " + escape(profiles, 128) +
                             " is not understood: " + escape(values.error().message);
    if (text != std::exchange(told_problem_, text)) problem_(text);
    return;
  }
  const bool nothing = values.value().empty() && values_.empty();
  values_ = values.value();
  if (nothing && !is_followed()) return;
  handler_(values_, std::nullopt, false);
}

void TunedWatch::ask_bus() {
  const unsigned question = ++question_;
  const uint64_t thread_ns = pid_ != 0 ? newest_thread_ns(kernel_, pid_) : 0;
  const auto fall_back = [this] {
    if (pid_ != 0) report(applied_profiles());
  };
  const auto on_active = [this, question, thread_ns, fall_back](bus::MaybeError error,
                                                                const std::string& profiles) {
    if (question != question_) return;
    if (error || profiles.size() > longest_profiles) return fall_back();
    answered_thread_ns_ = thread_ns;
    report(profiles);
  };
  const auto on_running = [this, question, thread_ns, fall_back, on_active](bus::MaybeError error,
                                                                            bool running) {
    if (question != question_) return;
    if (error || !tuned_) return fall_back();
    if (!running) {
      // It may have begun since it said so: then what its first writes replace is not let go of.
      if (pid_ != 0 && newest_thread_ns(kernel_, pid_) != thread_ns) return hint();
      answered_thread_ns_ = thread_ns;
      if (rolls_back(paths_) || values_.empty()) return report("");
      // It keeps nothing any more, and left all as it was.
      const KeptValues left = std::exchange(values_, {});
      return handler_({}, left, false);
    }
    tuned_->callMethodAsync("active_profile")
        .onInterface(interface_on_bus)
        .withTimeout(answer_us)
        .uponReplyInvoke(on_active);
  };
  // To its unique name: that never starts a tuned.
  tuned_->callMethodAsync("is_running")
      .onInterface(interface_on_bus)
      .withTimeout(answer_us)
      .uponReplyInvoke(on_running);
}

void TunedWatch::connected(sdbus::IConnection& connection) {
  connection_ = &connection;
  const std::string sender = std::string("',arg0='") + name_on_bus + "'";
  matches_.push_back(
      bus::add_match(connection,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged" +
                         sender,
                     [this](sdbus::Message& message) {
                       std::string name;
                       std::string before;
                       std::string after;
                       message >> name >> before >> after;
                       on_owner(after);
                     }));
  matches_.push_back(bus::add_match(
      connection,
      std::string("type='signal',sender='") + name_on_bus + "',path='" + path_on_bus +
          "',interface='" + interface_on_bus + "',member='profile_changed'",
      [this](sdbus::Message& message) { on_profile_changed(message); }));
  bus_ = bus::proxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus");
  bus_->callMethodAsync("GetNameOwner")
      .onInterface("org.freedesktop.DBus")
      .withArguments(std::string(name_on_bus))
      .uponReplyInvoke([this](bus::MaybeError error, const std::string& owner) {
        if (!error) return on_owner(owner);
        // What an earlier process knew of a tuned that has ended since is to be told as well.
        const bool is_nobodys = error->getName() == nobodys_name;
        if (is_nobodys && !is_there()) handler_({}, std::nullopt, false);
      });
}

void TunedWatch::on_profile_changed(sdbus::Message& message) {
  std::string profiles;
  bool is_applied = false;
  message >> profiles >> is_applied;
  // Another client may send such a signal to us alone, past the name that the match asks for. What
  // tuned tells itself does not wait for a look: by then it may be at the next profile.
  const bool is_its_own = !owner_.empty() && message.getSender() == owner_;
  if (is_its_own && is_applied && profiles.size() <= longest_profiles) report(profiles);
  hint();
}

void TunedWatch::on_owner(const std::string& owner) {
  owner_ = owner;
  ++question_;
  tuned_.reset();
  if (!owner_.empty() && connection_ != nullptr) {
    tuned_ = bus::proxy(*connection_, owner_, path_on_bus);
  }
  hint();
}

void TunedWatch::lost() {
  ++question_;
  owner_.clear();
  tuned_.reset();
  matches_.clear();
  bus_.reset();
  connection_ = nullptr;
}

}  // namespace tuneshift
