// SPDX-License-Identifier: Apache-2.0
// Asks Rspamd's normal worker about messages, one a connection. Runs on one single-threaded executor, but check() may
// be awaited on any.
#pragma once

#include "contentfilter/checks/foreign_symbols.hpp"
#include "contentfilter/checks/scanner_pool.hpp"
#include "contentfilter/intake/message.hpp"

namespace postsluice::contentfilter {

class rspamd_client {
public:
    /// Throws std::runtime_error where the endpoint cannot be read.
    rspamd_client(boost::asio::any_io_executor executor, const config::rspamd_settings& how);
    /// errc::unavailable, errc::timed_out, errc::protocol, errc::too_large (its answer).
    [[nodiscard]] boost::asio::awaitable<result<foreign_answer>> check(message_ptr what);

private:
    static boost::asio::awaitable<result<foreign_answer>> serve(rspamd_client* self, message_ptr what);
    boost::asio::awaitable<result<std::string>> exchange(message_ptr what);

    boost::asio::any_io_executor executor_;
    config::rspamd_settings how_;
    scanner_pool pool_;
};

} // namespace postsluice::contentfilter
