// SPDX-License-Identifier: LGPL-2.1-or-later
// Starts a thread every 100 ms that allocates a little (glibc maps a 128 MiB arena for it) and
// ends: what an idle machine's other programs do all the time. Until standard input ends.
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <vector>

int main() {
  pollfd input{STDIN_FILENO, POLLIN | POLLHUP, 0};
  while (poll(&input, 1, 100) == 0) {
    std::thread([] {
      auto bytes = std::make_unique<std::vector<char>>(4096, 'x');
      *static_cast<volatile char*>(bytes->data()) = 'y';
    }).join();
  }
  return 0;
}
