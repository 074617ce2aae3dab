// SPDX-License-Identifier: Apache-2.0
#include "shared/core/mail_address.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice {

mail_address mail_address::from_internal(std::string_view text) {
    const auto at = text.rfind('@');
    if (at == std::string_view::npos) return {std::string{text}, {}};
    auto domain = text.substr(at + 1);
    if (domain.ends_with('.')) domain.remove_suffix(1);
    return {std::string{text.substr(0, at)}, to_lower(domain)};
}

result<mail_address> mail_address::from_smtp(std::string_view text) {
    text = trim(text);
    if (text.starts_with('<')) {
        if (!text.ends_with('>')) return failure{errc::malformed, "an address lacks its closing bracket"};
        text = text.substr(1, text.size() - 2);
    }
    if (text.starts_with('@')) { // a source route (RFC 5321 appendix C) is accepted and dropped
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) return failure{errc::malformed, "a source route without an address"};
        text.remove_prefix(colon + 1);
    }
    if (!text.starts_with('"')) return from_internal(text);
    std::string local;
    std::size_t i = 1;
    for (; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && ++i == text.size()) break;
        local.push_back(text[i]);
    }
    if (i >= text.size()) return failure{errc::malformed, "a quoted local part does not end"};
    const auto rest = text.substr(i + 1);
    if (rest.empty()) return mail_address{local, {}};
    if (!rest.starts_with('@')) return failure{errc::malformed, "text after a quoted local part"};
    auto domain = rest.substr(1);
    if (domain.ends_with('.')) domain.remove_suffix(1);
    return mail_address{local, to_lower(domain)};
}

std::string mail_address::key() const {
    if (domain.empty()) return to_lower(local);
    return to_lower(local) + "@" + domain;
}

std::string mail_address::to_smtp() const {
    if (is_null()) return {};
    constexpr std::string_view atext = "!#$%&'*+-/=?^_`{|}~.";
    bool plain = !local.empty() && local.front() != '.' && local.back() != '.' && local.find("..") == std::string::npos;
    for (const char c : local) {
        const auto u = static_cast<unsigned char>(c);
        const bool alnum = (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
        if (!alnum && u < 0x80 && atext.find(c) == std::string_view::npos) plain = false;
    }
    std::string out;
    if (plain) {
        out = local;
    } else {
        out.push_back('"');
        for (const char c : local) {
            if (c == '"' || c == '\\') out.push_back('\\');
            out.push_back(c);
        }
        out.push_back('"');
    }
    if (!domain.empty()) out += "@" + domain;
    return out;
}

void assign_key(std::string& out, std::string_view internal) {
    if (internal.ends_with('.') && internal.find('@') != std::string_view::npos) internal.remove_suffix(1);
    if (internal.ends_with('@')) internal.remove_suffix(1);
    out.resize(internal.size());
    std::transform(internal.begin(), internal.end(), out.begin(), ascii_lower);
}

} // namespace postsluice
