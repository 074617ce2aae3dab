// SPDX-License-Identifier: Apache-2.0
// The request side of Postfix's policy delegation protocol (SMTPD_POLICY_README, "Protocol description") as a machine
// without I/O: octets in, attributes out. One per connection; not thread-safe.
//
// A request is lines "name=value", split at the first '=', in any order, ended by an empty line. Values are raw: UTF-8,
// '=', blanks and control octets pass; only NUL cannot be in one. Unknown names are skipped, of duplicates the first
// counts. Bounds: octets in a line, octets and attributes in a request. Whatever breaks the grammar or a bound is
// errc::malformed or errc::too_large; the machine stays broken, and the session closes without a reply, the protocol's
// way to say "trouble".
//
// Nothing is copied: attributes are views into the machine's buffer, valid until the next prepare(). The buffer starts
// small (thousands of connections are idle), grows to the configured bound and shrinks when a large request is done.
#pragma once

#include "shared/core/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace postsluice::policyd {

/// What we read of a request, as Postfix sent it; what was absent is empty.
struct attributes {
    std::string_view request, protocol_state, client_address, server_address, server_port, sender, recipient,
        recipient_count, queue_id, instance, size, sasl_username, policy_context, ccert_fingerprint,
        ccert_pubkey_fingerprint;
};

struct protocol_bounds {
    std::size_t line = 8192;
    std::size_t request = 65536;
    std::size_t attributes = 128;
};

class protocol_machine {
public:
    explicit protocol_machine(protocol_bounds bounds);

    /// Room for the next octets, never empty. Invalidates attributes handed out before.
    [[nodiscard]] std::span<char> prepare();
    /// That many octets were put there.
    void commit(std::size_t octets) noexcept { end_ += octets; }
    /// Copies octets in (tests, and whoever has them already).
    void feed(std::string_view octets);

    enum class step : std::uint8_t { want_input, request };
    /// The next complete request, or want_input, or why the input is refused (from then on always).
    [[nodiscard]] result<step> next();
    /// Of the request that next() reported.
    [[nodiscard]] const attributes& current() const noexcept { return current_; }
    /// Nothing of a further request is there: the connection is idle.
    [[nodiscard]] bool idle() const noexcept { return begin_ == end_; }

private:
    static constexpr std::size_t known = 15;
    struct field { // where a value lies, from the start of the request: survives a buffer that moves
        std::uint32_t at = 0, size = 0;
        bool there = false;
    };
    result<bool> take_line(std::size_t length);
    result<void> take_attribute(std::string_view line, std::size_t at);
    void publish() noexcept;
    failure broken(errc code, const char* what);
    void restart() noexcept;

    protocol_bounds bounds_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0; // of the request under way
    std::size_t line_ = 0;  // of the line under way
    std::size_t seen_ = 0;  // no line end before this
    std::size_t end_ = 0;   // of what was read
    std::size_t count_ = 0; // attributes of the request under way
    std::array<field, known> fields_{};
    attributes current_;
    bool broken_ = false;
    failure why_;
};

} // namespace postsluice::policyd
