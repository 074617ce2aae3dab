// SPDX-License-Identifier: Apache-2.0
// Asks SpamAssassin's spamd about messages, one a connection, as its protocol has it. Runs on one single-threaded
// executor, but report() may be awaited on any.
#pragma once

#include "contentfilter/checks/foreign_symbols.hpp"
#include "contentfilter/checks/scanner_pool.hpp"
#include "contentfilter/intake/spool.hpp"
#include "shared/config/settings.hpp"

#include <memory>

namespace postsluice::contentfilter {

class spamd_client {
public:
    /// Throws std::runtime_error where the endpoint cannot be read.
    spamd_client(boost::asio::any_io_executor executor, const config::spamd_settings& how);
    /// errc::unavailable, errc::timed_out, errc::protocol.
    [[nodiscard]] boost::asio::awaitable<result<foreign_answer>> report(std::shared_ptr<const spool> message);

private:
    static boost::asio::awaitable<result<foreign_answer>> serve(spamd_client* self,
                                                                std::shared_ptr<const spool> message);
    boost::asio::awaitable<result<std::string>> exchange(std::shared_ptr<const spool> message);

    boost::asio::any_io_executor executor_;
    config::spamd_settings how_;
    scanner_pool pool_;
};

} // namespace postsluice::contentfilter
