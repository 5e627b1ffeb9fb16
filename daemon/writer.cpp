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
  impatience_ = loop.timer([this] { answer_the_impatient(); });
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
  questions_.clear();
  queries_.clear();
  jobs_.clear();
  ::close(completed_fd_);
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

void Writer::knobs(KnobsHandler answer) {
  bool hangs = false;
  {
    const std::lock_guard lock(mutex_);
    hangs = busy_since_ns_ != 0 && monotonic_ns() - busy_since_ns_ > patience_ns;
  }
  if (hangs) {
    answer(kept_knobs());
    return;
  }
  auto question = std::make_shared<Question>();
  question->answer = std::move(answer);
  question->patient_until_ns = monotonic_ns() + patience_ns;
  const bool asked = query([this, question](Applier& applier) {
    auto rows = applier.knobs();
    keep_knobs(rows);
    return [this, question, rows = std::move(rows)] {
      std::erase(questions_, question);
      if (questions_.empty()) impatience_.off();
      if (question->answer) question->answer(rows);
    };
  });
  if (!asked) {
    question->answer(kept_knobs());
    return;
  }
  if (questions_.empty()) impatience_.set(question->patient_until_ns);
  questions_.push_back(std::move(question));
}

void Writer::answer_the_impatient() {
  const auto rows = kept_knobs();
  while (!questions_.empty() && questions_.front()->patient_until_ns <= monotonic_ns()) {
    const auto question = std::move(questions_.front());
    questions_.pop_front();
    std::exchange(question->answer, nullptr)(rows);
  }
  if (!questions_.empty()) impatience_.set(questions_.front()->patient_until_ns);
}

void Writer::keep_knobs(std::vector<KnobStatus> knobs) {
  const std::lock_guard lock(mutex_);
  kept_knobs_ = std::move(knobs);
}

std::vector<KnobStatus> Writer::kept_knobs() {
  const std::lock_guard lock(mutex_);
  return kept_knobs_;
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

void Writer::close() {
  std::deque<Job> jobs, queries;
  const std::lock_guard lock(mutex_);
  finished_ = true;
  jobs.swap(jobs_);
  queries.swap(queries_);
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
    Receipt quick = applier.converge(desired, Pass::quick);
    const bool changed = !quick.empty();
    post([handler, receipt = std::move(quick)] { handler(receipt, Pass::quick); });
    // For those who ask while the next pass hangs.
    if (changed) keep_knobs(applier.knobs());
    std::function<void()> done;
    if (!newer_waits) {
      Receipt slow = applier.converge(desired, Pass::freezing);
      if (!slow.empty()) keep_knobs(applier.knobs());
      done = [handler, receipt = std::move(slow)] { handler(receipt, Pass::freezing); };
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
    busy_since_ns_ = monotonic_ns();
    lock.unlock();
    if (auto completion = job(applier_)) post(std::move(completion));
    job = nullptr;
    lock.lock();
    busy_since_ns_ = 0;
  }
}

}  // namespace tuneshift
