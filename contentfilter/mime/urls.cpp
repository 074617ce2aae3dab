// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/urls.hpp"

#include "shared/core/text.hpp"

#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <memory>

namespace postsluice::contentfilter::mime {

namespace {

constexpr std::array<std::string_view, 4> beginnings{"http://", "https://", "ftp://", "www."};
constexpr std::size_t longest_host = 1024; // before IDNA and percent signs are undone; a name has 253 octets

bool ends_url(char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '\\' ||
           c == '`' || c == '{' || c == '}';
}

/// Where a URL begins at or after `from`.
std::size_t next_beginning(std::string_view text, std::size_t from) {
    for (;;) {
        // A scheme has "://", and "www." a dot: what stands before those is looked at only there.
        from = text.find_first_of("hHfFwW", from);
        if (from == std::string_view::npos) return from;
        for (const auto word : beginnings)
            if (istarts_with(text.substr(from), word)) return from;
        ++from;
    }
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool coded = text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
        out += coded ? static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])) : text[i];
        if (coded) i += 2;
    }
    return out;
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
}

struct idn_deleter {
    void operator()(char* text) const noexcept { idn2_free(text); }
};

/// A-labels of a name, mapped as browsers map it (UTS 46); empty where that cannot be.
std::string to_a_labels(const std::string& name) {
    char* out = nullptr;
    const int flags = IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT;
    if (idn2_to_ascii_8z(name.c_str(), &out, flags) != IDN2_OK) return {};
    return std::unique_ptr<char, idn_deleter>{out}.get();
}

std::string to_u_labels(const std::string& name) {
    char* out = nullptr;
    if (idn2_to_unicode_8z8z(name.c_str(), &out, 0) != IDN2_OK) return {};
    return std::unique_ptr<char, idn_deleter>{out}.get();
}

/// One number of an address as inet_aton() reads it: decimal, 0x hexadecimal, 0 octal.
std::optional<std::uint64_t> address_number(std::string_view text, bool& unusual) {
    int base = 10;
    if (istarts_with(text, "0x")) {
        base = 16;
        text.remove_prefix(2);
        unusual = true;
        if (text.empty()) return 0;
    } else if (text.size() > 1 && text.front() == '0') {
        base = 8;
        unusual = true;
    }
    std::uint64_t value = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || at != text.data() + text.size()) return std::nullopt;
    return value;
}

/// The host as an IPv4 address in its usual form, where a browser takes it for one.
std::string as_ipv4(std::string_view host, bool& unusual) {
    auto pieces = split(host, '.');
    if (pieces.size() > 1 && pieces.back().empty()) pieces.pop_back();
    if (pieces.empty() || pieces.size() > 4) return {};
    std::uint64_t value = 0;
    bool odd = pieces.size() != 4;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto number = address_number(pieces[i], odd);
        if (!number) return {};
        const bool last = i + 1 == pieces.size();
        const auto room = last ? 8 * (4 - i) : std::size_t{8};
        if (*number >= std::uint64_t{1} << room) return {};
        value = value << room | *number;
    }
    unusual = odd;
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8)
        out.append(out.empty() ? "" : ".").append(std::to_string(value >> shift & 0xff));
    return out;
}

/// No browser looks such a name up (WHATWG URL standard, forbidden host code points).
bool is_forbidden(std::string_view host) {
    return std::any_of(host.begin(), host.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == 0x7f ||
               std::string_view{"#%/:<>?@[\\]^|"}.find(c) != std::string_view::npos;
    });
}

/// Fills host, readable and address; false where there is no host.
bool read_host(std::string_view text, url& into) {
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return false;
        into.host = to_lower(text.substr(1, end - 1));
        into.address = true;
        return !into.host.empty() && into.host.find_first_not_of("0123456789abcdef:.") == std::string::npos &&
               !into.host.ends_with('.');
    }
    text = text.substr(0, text.find(':')).substr(0, longest_host);
    auto host = percent_decoded(text);
    host = to_lower(host);
    if (host.find('\0') != std::string::npos) return false;
    if (!is_ascii(host))
        if (auto mapped = to_a_labels(host); !mapped.empty()) host = std::move(mapped);
    while (host.ends_with('.'))
        host.pop_back();
    if (host.empty() || is_forbidden(host)) return false;
    if (auto address = as_ipv4(host, into.disguised); !address.empty()) {
        into.host = std::move(address);
        into.address = true;
        return true;
    }
    if (host.find("xn--") != std::string::npos) {
        into.readable = to_u_labels(host);
        if (into.readable == host) into.readable.clear();
    } else if (!is_ascii(host)) {
        into.readable = host;
    }
    into.host = std::move(host);
    return true;
}

/// Without what browsers drop: blanks at both ends, line ends and tabs anywhere.
std::string without_blanks(std::string_view text) {
    while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ')
        text.remove_prefix(1);
    std::string out;
    for (const char c : text.substr(0, url::max_length))
        if (c != '\t' && c != '\r' && c != '\n') out += c;
    while (!out.empty() && static_cast<unsigned char>(out.back()) <= ' ')
        out.pop_back();
    return out;
}

bool is_slash(char c) {
    return c == '/' || c == '\\';
}

} // namespace

std::optional<url> read_url(std::string_view text) {
    url out;
    out.text = without_blanks(text);
    std::string_view rest = out.text;
    if (const auto colon = rest.find(':'); colon != std::string_view::npos && colon > 0 && colon < 6) {
        const auto scheme = to_lower(rest.substr(0, colon));
        if (scheme == "http" || scheme == "https" || scheme == "ftp")
            rest.remove_prefix(colon + 1); // "http:host" and "http:\\host" lead there too
        else
            return std::nullopt;
    } else if (rest.size() > 2 && is_slash(rest[0]) && is_slash(rest[1])) {
        rest.remove_prefix(2);
    } else if (!istarts_with(rest, "www.")) {
        return std::nullopt;
    }
    while (!rest.empty() && is_slash(rest.front()))
        rest.remove_prefix(1);
    auto authority = rest.substr(0, rest.find_first_of("/\\?#"));
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        out.user = authority.substr(0, at);
        authority.remove_prefix(at + 1);
    }
    if (!read_host(authority, out)) return std::nullopt;
    return out;
}

void find_urls(std::string_view text, const std::function<bool(std::string_view)>& visit) {
    for (std::size_t position = 0;;) {
        const auto begin = next_beginning(text, position);
        if (begin == std::string_view::npos) return;
        const auto stop = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(begin), text.end(), ends_url);
        const auto end = static_cast<std::size_t>(stop - text.begin());
        auto found = text.substr(begin, end - begin);
        while (!found.empty() && std::string_view{".,;:!?)]*_|"}.find(found.back()) != std::string_view::npos)
            found.remove_suffix(1);
        if (!visit(found)) return;
        position = end;
    }
}

} // namespace postsluice::contentfilter::mime
