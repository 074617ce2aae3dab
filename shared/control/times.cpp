// SPDX-License-Identifier: Apache-2.0
#include "shared/control/times.hpp"

#include <ctime>
#include <string>

namespace postsluice::control {

std::optional<instant> parse_iso8601(std::string_view text) {
    std::tm parts{};
    const std::string whole{text};
    const char* end = ::strptime(whole.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    return instant{seconds{::timegm(&parts)}};
}

} // namespace postsluice::control
