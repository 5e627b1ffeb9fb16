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
  }
  wake_.notify_one();
  worker_.join();
  // Replies first: a job behind them may hold the connection that they belong to.
  completions_.clear();
  queries_.clear();
  jobs_.clear();
  close(completed_fd_);
}

void Writer::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

bool Writer::query(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (queries_.size() >= most_queries) return false;
    queries_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Writer::retire(std::shared_ptr<void> kept) {
  retired_.push_back(std::move(kept));
  // Queries come last, so this one is behind everything that is queued now.
  const std::lock_guard lock(mutex_);
  queries_.push_back([this, key = retired_.back().get()](Applier&) {
    return
        [this, key] { std::erase_if(retired_, [&](const auto& one) { return one.get() == key; }); };
  });
  wake_.notify_one();
}

void Writer::finish(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Writer::apply(Desired desired, ReceiptHandler handler) {
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
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
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty() || !queries_.empty(); });
    if (stopping_) return;
    auto& queue = jobs_.empty() ? queries_ : jobs_;
    Job job = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    if (auto completion = job(applier_)) post(std::move(completion));
    job = nullptr;
    lock.lock();
  }
}

}  // namespace tuneshift
