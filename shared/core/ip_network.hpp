// SPDX-License-Identifier: Apache-2.0
// IP addresses and networks in CIDR notation (RFC 4632, RFC 4291). IPv4-mapped IPv6 addresses are the IPv4 address,
// since a dual-stack listener reports them so. Parsing refuses host bits beyond the prefix ("192.0.2.1/24").
#pragma once

#include "shared/core/result.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace postsluice {

class ip_address {
public:
    /// "192.0.2.1", "2001:db8::1", "IPv6:2001:db8::1"; no scope ids.
    [[nodiscard]] static result<ip_address> parse(std::string_view text);
    [[nodiscard]] static ip_address from_bytes(const std::array<std::uint8_t, 16>& bytes, bool v4) noexcept;
    [[nodiscard]] bool is_v4() const noexcept { return v4_; }
    [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::string to_string() const;
    bool operator==(const ip_address&) const = default;

private:
    bool v4_ = false;
    std::array<std::uint8_t, 16> bytes_{}; // IPv4 in the first four
};

class ip_network {
public:
    [[nodiscard]] static result<ip_network> parse(std::string_view text);
    [[nodiscard]] bool contains(const ip_address& address) const noexcept;
    [[nodiscard]] std::string to_string() const;
    bool operator==(const ip_network&) const = default;

private:
    ip_address base_;
    std::uint8_t prefix_ = 0;
};

} // namespace postsluice
