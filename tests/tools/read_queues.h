// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace tuneshift {

/// Who submits the reads of an io_uring.
enum class UringSubmit {
  inline_,  ///< the program itself, in io_uring_enter(2)
  worker,   ///< a worker thread each (IOSQE_ASYNC)
  polling,  ///< a kernel thread that polls the queue (IORING_SETUP_SQPOLL)
};

/// Reads the first `bytes` of a file into `memory` in steps, several of them in flight. `memory`
/// has room for whole steps. False, with errno set, when a read fails or the file ends early.
bool read_by_uring(int fd, char* memory, uint64_t bytes, uint64_t step, UringSubmit submit);

/// The same through Linux AIO (io_submit(2)), which wants O_DIRECT to be asynchronous.
bool read_by_aio(int fd, char* memory, uint64_t bytes, uint64_t step);

}  // namespace tuneshift
