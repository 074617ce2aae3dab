// SPDX-License-Identifier: Apache-2.0
#include "shared/smtp/reply_parser.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::smtp {

namespace {

int code_of(std::string_view line) {
    if (line.size() < 3) return 0;
    int code = 0;
    for (const char c : line.substr(0, 3)) {
        if (c < '0' || c > '9') return 0;
        code = code * 10 + (c - '0');
    }
    const bool separated = line.size() == 3 || line[3] == ' ' || line[3] == '-';
    return separated && code >= 200 && code <= 599 ? code : 0;
}

// "250-4.1.2 text" lines: the enhanced code of the first line, where its class fits, is taken out of every line that
// repeats it.
void lift_enhanced_code(reply& r) {
    const auto length = enhanced_code_length(r.lines.front());
    if (length == 0 || r.lines.front()[0] != static_cast<char>('0' + r.klass())) return;
    r.enhanced = r.lines.front().substr(0, length);
    for (auto& line : r.lines) {
        if (enhanced_code_length(line) == length && line.starts_with(r.enhanced)) line.erase(0, length + 1);
    }
}

} // namespace

void reply_parser::feed(std::string_view octets) {
    in_.erase(0, at_);
    at_ = 0;
    in_.append(octets);
}

result<bool> reply_parser::take(std::string_view line) {
    const int code = code_of(line);
    if (code == 0) return failure{errc::protocol, "not a reply: \"" + printable(line, 80) + "\""};
    if (!partial_.lines.empty() && code != partial_.code) {
        return failure{errc::protocol, "a reply changes its code: \"" + printable(line, 80) + "\""};
    }
    if (partial_.lines.size() >= max_lines_) return failure{errc::too_large, "a reply of too many lines"};
    partial_.code = code;
    partial_.lines.push_back(line.size() > 4 ? printable(line.substr(4), max_line_) : std::string{});
    return line.size() == 3 || line[3] == ' ';
}

result<std::optional<reply>> reply_parser::next() {
    for (;;) {
        const auto pending = std::string_view{in_}.substr(at_);
        const auto end = pending.find('\n');
        if (std::min(end, pending.size()) > max_line_) return failure{errc::too_large, "a reply line is over-long"};
        if (end == std::string_view::npos) return std::optional<reply>{};
        if (end == 0 || pending[end - 1] != '\r') {
            return failure{errc::protocol,
                           "a reply line ends without CR: \"" + printable(pending.substr(0, end), 80) + "\""};
        }
        at_ += end + 1;
        const auto whole = take(pending.substr(0, end - 1));
        if (!whole) return whole.error();
        if (!*whole) continue;
        lift_enhanced_code(partial_);
        return std::optional<reply>{std::exchange(partial_, reply{})};
    }
}

} // namespace postsluice::smtp
