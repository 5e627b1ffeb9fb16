// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/top/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace tuneshift::top {

namespace {

constexpr const char* kEnter = "\033[?1049h\033[?25l\033[H\033[2J";
constexpr const char* kLeave = "\033[?25h\033[?1049l";

bool write_out(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

}  // namespace

Screen::Screen() {
  termios now{};
  if (tcgetattr(STDIN_FILENO, &now) == 0) before_ = now;
  resume();
}

Screen::~Screen() {
  suspend();
}

void Screen::resume() {
  if (before_) {
    termios quiet = *before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  }
  write_out(kEnter);
}

void Screen::suspend() {
  write_out(kLeave);
  // What was typed meanwhile was for this program, not for the shell.
  if (before_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &*before_);
}

bool Screen::draw(const std::string& text) {
  std::string out = "\033[H";
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    out.append(text, start, end - start);
    out += "\033[K\n";
    start = end + 1;
  }
  return write_out(out + "\033[J");
}

ScreenSize Screen::size() {
  winsize size{};
  ScreenSize found;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return found;
  if (size.ws_col > 0) found.columns = size.ws_col;
  if (size.ws_row > 0) found.rows = size.ws_row;
  return found;
}

Signals::Signals() {
  sigset_t taken;
  sigemptyset(&taken);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH})
    sigaddset(&taken, signal);
  sigprocmask(SIG_BLOCK, &taken, &before_);
  fd_ = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

Signals::~Signals() {
  if (fd_ >= 0) close(fd_);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int Signals::take() const {
  signalfd_siginfo info{};
  if (read(fd_, &info, sizeof info) != sizeof info) return 0;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace tuneshift::top
