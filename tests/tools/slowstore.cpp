// SPDX-License-Identifier: LGPL-2.1-or-later
// A store behind a network, for tests: a read-only view of a directory in which every read request
// takes a latency and all of them share one link. Metadata is answered at once. Keep the directory
// in memory (/dev/shm), or the disk's noise is in every figure. Reads can be told to fail, to hang
// and to come back short.
#include <dirent.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "node_table.h"
#include "served_files.h"
#include "slow_link.h"
#include "store_faults.h"

namespace {

using tuneshift::is_held;
using tuneshift::jitter_ns;
using tuneshift::NodeTable;
using tuneshift::ServedFile;
using tuneshift::ServedFiles;
using tuneshift::SlowLink;
using tuneshift::StoreFaults;
using tuneshift::StoreRange;
using tuneshift::touches;

// The kernel may keep names and attributes for so long: nothing changes under the tests.
constexpr double cache_seconds = 3600;
constexpr timespec held_step{0, 1000000};

// Until the read is let go, or the store is told to end.
void wait_while_held(fuse_session* session, bool hangs) {
  while (is_held(hangs) && fuse_session_exited(session) == 0) nanosleep(&held_step, nullptr);
}

struct Settings {
  std::string source;
  std::string mount_point;
  uint64_t latency_us = 2000;
  uint64_t rate = 1000000000;
  unsigned max_background = 64;
  unsigned threads = 72;
  bool keep_cache = true;
  bool direct_io = false;
  bool is_private = false;
  StoreFaults faults;
};

struct Store {
  Settings settings;
  NodeTable nodes;
  ServedFiles files;
  SlowLink link;
  fuse_session* session = nullptr;
};

ServedFile* served_file(const fuse_file_info* file) {
  return reinterpret_cast<ServedFile*>(file->fh);
}

Store& store_of(fuse_req_t request) {
  return *static_cast<Store*>(fuse_req_userdata(request));
}

void init(void* userdata, fuse_conn_info* connection) {
  const Settings& settings = static_cast<Store*>(userdata)->settings;
  // Large windows are for whoever raises the bdi's read-ahead; its default stays the kernel's.
  connection->max_readahead = 1U << 30;
  connection->max_background = settings.max_background;
  connection->congestion_threshold = settings.max_background;
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry{};
  uint64_t number = 0;
  if (int failure = store_of(request).nodes.look_up(parent, name, number, entry.attr);
      failure != 0) {
    fuse_reply_err(request, failure);
    return;
  }
  entry.ino = number;
  entry.attr_timeout = cache_seconds;
  entry.entry_timeout = cache_seconds;
  fuse_reply_entry(request, &entry);
}

void forget(fuse_req_t request, fuse_ino_t number, uint64_t references) {
  store_of(request).nodes.forget(number, references);
  fuse_reply_none(request);
}

void getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  struct stat attributes {};
  if (fstat(store_of(request).nodes.descriptor(number), &attributes) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fuse_reply_attr(request, &attributes, cache_seconds);
}

void readlink(fuse_req_t request, fuse_ino_t number) {
  char target[PATH_MAX + 1];
  const ssize_t length =
      readlinkat(store_of(request).nodes.descriptor(number), "", target, sizeof(target) - 1);
  if (length < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  target[length] = '\0';
  fuse_reply_readlink(request, target);
}

int reopen(Store& store, fuse_ino_t number, int flags) {
  const std::string link = "/proc/self/fd/" + std::to_string(store.nodes.descriptor(number));
  return ::open(link.c_str(), flags | O_RDONLY | O_CLOEXEC);
}

void open(fuse_req_t request, fuse_ino_t number, fuse_file_info* file) {
  Store& store = store_of(request);
  if ((file->flags & O_ACCMODE) != O_RDONLY) {
    fuse_reply_err(request, EROFS);
    return;
  }
  const int fd = reopen(store, number, 0);
  if (fd < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  file->fh = reinterpret_cast<uint64_t>(store.files.add(fd));
  file->keep_cache = store.settings.keep_cache ? 1 : 0;
  file->direct_io = store.settings.direct_io ? 1 : 0;
  fuse_reply_open(request, file);
}

void release(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  store_of(request).files.remove(served_file(file));
  fuse_reply_err(request, 0);
}

void read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, fuse_file_info* file) {
  Store& store = store_of(request);
  const StoreFaults& faults = store.settings.faults;
  const auto first = static_cast<uint64_t>(offset);
  const bool hangs = touches(faults.hanging, first, size);
  const bool fails = touches(faults.failing, first, size);
  if (faults.short_bytes != 0) size = std::min(size, faults.short_bytes);
  // Booked on arrival: what can be done before is part of the latency, not added to it.
  const uint64_t due_ns = store.link.book(size) + jitter_ns(faults, number, first);
  const char* data = nullptr;
  const ssize_t length = served_file(file)->take(first, size, data);
  const int failure = fails ? EIO : length < 0 ? errno : 0;
  SlowLink::wait_until(due_ns);
  wait_while_held(store.session, hangs);
  if (failure != 0) {
    fuse_reply_err(request, failure);
    return;
  }
  fuse_reply_buf(request, data, static_cast<size_t>(length));
}

void opendir(fuse_req_t request, fuse_ino_t number, fuse_file_info* file) {
  const int fd = reopen(store_of(request), number, O_DIRECTORY);
  DIR* directory = fd < 0 ? nullptr : fdopendir(fd);
  if (directory == nullptr) {
    const int failure = errno;
    if (fd >= 0) close(fd);
    fuse_reply_err(request, failure);
    return;
  }
  file->fh = reinterpret_cast<uint64_t>(directory);
  fuse_reply_open(request, file);
}

void readdir(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info* file) {
  DIR* directory = reinterpret_cast<DIR*>(file->fh);
  std::vector<char> buffer(size);
  size_t used = 0;
  seekdir(directory, offset);
  while (const dirent* entry = ::readdir(directory)) {
    struct stat attributes {};
    attributes.st_ino = entry->d_ino;
    attributes.st_mode = static_cast<mode_t>(DTTOIF(entry->d_type));
    const size_t length = fuse_add_direntry(request, buffer.data() + used, size - used,
                                            entry->d_name, &attributes, entry->d_off);
    if (length > size - used) break;
    used += length;
  }
  fuse_reply_buf(request, buffer.data(), used);
}

void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  closedir(reinterpret_cast<DIR*>(file->fh));
  fuse_reply_err(request, 0);
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.init = init;
  ops.lookup = lookup;
  ops.forget = forget;
  ops.getattr = getattr;
  ops.readlink = readlink;
  ops.open = open;
  ops.read = read;
  ops.release = release;
  ops.opendir = opendir;
  ops.readdir = readdir;
  ops.releasedir = releasedir;
  return ops;
}

// Says "ready" once the kernel has our answer to FUSE_INIT: until then it would cut a read-ahead
// that somebody sets back to its default. The first stat is answered only after that.
void announce(const std::string& mount_point) {
  struct stat attributes {};
  if (stat(mount_point.c_str(), &attributes) != 0) {
    std::perror("slowstore: stat of the mount point");
    return;
  }
  std::puts("ready");
  std::fflush(stdout);
}

// The helper thread must not take the signals that end the main loop.
std::thread start_announcer(const std::string& mount_point) {
  sigset_t all{};
  sigset_t before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread announcer(announce, mount_point);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return announcer;
}

int serve(fuse_session* session, const Settings& settings) {
  fuse_loop_config* loop = fuse_loop_cfg_create();
  fuse_loop_cfg_set_max_threads(loop, settings.threads);
  fuse_loop_cfg_set_idle_threads(loop, settings.threads);
  fuse_loop_cfg_set_clone_fd(loop, 0);
  std::thread announcer = start_announcer(settings.mount_point);
  const int failure = fuse_session_loop_mt(session, loop);
  fuse_loop_cfg_destroy(loop);
  // Before the announcer is joined: its stat fails when the connection is gone.
  fuse_session_unmount(session);
  announcer.join();
  return failure < 0 ? 1 : 0;
}

int mount_and_serve(Store& store) {
  std::vector<std::string> words = {"slowstore", "-o",
                                    "ro,default_permissions,fsname=slowstore,subtype=slowstore"};
  if (!store.settings.is_private) words.back() += ",allow_other";
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(pointers.size()), pointers.data());

