// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/clamd_protocol.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter::clamd {

namespace {

/// "12: text" without the number that a session puts before it.
std::string_view without_number(std::string_view reply) {
    const auto colon = reply.find(": ");
    if (colon == std::string_view::npos || colon == 0) return reply;
    const auto number = reply.substr(0, colon);
    const bool digits = std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
    return digits ? reply.substr(colon + 2) : reply;
}

failure unexpected(std::string_view reply) {
    return {errc::protocol, "clamd said \"" + printable(reply, 200) + "\""};
}

} // namespace

std::string chunk_head(std::uint32_t size) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8)
        out += static_cast<char>(size >> static_cast<unsigned>(shift) & 0xFFU);
    return out;
}

result<answer> parse_scan(std::string_view reply) {
    auto text = without_number(reply);
    if (text.starts_with("INSTREAM size limit exceeded")) return answer{answer::kind::too_large, ""};
    constexpr std::string_view before = "stream: ", found = " FOUND";
    if (!text.starts_with(before)) return unexpected(reply);
    text.remove_prefix(before.size());
    if (text == "OK") return answer{};
    if (!text.ends_with(found) || text.size() == found.size()) return unexpected(reply);
    text.remove_suffix(found.size());
    return answer{answer::kind::found, std::string{text}};
}

bool ends_session(std::string_view reply) {
    return without_number(reply).starts_with("COMMAND READ TIMED OUT");
}

result<std::string> parse_version(std::string_view reply) {
    const auto text = without_number(reply);
    if (!text.starts_with("ClamAV ")) return unexpected(reply);
    return std::string{text};
}

} // namespace postsluice::contentfilter::clamd
