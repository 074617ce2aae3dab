// SPDX-License-Identifier: Apache-2.0
// Rspamd's protocol (docs "Rspamd HTTP protocol"): the head of a POST to /checkv2 over HTTP/1.1 (RFC 9112), and its
// JSON answer. Pure.
#pragma once

#include "contentfilter/checks/foreign_symbols.hpp"
#include "contentfilter/intake/message.hpp"
#include "shared/core/result.hpp"

namespace postsluice::contentfilter::rspamd {

/// What Rspamd is told besides the message: the envelope, the client, the account, the queue ID.
[[nodiscard]] std::string request_head(const message& about, std::uint64_t size);

/// How far an HTTP response has come.
struct http_progress {
    bool complete = false;
    std::size_t body = 0, size = 0; ///< of the body, once complete
};
/// `text`: the response so far; `closed`: there will be no more. errc::protocol where it is none, has another status
/// than 200, or ends early.
[[nodiscard]] result<http_progress> parse_http(std::string_view text, bool closed);
/// errc::protocol where it is not what Rspamd answers.
[[nodiscard]] result<foreign_answer> parse_answer(std::string_view json, std::size_t max_symbols);

} // namespace postsluice::contentfilter::rspamd
