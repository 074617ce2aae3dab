// SPDX-License-Identifier: Apache-2.0
#include "policyd/protocol.hpp"

#include <algorithm>
#include <cstring>

namespace postsluice::policyd {

namespace {

constexpr std::size_t small_buffer = 2048; // a request of Postfix 3.7 has about 700 octets

// In the order of `members`, below.
enum known_name : std::size_t {
    n_request,
    n_protocol_state,
    n_client_address,
    n_server_address,
    n_server_port,
    n_sender,
    n_recipient,
    n_recipient_count,
    n_queue_id,
    n_instance,
    n_size,
    n_sasl_username,
    n_policy_context,
    n_ccert_fingerprint,
    n_ccert_pubkey_fingerprint,
    n_unknown
};

constexpr std::array members = {
    &attributes::request,
    &attributes::protocol_state,
    &attributes::client_address,
    &attributes::server_address,
    &attributes::server_port,
    &attributes::sender,
    &attributes::recipient,
    &attributes::recipient_count,
    &attributes::queue_id,
    &attributes::instance,
    &attributes::size,
    &attributes::sasl_username,
    &attributes::policy_context,
    &attributes::ccert_fingerprint,
    &attributes::ccert_pubkey_fingerprint,
};
static_assert(members.size() == n_unknown);

// Length and, where two names share it, one octet leave a single candidate: one comparison per line.
known_name name_of(std::string_view name) noexcept {
    const auto is = [name](std::string_view candidate, known_name n) { return name == candidate ? n : n_unknown; };
    switch (name.size()) {
    case 4:
        return is("size", n_size);
    case 6:
        return is("sender", n_sender);
    case 7:
        return is("request", n_request);
    case 8:
        return name[0] == 'i' ? is("instance", n_instance) : is("queue_id", n_queue_id);
    case 9:
        return is("recipient", n_recipient);
    case 11:
        return is("server_port", n_server_port);
    case 13:
        return is("sasl_username", n_sasl_username);
    case 14:
        switch (name[2]) {
        case 'o':
            return is("protocol_state", n_protocol_state);
        case 'i':
            return is("client_address", n_client_address);
        case 'r':
            return is("server_address", n_server_address);
        default:
            return is("policy_context", n_policy_context);
        }
    case 15:
        return is("recipient_count", n_recipient_count);
    case 17:
        return is("ccert_fingerprint", n_ccert_fingerprint);
    case 24:
        return is("ccert_pubkey_fingerprint", n_ccert_pubkey_fingerprint);
    default:
        return n_unknown;
    }
}

} // namespace

protocol_machine::protocol_machine(protocol_bounds bounds)
    : bounds_{bounds}
    , buffer_(small_buffer) {
    static_assert(known == n_unknown);
}

std::span<char> protocol_machine::prepare() {
    if (begin_ == end_) {
        begin_ = line_ = seen_ = end_ = 0;
        if (buffer_.size() > 4 * small_buffer) {
            buffer_ = std::vector<char>(small_buffer);
        }
    } else if (begin_ != 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        line_ -= begin_;
        seen_ -= begin_;
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == buffer_.size()) { // next() refuses what is over the bound, so this ends at about twice the bound
        buffer_.resize(2 * buffer_.size());
    }
    return {buffer_.data() + end_, buffer_.size() - end_};
}

void protocol_machine::feed(std::string_view octets) {
    while (!octets.empty()) {
        const auto room = prepare();
        const auto now = std::min(room.size(), octets.size());
        std::memcpy(room.data(), octets.data(), now);
        commit(now);
        octets.remove_prefix(now);
    }
}

result<protocol_machine::step> protocol_machine::next() {
    if (broken_) {
        return why_;
    }
    for (;;) {
        const char* base = buffer_.data();
        const auto* lf =
            static_cast<const char*>(seen_ < end_ ? std::memchr(base + seen_, '\n', end_ - seen_) : nullptr);
        if (lf == nullptr) {
            seen_ = end_;
            if (end_ - line_ > bounds_.line) {
                return broken(errc::too_large, "a line is longer than policyd.max_line");
            }
            if (end_ - begin_ > bounds_.request) {
                return broken(errc::too_large, "a request is larger than policyd.max_request");
            }
            return step::want_input;
        }
        const auto whole = take_line(static_cast<std::size_t>(lf - base) - line_);
        if (!whole) {
            return whole.error();
        }
        if (*whole) {
            return step::request;
        }
    }
}

// True where the line was the empty one that ends a request.
result<bool> protocol_machine::take_line(std::size_t length) {
    const std::size_t at = line_;
    if (length > bounds_.line) {
        return broken(errc::too_large, "a line is longer than policyd.max_line");
    }
    if (at + length + 1 - begin_ > bounds_.request) {
        return broken(errc::too_large, "a request is larger than policyd.max_request");
    }
    line_ = seen_ = at + length + 1;
    if (length != 0) {
        const auto taken = take_attribute({buffer_.data() + at, length}, at - begin_);
        return taken ? result<bool>{false} : result<bool>{taken.error()};
    }
    if (count_ == 0) {
        return broken(errc::malformed, "a request without attributes");
    }
    publish();
    restart();
    return true;
}

result<void> protocol_machine::take_attribute(std::string_view line, std::size_t at) {
    if (++count_ > bounds_.attributes) {
        return broken(errc::too_large, "a request has more attributes than policyd.max_attributes");
    }
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        return broken(errc::malformed, "a line that is not name=value");
    }
    if (std::memchr(line.data(), '\0', line.size()) != nullptr) {
        return broken(errc::malformed, "a line with a NUL octet");
    }
    const auto which = name_of(line.substr(0, equals));
    if (which != n_unknown && !fields_[which].there) {
        fields_[which] = {static_cast<std::uint32_t>(at + equals + 1),
                          static_cast<std::uint32_t>(line.size() - equals - 1), true};
    }
    return {};
}

void protocol_machine::publish() noexcept {
    for (std::size_t i = 0; i < known; ++i) {
        current_.*members[i] = fields_[i].there
                                   ? std::string_view{buffer_.data() + begin_ + fields_[i].at, fields_[i].size}
                                   : std::string_view{};
    }
}

void protocol_machine::restart() noexcept {
    begin_ = line_;
    count_ = 0;
    fields_ = {};
}

failure protocol_machine::broken(errc code, const char* what) {
    broken_ = true;
    why_ = {code, what};
    return why_;
}

} // namespace postsluice::policyd
