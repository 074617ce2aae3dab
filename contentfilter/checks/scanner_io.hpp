// SPDX-License-Identifier: Apache-2.0
// What talking to a scanner consists of: a request in front of a spooled message, and an answer up to the end of the
// stream. All waits end when the lease's time is over.
#pragma once

#include "contentfilter/checks/scanner_pool.hpp"
#include "contentfilter/intake/spool.hpp"

#include <memory>
#include <string>

namespace postsluice::contentfilter {

[[nodiscard]] net::asio::awaitable<result<void>> write_to(scanner_pool::lease& on, std::string octets);
/// `head`, then the message.
[[nodiscard]] net::asio::awaitable<result<void>> send_message(scanner_pool::lease& on, std::string head,
                                                              std::shared_ptr<const spool> message);
/// Adds what comes next to `into`: false at the end of the stream. errc::too_large where it grows over `most`.
[[nodiscard]] net::asio::awaitable<result<bool>> read_more(scanner_pool::lease& on, std::string& into,
                                                           std::size_t most);

} // namespace postsluice::contentfilter
