// SPDX-License-Identifier: Apache-2.0
// What the DNS answers, as plain values; without Asio, for the SPF helper too.
#pragma once

#include "shared/core/clock.hpp"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace postsluice::dns {

/// RFC 1035 section 3.2.2, RFC 3596.
enum class record_type : std::uint16_t { a = 1, ptr = 12, mx = 15, txt = 16, aaaa = 28 };

enum class outcome : std::uint8_t {
    records,      ///< there are some
    no_such_name, ///< NXDOMAIN: nothing of any type (RFC 8020)
    no_such_type, ///< the name exists, without a record of this type
};
std::ostream& operator<<(std::ostream& out, outcome what);

struct answer {
    outcome what = outcome::no_such_name;
    std::vector<std::string> rdata; ///< as on the wire, names uncompressed; empty but for outcome::records
    seconds ttl{};
    bool operator==(const answer&) const = default;
};

struct mx_record {
    std::uint16_t preference = 0;
    std::string host; ///< lower case, without the final dot; empty: the null MX (RFC 7505)
    bool operator==(const mx_record&) const = default;
};
} // namespace postsluice::dns
