// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/loop.h"
#include "libtune/applier.h"

namespace tuneshift {

/// The one worker that touches knobs: a write that freezes a queue or hangs in the kernel stalls
/// the worker, never the loop. Owns nothing but the thread; the applier belongs to the worker
/// while this object lives.
class Writer {
 public:
  using KnobsHandler = std::function<void(const std::vector<KnobStatus>&)>;
  using ReceiptHandler = std::function<void(const Receipt&, Pass)>;
  /// Runs on the worker; what it returns runs on the loop afterwards.
  using Job = std::function<std::function<void()>(Applier&)>;

  Writer(Loop& loop, Applier& applier);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  static constexpr size_t most_queries = 16;

  /// Waits for the running job, drops the queued ones.
  ~Writer();

  /// Converges the kernel to `desired`: the quick knobs, then those that freeze a queue; the
  /// handler is called for each pass. When a newer apply() is already waiting, freezing is left to
  /// it.
  void apply(Desired desired, ReceiptHandler handler);

  /// Queues a job behind the ones before it. Dropped after finish().
  void submit(Job job);

  /// A job that only reads, asked for by anybody: it waits behind all others. False when too many
  /// wait already.
  bool query(Job job);

  /// Hands the knobs to `answer`, on the loop: as they are, or, where the worker hangs longer than
  /// patience_ns or too many questions wait, as it last saw them.
  void knobs(KnobsHandler answer);
  static constexpr uint64_t patience_ns = 200'000'000;

  /// Runs `completion` on the loop; callable from any thread.
  void post(std::function<void()> completion);

  /// Keeps `kept` alive until every job queued so far, and its reply, is done.
  void retire(std::shared_ptr<void> kept);

  /// Drops what is queued and takes nothing more; a job that runs ends.
  void close();

  /// Queues the last job: whatever is submitted after it is dropped, so that nothing is written
  /// behind the final restore.
  void finish(Job job);

 private:
  /// One for knobs(); its answer is taken away when it was given.
  struct Question {
    KnobsHandler answer;
    uint64_t patient_until_ns = 0;
  };

  void work();
  void run_completions();
  void keep_knobs(std::vector<KnobStatus> knobs);
  std::vector<KnobStatus> kept_knobs();
  void answer_the_impatient();

  Applier& applier_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::deque<Job> queries_;
  std::deque<std::function<void()>> completions_;
  std::deque<std::shared_ptr<Question>> questions_;  ///< the loop's alone
  Timer impatience_;
  std::vector<KnobStatus> kept_knobs_;          ///< as the worker last saw them
  uint64_t busy_since_ns_ = 0;                  ///< 0 while the worker has nothing to do
  std::vector<std::shared_ptr<void>> retired_;  ///< destroyed after all that may refer to them
  unsigned waiting_applies_ = 0;
  bool finished_ = false;
  bool stopping_ = false;
  int completed_fd_ = -1;
  Source completed_;
  std::thread worker_;
};

}  // namespace tuneshift
