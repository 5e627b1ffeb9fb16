// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/inspect/fuse_server.h"

#include <fuse_lowlevel.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace tuneshift::testing {

namespace {

constexpr fuse_ino_t file_inode = 2;
constexpr uint64_t file_size = 8 << 20;
constexpr const char* file_name = "model.safetensors";

FuseServer::Control* shared = nullptr;
std::string contents;  // the beginning; zeros follow

bool attributes(fuse_ino_t inode, struct stat& status) {
  status = {};
  status.st_ino = inode;
  status.st_nlink = 1;
  status.st_mode = inode == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
  status.st_size = inode == FUSE_ROOT_ID ? 0 : static_cast<off_t>(file_size);
  return inode == FUSE_ROOT_ID || inode == file_inode;
}

void on_lookup(fuse_req_t request, fuse_ino_t, const char* name) {
  if (std::strcmp(name, file_name) != 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  fuse_entry_param entry{};
  entry.ino = file_inode;
  entry.attr_timeout = entry.entry_timeout = 3600;
  attributes(file_inode, entry.attr);
  fuse_reply_entry(request, &entry);
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  struct stat status {};
  if (attributes(inode, status)) {
    fuse_reply_attr(request, &status, 3600);
  } else {
    fuse_reply_err(request, ENOENT);
  }
}

void on_open(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  ++shared->opens;
  info->keep_cache = 0;
  fuse_reply_open(request, info);
}

void on_read(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
  if (shared->hang_reads) {
    ++shared->unanswered;
    return;
  }
  const auto begin = static_cast<uint64_t>(offset);
  std::string bytes(std::min<uint64_t>(size, file_size - std::min(begin, file_size)), '\0');
  if (begin < contents.size()) {
    std::copy_n(contents.begin() + offset, std::min(bytes.size(), contents.size() - begin),
                bytes.begin());
  }
  fuse_reply_buf(request, bytes.data(), bytes.size());
}

void on_flush(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  if (shared->hang_flushes) {
    ++shared->unanswered;
    return;
  }
  fuse_reply_err(request, 0);
}

}  // namespace

FuseServer::FuseServer(const std::string& beginning) {
  void* const memory =
      mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap");
  control_ = new (memory) Control{};
  server_ = std::make_unique<Process>([&] {
    shared = control_;
    contents = beginning;
    fuse_lowlevel_ops operations{};
    operations.lookup = on_lookup;
    operations.getattr = on_getattr;
    operations.open = on_open;
    operations.read = on_read;
    operations.flush = on_flush;
    char program[] = "fuse_server";
    char* arguments[] = {program, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, arguments);
    if (!enter_own_mounts()) return false;
    fuse_session* const session = fuse_session_new(&args, &operations, sizeof operations, nullptr);
    if (session == nullptr || fuse_session_mount(session, scratch_.directory().c_str()) != 0) {
      return false;
    }
    // Serves while the test believes this process to wait for go().
    std::thread([session] { fuse_session_loop(session); }).detach();
    return true;
  });
}

FuseServer::~FuseServer() {
  server_->end();
  munmap(control_, sizeof(Control));
}

std::string FuseServer::path() const {
  return "/proc/" + std::to_string(server_->pid()) + "/root" + scratch_.path(file_name);
}

}  // namespace tuneshift::testing
