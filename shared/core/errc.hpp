// SPDX-License-Identifier: Apache-2.0
// The closed list of ways in which an outcome that depends on input, a peer or the machine can fail.
// Every value has one sentence (sentence()). Broken invariants are assertions, not errc values.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace postsluice {

enum class errc : std::uint8_t {
    malformed,    ///< the input breaks its grammar
    too_large,    ///< the input is over a configured bound
    not_found,    ///< what was asked for is not there
    exists,       ///< it is there already
    denied,       ///< the peer or the file mode forbids it
    timed_out,    ///< the deadline passed
    unavailable,  ///< the peer, the store or the service cannot be reached now
    disk_full,    ///< no room on the device
    corrupt,      ///< stored data fails its checks
    newer_schema, ///< stored data was written by a newer version
    closed,       ///< the peer closed, or we are stopping
    protocol,     ///< the peer broke the protocol
    unsupported,  ///< the operation is not offered here
    internal,     ///< a defect or an exhausted resource of our own
};

/// One sentence for operators, without the detail.
[[nodiscard]] std::string_view sentence(errc code) noexcept;
std::ostream& operator<<(std::ostream& out, errc code);

} // namespace postsluice
