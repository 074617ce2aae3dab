// SPDX-License-Identifier: Apache-2.0
// The filter's end of its scan workers: N processes of postsluice-scan-worker, each confined by seccomp, one request at
// a time each. A worker that crashes, answers garbage or is late is killed and started again; the request at hand fails
// (the check's temperror), others do not notice. One that nobody asked for a while is ended, and started again with the
// next request (some 20 ms): at rest the filter needs no memory for them. All sockets and timers live on one thread of
// its own; identify() and inspect() may be awaited on any executor. Callers keep the object alive until they have
// answered. Requests wait in a bounded queue.
#pragma once

#include "contentfilter/intake/spool.hpp"
#include "contentfilter/worker/protocol.hpp"
#include "shared/core/result.hpp"
#include "shared/core/units.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace postsluice::contentfilter {

struct file_kind {
    std::string type;        ///< "application/x-dosexec"
    std::string description; ///< "PE32 executable ...", empty where the type says it all
};

class scan_workers {
public:
    struct options {
        std::filesystem::path program;
        std::size_t processes = 2;
        std::chrono::milliseconds timeout{10000}; ///< to wait for a free worker, and again for its answer
        std::size_t max_waiting = 1000;
        byte_count memory{512U << 20U};       ///< address space of each
        std::chrono::milliseconds idle{5000}; ///< a worker ends that was not asked for so long
    };
    static constexpr std::size_t looks_at = 65536; ///< octets of a file that are sent

    /// Starts the workers and waits until all are confined. Throws std::runtime_error where one cannot be started.
    explicit scan_workers(options how);
    ~scan_workers();
    scan_workers(const scan_workers&) = delete;

    /// The kind of a file that begins with `octets` (at most looks_at are sent). errc::timed_out, errc::protocol (it
    /// crashed or answered garbage), errc::unavailable (too many requests wait, or no worker can be started).
    boost::asio::awaitable<result<file_kind>> identify(std::string octets);
    /// The worker's report on a whole file (worker/archive_report.hpp, document_report.hpp), which lies in `file` and
    /// is sent in pieces. Errors as with identify().
    boost::asio::awaitable<result<std::string>> inspect(worker::request_kind kind, worker::unpack_bounds bounds,
                                                        std::shared_ptr<const spool> file);
    /// How long one request may take; what the worker allots itself is below it.
    [[nodiscard]] std::chrono::milliseconds timeout() const noexcept;
    /// The process ids, for status and tests; 0 where a worker is not running now.
    [[nodiscard]] std::vector<pid_t> processes() const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace postsluice::contentfilter