  const fuse_lowlevel_ops ops = operations();
  fuse_session* session = fuse_session_new(&arguments, &ops, sizeof(ops), &store);
  store.session = session;
  int status = 1;
  if (session != nullptr && fuse_set_signal_handlers(session) == 0) {
    if (fuse_session_mount(session, store.settings.mount_point.c_str()) == 0) {
      status = serve(session, store.settings);
    }
    fuse_remove_signal_handlers(session);
  }
  if (session != nullptr) fuse_session_destroy(session);
  fuse_opt_free_args(&arguments);
  return status;
}

void add_range(CLI::App& app, const char* name, StoreRange& range, const char* help) {
  const auto take = [&range](const std::vector<uint64_t>& words) { range = {words[0], words[1]}; };
  app.add_option_function<std::vector<uint64_t>>(name, take, help)
      ->expected(2)
      ->type_name("OFFSET LENGTH")
      ->transform(CLI::AsSizeValue(false));
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{"A slow store: a read-only view of a directory with latency and a shared link."};
  app.add_option("source", settings.source, "directory to show")->required();
  app.add_option("mount-point", settings.mount_point, "where to mount it")->required();
  app.add_option("--latency-us", settings.latency_us, "of each read request")
      ->capture_default_str();
  app.add_option("--rate", settings.rate, "of the shared link, bytes a second; 0: no limit")
      ->capture_default_str();
  app.add_option("--max-background", settings.max_background, "of the FUSE connection")
      ->capture_default_str();
  app.add_option("--threads", settings.threads, "requests served at once")->capture_default_str();
  app.add_flag("!--no-keep-cache", settings.keep_cache, "each open drops the file's cached pages");
  app.add_flag("--direct-io", settings.direct_io, "bypass the page cache");
  app.add_flag("--private", settings.is_private, "for nobody but its own user, not even root");
  StoreFaults& faults = settings.faults;
  app.add_option("--jitter-us", faults.jitter_us,
                 "a read takes up to so much longer, by its file and offset")
      ->capture_default_str();
  app.add_option("--seed", faults.seed, "of the jitter: the same one, the same delays")
      ->capture_default_str();
  add_range(app, "--eio", faults.failing, "reads that touch this range of a file end with EIO");
  add_range(app, "--hang", faults.hanging,
            "reads that touch this range wait for SIGUSR2 or the store's end");
  app.add_option("--short-reads", faults.short_bytes,
                 "no read is answered with more bytes; with --direct-io the reader sees that, "
                 "else the kernel takes it for the end of the file")
      ->type_name("BYTES")
      ->transform(CLI::AsSizeValue(false));
  app.footer(
      "It says \"ready\" when it can be read. After SIGUSR1 no read is answered until SIGUSR2: it "
      "says\n\"holding\" and \"letting go\". SIGTERM and SIGINT end it, and the reads with it.");
  CLI11_PARSE(app, argc, argv);

  const int root_fd = ::open(settings.source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root_fd < 0) {
    std::fprintf(stderr, "slowstore: %s: %s\n", settings.source.c_str(), std::strerror(errno));
    return 1;
  }
  // A sleep that ends 50 µs late would be 2 % of the latency.
  prctl(PR_SET_TIMERSLACK, 1);
  // The store stands for another machine: it must not wait for this one's CPUs. Best effort.
  setpriority(PRIO_PROCESS, 0, -20);
  tuneshift::set_up_holding();
  Store store{
      settings, NodeTable(root_fd), {}, SlowLink(settings.latency_us, settings.rate), nullptr};
  return mount_and_serve(store);
}
