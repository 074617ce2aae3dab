// SPDX-License-Identifier: Apache-2.0
// What records hold (RFC 1035 section 3.3, RFC 3596 section 2.2), and what may be asked for. Pure. Readers return
// nothing for data that breaks its form; it came from strangers.
#pragma once

#include "shared/core/ip_network.hpp"
#include "shared/core/result.hpp"
#include "shared/dns/record.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace postsluice::dns {

/// The name in lower case without its final dot. errc::malformed: empty, over 253 octets, a label that is empty or over
/// 63; errc::unsupported: octets beyond ASCII.
[[nodiscard]] result<std::string> checked_name(std::string_view name);

/// A name on the wire, uncompressed: lower case, dots between labels; empty for the root. No labels with a dot in them.
[[nodiscard]] std::optional<std::string> read_name(std::string_view wire);
[[nodiscard]] std::optional<mx_record> read_mx(std::string_view rdata);
[[nodiscard]] std::optional<ip_address> read_address(std::string_view rdata);
[[nodiscard]] std::optional<std::string> read_txt(std::string_view rdata);
/// The other way, for tests and for what is handed on.
[[nodiscard]] std::string write_name(std::string_view name);

} // namespace postsluice::dns
