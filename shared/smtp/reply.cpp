// SPDX-License-Identifier: Apache-2.0
#include "shared/smtp/reply.hpp"

#include "shared/core/text.hpp"

#include <ostream>
#include <string_view>

namespace postsluice::smtp {

namespace {

constexpr std::size_t max_text = 480; // with "451-4.3.0 " before and CRLF behind it stays under 512

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string_view default_text(int code) {
    switch (code / 100) {
    case 2:
        return "Ok";
    case 3:
        return "End data with <CR><LF>.<CR><LF>";
    case 4:
        return "Temporary failure";
    default:
        return "Refused";
    }
}

// The enhanced code that may stand beside `code`: its class digit follows the code, anything ill-formed is left out.
std::string enhanced_for(int code, const std::string& enhanced) {
    if (code / 100 == 3 || enhanced_code_length(enhanced) != enhanced.size()) return {};
    std::string out = enhanced;
    if (!out.empty()) out[0] = static_cast<char>('0' + code / 100);
    return out;
}

} // namespace

std::size_t enhanced_code_length(std::string_view text) noexcept {
    if (text.size() < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5')) return 0;
    std::size_t i = 1;
    for (int part = 0; part < 2; ++part) {
        if (i >= text.size() || text[i] != '.') return 0;
        const std::size_t first = ++i;
        while (i < text.size() && is_digit(text[i]) && i - first < 3)
            ++i;
        if (i == first) return 0;
    }
    return i == text.size() || text[i] == ' ' ? i : 0;
}

std::string reply::text() const {
    std::string out = std::to_string(code);
    if (!enhanced.empty()) out += " " + enhanced;
    for (const auto& line : lines) {
        if (!line.empty()) out += " " + printable(line);
    }
    return out;
}

reply make_reply(int code, std::string enhanced, std::string text) {
    return {code, std::move(enhanced), {std::move(text)}};
}

std::string to_wire(const reply& r) {
    const bool in_range = r.code >= 200 && r.code <= 599;
    const int code = in_range ? r.code : 451;
    const std::string digits = std::to_string(code);
    const std::string enhanced = in_range ? enhanced_for(code, r.enhanced) : "4.3.0";
    const std::vector<std::string> nothing{std::string{}};
    const auto& lines = r.lines.empty() ? nothing : r.lines;
    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        out += digits;
        out += i + 1 < lines.size() ? '-' : ' ';
        if (!enhanced.empty()) out += enhanced + " ";
        const auto text = printable(lines[i], max_text);
        out += trim(text).empty() ? default_text(code) : std::string_view{text};
        out += "\r\n";
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const reply& r) {
    return out << r.text();
}

} // namespace postsluice::smtp
