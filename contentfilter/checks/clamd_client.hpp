// SPDX-License-Identifier: Apache-2.0
// Asks clamd about files: sessions that are used again (scanner_pool), results remembered by digest. When clamd's
// version or its database's changes, what was remembered is forgotten; it is asked every clamd.version_interval, before
// a file is answered from memory. A session that clamd ended before it answered is made anew once. Runs on one
// single-threaded executor, but scan() may be awaited on any.
#pragma once

#include "contentfilter/checks/clamd_protocol.hpp"
#include "contentfilter/checks/digest_cache.hpp"
#include "contentfilter/checks/scanner_pool.hpp"
#include "contentfilter/intake/spool.hpp"
#include "shared/config/settings.hpp"

#include <memory>

namespace postsluice::contentfilter {

class clamd_client {
public:
    /// Throws std::runtime_error where the endpoint cannot be read.
    clamd_client(boost::asio::any_io_executor executor, const config::clamd_settings& how);

    /// What clamd says of `file`; `digest` names its content. errc::unavailable, errc::timed_out, errc::protocol.
    [[nodiscard]] boost::asio::awaitable<result<clamd::answer>> scan(std::shared_ptr<const spool> file,
                                                                     std::string digest);

    struct counters {
        std::uint64_t asked = 0, remembered = 0;
    };
    [[nodiscard]] counters counts() const noexcept { return counts_; } ///< on the executor

private:
    using steady = std::chrono::steady_clock;
    template <class T>
    using awaitable = boost::asio::awaitable<T>;
    static awaitable<result<clamd::answer>> serve(clamd_client* self, std::shared_ptr<const spool> file,
                                                  std::string digest);
    awaitable<result<void>> look_at_version();
    /// One command on a connection, a second time on a new one where the first was used before and gave no answer.
    awaitable<result<std::string>> command(std::string text, std::shared_ptr<const spool> file);
    static awaitable<result<std::string>> talk(scanner_pool::lease& on, std::string text,
                                               std::shared_ptr<const spool> file);

    boost::asio::any_io_executor executor_;
    config::clamd_settings how_;
    scanner_pool pool_;
    digest_cache<clamd::answer> remembered_;
    std::string version_;
    steady::time_point version_asked_{};
    counters counts_;
};

} // namespace postsluice::contentfilter
