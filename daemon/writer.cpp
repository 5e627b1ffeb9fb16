// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/writer.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tuneshift {

Writer::Writer(Loop& loop, Applier& applier)
    : applier_(applier), completed_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (completed_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  completed_ = loop.watch(completed_fd_, [this] { run_completions(); });
  worker_ = std::thread([this] { work(); });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  wake_.notify_one();
  worker_.join();
  close(completed_fd_);
}

void Writer::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Writer::apply(Desired desired, ReceiptHandler handler) {
  {
    const std::lock_guard lock(mutex_);
    ++waiting_applies_;
  }
  submit([this, desired = std::move(desired), handler = std::move(handler)](Applier& applier) {
    bool newer_waits = false;
    {
      const std::lock_guard lock(mutex_);
      newer_waits = --waiting_applies_ > 0;
    }
    // The quick result is handed over before the slow knobs are begun: readers wait for it.
    post([handler, receipt = applier.converge(desired, Pass::quick)] {
      handler(receipt, Pass::quick);
    });
    std::function<void()> done;
    if (!newer_waits) {
      done = [handler, receipt = applier.converge(desired, Pass::freezing)] {
        handler(receipt, Pass::freezing);
      };
    }
    return done;
  });
}

void Writer::post(std::function<void()> completion) {
  {
    const std::lock_guard lock(mutex_);
    completions_.push_back(std::move(completion));
  }
  // Fails only when the counter is full: then the loop is awake anyway.
  eventfd_write(completed_fd_, 1);
}

void Writer::run_completions() {
  eventfd_t count = 0;
  eventfd_read(completed_fd_, &count);
  std::deque<std::function<void()>> completions;
  {
    const std::lock_guard lock(mutex_);
    completions.swap(completions_);
  }
  for (const auto& completion : completions) completion();
}

void Writer::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    if (auto completion = job(applier_)) post(std::move(completion));
    lock.lock();
  }
}

}  // namespace tuneshift
