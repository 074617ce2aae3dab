// SPDX-License-Identifier: Apache-2.0
#include "shared/smtp/envelope.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>

namespace postsluice::smtp {

namespace {

constexpr bool is_blank(char c) {
    return c == ' ' || c == '\t';
}
constexpr bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

std::string_view skip_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    return text;
}

// Where the path ends: behind the matching '>' and what clings to it, or at a blank; neither counts inside quotes. The
// whole text where brackets or quotes do not close.
std::size_t path_length(std::string_view text) {
    bool quoted = false;
    const bool bracketed = text.starts_with('<');
    bool open = bracketed;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\')
            ++i;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '>' && open)
            open = false;
        else if (is_blank(c) && !open)
            return i;
    }
    return text.size();
}

mail_address meaning_of(std::string_view path) {
    if (auto address = mail_address::from_smtp(path)) return *std::move(address);
    if (path.starts_with('<')) path.remove_prefix(1);
    if (path.ends_with('>')) path.remove_suffix(1);
    return mail_address::from_internal(path);
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = ascii_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

constexpr std::array<std::string_view, 8> xforward_names{"NAME", "ADDR",  "PORT",   "PROTO",
                                                         "HELO", "IDENT", "SOURCE", "LOGIN"};

path_argument own_path(const mail_address& address) {
    const std::string path = "<" + address.to_smtp() + ">";
    return {path, path, address, {}};
}

} // namespace

std::optional<std::string> path_argument::parameter(std::string_view keyword) const {
    for (const auto& p : parameters) {
        const std::string_view name = std::string_view{p}.substr(0, p.find('='));
        if (iequals(name, keyword)) return name.size() == p.size() ? std::string{} : p.substr(name.size() + 1);
    }
    return std::nullopt;
}

result<path_argument> parse_path_argument(std::string_view text) {
    if (std::any_of(text.begin(), text.end(), [](char c) { return is_control(c) && c != '\t'; })) {
        return failure{errc::malformed, "control characters in an address argument"};
    }
    text = trim(text);
    if (text.empty()) return failure{errc::malformed, "an address is missing"};
    path_argument out;
    out.raw = text;
    out.path = text.substr(0, path_length(text));
    out.address = meaning_of(out.path);
    for (auto rest = skip_blanks(text.substr(out.path.size())); !rest.empty(); rest = skip_blanks(rest)) {
        const auto end = std::min(rest.find_first_of(" \t"), rest.size());
        out.parameters.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end);
    }
    return out;
}

envelope make_envelope(const mail_address& sender, const std::vector<mail_address>& recipients) {
    envelope out;
    out.sender = own_path(sender);
    for (const auto& r : recipients)
        out.recipients.push_back(own_path(r));
    return out;
}

std::string xtext_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto u = static_cast<unsigned char>(c);
        if (u > 32 && u < 127 && c != '+' && c != '=') {
            out.push_back(c);
        } else {
            out.push_back('+');
            out.push_back(digits[u >> 4]);
            out.push_back(digits[u & 15]);
        }
    }
    return out;
}

result<std::string> xtext_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+') {
            const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
            const int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0) return failure{errc::malformed, "broken xtext"};
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        out.push_back(is_control(c) ? '?' : c);
    }
    return out;
}

result<void> apply_xforward(std::string_view argument, std::map<std::string, std::string>& attributes) {
    auto merged = attributes;
    auto rest = skip_blanks(argument);
    if (rest.empty()) return failure{errc::malformed, "XFORWARD without attributes"};
    for (; !rest.empty(); rest = skip_blanks(rest)) {
        const auto word = rest.substr(0, rest.find_first_of(" \t"));
        rest.remove_prefix(word.size());
        const auto equals = word.find('=');
        if (equals == std::string_view::npos || equals == 0)
            return failure{errc::malformed, "an XFORWARD attribute without a value"};
        const auto value = xtext_decode(word.substr(equals + 1));
        if (!value) return value.error();
        const auto name = std::find_if(xforward_names.begin(), xforward_names.end(),
                                       [&](std::string_view n) { return iequals(n, word.substr(0, equals)); });
        if (name == xforward_names.end()) continue;
        if (value->empty() || iequals(*value, "[UNAVAILABLE]"))
            merged.erase(std::string{*name});
        else
            merged.insert_or_assign(std::string{*name}, *value);
    }
    attributes = std::move(merged);
    return {};
}

} // namespace postsluice::smtp
