// SPDX-License-Identifier: Apache-2.0
#include "policyd/request.hpp"

#include <charconv>
#include <ostream>

namespace postsluice::policyd {

namespace {

// Absent, empty and "0" are the same in this protocol.
template <class Number>
bool read_number(std::string_view text, Number& out) noexcept {
    if (text.empty()) {
        return true;
    }
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && rest == text.data() + text.size();
}

stage stage_of(std::string_view state) noexcept {
    if (state == "RCPT") {
        return stage::rcpt;
    }
    if (state == "DATA") {
        return stage::data;
    }
    return state == "END-OF-MESSAGE" ? stage::end_of_message : stage::other;
}

} // namespace

std::string_view to_string(stage at) noexcept {
    switch (at) {
    case stage::rcpt:
        return "RCPT";
    case stage::data:
        return "DATA";
    case stage::end_of_message:
        return "END-OF-MESSAGE";
    case stage::other:
        break;
    }
    return "other";
}

std::ostream& operator<<(std::ostream& out, stage at) {
    return out << to_string(at);
}

result<request> read_request(const attributes& raw) {
    if (raw.request != "smtpd_access_policy") {
        return failure{errc::malformed, "request is not smtpd_access_policy"};
    }
    request out;
    out.at = stage_of(raw.protocol_state);
    out.client_address = raw.client_address;
    out.server_address = raw.server_address;
    out.server_port = raw.server_port;
    out.sender = raw.sender;
    out.recipient = raw.recipient;
    out.queue_id = raw.queue_id;
    out.instance = raw.instance;
    out.sasl_username = raw.sasl_username;
    out.policy_context = raw.policy_context;
    out.ccert_fingerprint = raw.ccert_fingerprint;
    out.ccert_pubkey_fingerprint = raw.ccert_pubkey_fingerprint;
    if (!read_number(raw.recipient_count, out.recipient_count)) {
        return failure{errc::malformed, "recipient_count is not a number"};
    }
    if (!read_number(raw.size, out.size)) {
        return failure{errc::malformed, "size is not a number"};
    }
    return out;
}

} // namespace postsluice::policyd
