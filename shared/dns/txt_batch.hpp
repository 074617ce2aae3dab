// SPDX-License-Identifier: Apache-2.0
// Many TXT questions at once, each batch by a resolver of its own: nothing that was remembered from an earlier question
// stands in the way (who waits for a record to appear must not be told of its absence an hour long), and nothing is
// kept once the batch is done. What the servers themselves remember (RFC 2308) is out of our reach. Any executor, also
// of several threads: a batch runs on a strand.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/result.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace postsluice::dns {

/// The TXT records of a name, the strings of each joined; empty where there are none. A failure says nothing of the
/// name.
using txt_records = result<std::vector<std::string>>;

inline constexpr std::size_t txt_batch_at_once = 50; ///< questions under way

/// The answers in the order of `names`. A question that has not begun after `at_most` is errc::timed_out, so the whole
/// takes no longer than that and one dns.timeout. Settings that cannot be used are a failure of each.
[[nodiscard]] boost::asio::awaitable<std::vector<txt_records>> txt_batch(boost::asio::any_io_executor on,
                                                                         config::dns_settings how,
                                                                         std::vector<std::string> names,
                                                                         milliseconds at_most);

} // namespace postsluice::dns
