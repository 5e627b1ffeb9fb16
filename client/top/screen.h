// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/signalfd.h>
#include <termios.h>

#include <cstddef>
#include <optional>
#include <string>

namespace tuneshift::top {

struct ScreenSize {
  size_t columns = 80;
  size_t rows = 24;
};

/// The terminal while something is drawn on the whole of it: the alternate screen, without cursor
/// and echo. The destructor leaves it as it was. Escape sequences alone, so it works wherever those
/// of a VT100 with an alternate screen do.
class Screen {
 public:
  Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen();

  /// Draws lines from the top, over what was there. False when the terminal has gone.
  bool draw(const std::string& text);
  /// As it was, until resume(): for a stop.
  void suspend();
  void resume();

  [[nodiscard]] static ScreenSize size();

 private:
  std::optional<termios> before_;  ///< empty when the standard input is no terminal
};

/// Takes the signals that end, stop and resize a program, for as long as it lives.
class Signals {
 public:
  Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();

  /// Readable when there is one; -1 when the kernel has none to give.
  [[nodiscard]] int fd() const { return fd_; }
  /// The next one; 0 when there is none.
  [[nodiscard]] int take() const;

 private:
  int fd_ = -1;
  sigset_t before_{};
};

}  // namespace tuneshift::top
