// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_names.hpp"

#include "shared/core/text.hpp"

namespace postsluice::auth {

bool is_dns_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    for (const auto label : split(name, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
        for (const char c : label) {
            const char l = ascii_lower(c);
            if (!((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
        }
    }
    return true;
}

} // namespace postsluice::auth
