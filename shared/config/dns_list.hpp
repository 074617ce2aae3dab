// SPDX-License-Identifier: Apache-2.0
// One DNS list of domains (RFC 5782 section 2.1 and 2.2) as the configuration writes it: the zone, then what its
// answers mean: "multi.example.org 127.0.1.2=DBL_SPAM:6.5 &8=PHISH:7.5". An address means itself; "&N" means the bits N
// of the last octet, as lists that answer with several at once use them. Pure.
#pragma once

#include "shared/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::config {

struct dns_list_answer {
    std::uint32_t value = 0; ///< an IPv4 address in host order, or a mask of its last octet
    bool mask = false;
    std::string symbol;
    double score = 0;
    [[nodiscard]] bool matches(std::uint32_t address) const noexcept {
        return mask ? (address & value & 0xFFU) != 0 : address == value;
    }
    bool operator==(const dns_list_answer&) const = default;
};

struct dns_list {
    std::string zone; ///< lower case, without a dot at its end
    std::vector<dns_list_answer> answers;
    /// errc::malformed; the detail says what is wrong.
    [[nodiscard]] static result<dns_list> parse(std::string_view text);
    bool operator==(const dns_list&) const = default;
};

} // namespace postsluice::config
