// SPDX-License-Identifier: Apache-2.0
// The objects of the control protocol's answers (the table is in control_verbs.hpp), made from ours, and arguments read
// from requests. Pure. All text that came from outside passes printable(): an answer is valid UTF-8 whatever a
// recipient's name was.
#pragma once

#include "contentfilter/counters.hpp"
#include "shared/auth/dkim.hpp"
#include "shared/control/control.hpp"
#include "shared/state/event_log.hpp"
#include "shared/state/quarantine_index.hpp"

#include <nlohmann/json.hpp>

namespace postsluice::contentfilter {

class service;
struct message;

namespace control_json {

using nlohmann::json;
using arguments = std::shared_ptr<const json>;
using answer = boost::asio::awaitable<result<json>>;

/// A text argument of at most 1024 octets; empty where it is missing and not required.
[[nodiscard]] result<std::string> text(const json& from, const char* key, bool required);
[[nodiscard]] std::size_t number(const json& from, const char* key, std::size_t otherwise, std::size_t most);
/// Standard base64 or base64url, padded or not.
[[nodiscard]] result<std::string> base64(std::string_view encoded);
/// CRLF line ends, whatever they were, and one at the end.
[[nodiscard]] std::string crlf_lines(std::string_view text);

[[nodiscard]] json event(const state::verdict_event& of);
[[nodiscard]] json entry(const state::quarantine_entry& of);
[[nodiscard]] json finding_object(const finding& of);
[[nodiscard]] json key(const auth::signing_key& of);
[[nodiscard]] json verdicts(const std::array<counters::number, counters::verdict_kinds>& of);
[[nodiscard]] json reasons(const counters& of);

} // namespace control_json

/// The message in a request ("content", "account", "sender", "recipients", "client"), with the settings that it
/// matches.
[[nodiscard]] result<std::shared_ptr<message>> message_of(const service& s, const nlohmann::json& request);

/// The verbs "quarantine ...", "message test", "fingerprint ...", "dkim ..." and "learn ...".
void add_quarantine_verbs(control::server& to, service& what);
void add_message_verbs(control::server& to, service& what);
void add_fingerprint_verbs(control::server& to, service& what);
void add_dkim_verbs(control::server& to, service& what);
void add_learn_verbs(control::server& to, service& what);
/// What bayes was taught: the answer of "learn status". errc::unsupported where nothing can be learned.
[[nodiscard]] result<void> learned_so_far(service& s, nlohmann::json& out);

} // namespace postsluice::contentfilter
