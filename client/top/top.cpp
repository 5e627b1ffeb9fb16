// SPDX-License-Identifier: LGPL-2.1-or-later
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <optional>

#include "client/session.h"
#include "client/top/model.h"
#include "client/top/sample.h"
#include "client/top/screen.h"
#include "client/top/view.h"
#include "libtune/number.h"

namespace tuneshift {

namespace {

using top::Sample;
using top::Screen;
using top::Signals;

constexpr uint64_t kFirstIntervalMs = 250;  // a person looks at an empty screen meanwhile
constexpr double kLeastSeconds = 0.1;
constexpr double kMostSeconds = 3600;

struct TopArguments {
  bool batch = false;
  uint64_t count = 0;  ///< 0: without end
  std::string interval = "1";

  [[nodiscard]] uint64_t interval_ms() const {
    return static_cast<uint64_t>(parse_fraction(interval).value_or(1) * 1000);
  }
};

std::string check_interval(const std::string& text) {
  const auto seconds = parse_fraction(text);
  if (seconds && *seconds >= kLeastSeconds && *seconds <= kMostSeconds) return "";
  return "'" + text + "' is no interval, from 0.1 to 3600 seconds";
}

uint64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

/// Samples at least two moments; an absent daemon is an error at first, later it is shown.
class Source {
 public:
  Source(Daemon& daemon, KernelFs kernel) : daemon_(daemon), kernel_(std::move(kernel)) {}

  /// The first sample; rates are since then.
  Status start() {
    const auto there = daemon_.manager();
    if (!there) return there.error();
    before_ = top::take_sample(daemon_, kernel_);
    return {};
  }

  Json next() {
    Sample now = top::take_sample(daemon_, kernel_);
    Json model = top::build_model(before_, now);
    before_ = std::move(now);
    return model;
  }

 private:
  Daemon& daemon_;
  KernelFs kernel_;
  Sample before_;
};

int run_batch(Daemon& daemon, const Session& session, const TopArguments& arguments,
              Source& source) {
  uint64_t due_ms = monotonic_ms();
  for (uint64_t shown = 0; arguments.count == 0 || shown < arguments.count; ++shown) {
    due_ms += arguments.interval_ms();
    for (uint64_t now_ms = monotonic_ms(); now_ms < due_ms; now_ms = monotonic_ms()) {
      const auto signals = daemon.wait(static_cast<int>(due_ms - now_ms));
      if (!signals) return fail(signals.error());
    }
    const Json model = source.next();
    if (session.json) {
      Json line = Json::object();
      print_line(line.set("time", now_us()).merge(model));
      continue;
    }
    Style style = session.style;
    style.columns = 0;
    if (shown != 0) print(std::string("\n"));
    print(human_time(now_us(), now_us()) + ' ' + top::render(model, style, 0));
    std::fflush(stdout);
  }
  return kSuccess;
}

/// What happened at the terminal.
enum class Wish { none, redraw, quit, die };

class Interactive {
 public:
  Interactive(Daemon& daemon, const Session& session, const TopArguments& arguments)
      : daemon_(daemon), style_(session.style), arguments_(arguments) {}

  int run(Source& source) {
    std::optional<Error> trouble;
    {
      Screen screen;
      trouble = show(screen, source);
    }
    if (trouble) return fail(*trouble);
    if (deadly_ != 0) {
      signals_.reset();  // so that it has its effect, on a terminal that is as it was
      raise(deadly_);
    }
    return kSuccess;
  }

 private:
  std::optional<Error> show(Screen& screen, Source& source) {
    uint64_t due_ms = monotonic_ms() + std::min(kFirstIntervalMs, arguments_.interval_ms());
    for (uint64_t shown = 0; arguments_.count == 0 || shown < arguments_.count;) {
      const uint64_t now_ms = monotonic_ms();
      if (now_ms >= due_ms) {
        model_ = source.next();
        ++shown;
        due_ms = monotonic_ms() + arguments_.interval_ms();
        if (!draw(screen)) return std::nullopt;
        continue;
      }
      std::array fds = {
          pollfd{.fd = signals_->fd(), .events = POLLIN, .revents = 0},
          pollfd{.fd = keys_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
      };
      const auto done = daemon_.wait(static_cast<int>(due_ms - now_ms), fds);
      if (!done) return done.error();
      const Wish wish = read_wish(screen, fds);
      if (wish == Wish::quit || wish == Wish::die) return std::nullopt;
      if (wish == Wish::redraw && !draw(screen)) return std::nullopt;
    }
    return std::nullopt;
  }

  Wish read_wish(Screen& screen, const std::array<pollfd, 2>& fds) {
    if (fds[0].revents != 0) {
      switch (const int signal = signals_->take()) {
        case 0:
          break;
        case SIGWINCH:
          return Wish::redraw;
        case SIGTSTP:
          screen.suspend();
          raise(SIGSTOP);
          screen.resume();
          return Wish::redraw;
        case SIGINT:
          return Wish::quit;
        default:
          deadly_ = signal;
          return Wish::die;
      }
    }
    if (fds[1].revents == 0) return Wish::none;
    char key = 0;
    if (read(STDIN_FILENO, &key, 1) != 1) return Wish::quit;
    constexpr char kEndOfFile = 4;  // Ctrl-D
    if (key == 'q' || key == 'Q' || key == kEndOfFile) return Wish::quit;
    return Wish::none;
  }

  bool draw(Screen& screen) {
    const auto size = Screen::size();
    style_.columns = size.columns;
    if (model_.members().empty()) return true;
    // The cursor rests on the last line.
    return screen.draw(top::render(model_, style_, std::max<size_t>(size.rows - 1, 1)));
  }

  Daemon& daemon_;
  Style style_;
  const TopArguments& arguments_;
  std::optional<Signals> signals_{std::in_place};
  bool keys_ = isatty(STDIN_FILENO) != 0;
  int deadly_ = 0;
  Json model_;
};

int run_top(Daemon& daemon, const Session& session, const TopArguments& arguments) {
  auto kernel = KernelFs::open("/");
  if (!kernel) return fail(kernel.error());
  Source source(daemon, std::move(kernel).value());
  if (const auto started = source.start(); !started) return fail(started.error());
  if (arguments.batch || session.json || session.style.columns == 0)
    return run_batch(daemon, session, arguments, source);
  return Interactive(daemon, session, arguments).run(source);
}

}  // namespace

void add_top_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<TopArguments>();
  auto* verb =
      app.add_subcommand("top", "Show loads, their readers and the devices, until q or Ctrl-C");
  verb->add_flag("-b,--batch", arguments->batch, "Print text, one block after another");
  verb->add_option("-n,--count", arguments->count, "End after so many")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1000000000}));
  verb->add_option("-i,--interval", arguments->interval, "Between two, 1 without it")
      ->type_name("SECONDS")
      ->check(check_interval);
  verb->callback([&session, arguments] {
    session.verb = [&session, arguments](Daemon& daemon) {
      return run_top(daemon, session, *arguments);
    };
  });
}

}  // namespace tuneshift
