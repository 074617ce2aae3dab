// SPDX-License-Identifier: Apache-2.0
#include "shared/config/dns_list.hpp"

#include "shared/config/codec.hpp"
#include "shared/core/ip_network.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace postsluice::config {
namespace {

constexpr std::size_t max_answers = 64;

std::optional<std::uint32_t> ipv4(std::string_view text) {
    const auto address = ip_address::parse(text);
    if (!address || !address->is_v4()) return std::nullopt;
    const auto& octets = address->bytes();
    return std::uint32_t{octets[0]} << 24U | std::uint32_t{octets[1]} << 16U | std::uint32_t{octets[2]} << 8U |
           octets[3];
}

template <class Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "127.0.1.2=SYMBOL:SCORE" or "&8=SYMBOL:SCORE".
result<dns_list_answer> parse_answer(std::string_view text) {
    const auto wrong = [&](std::string_view why) {
        return failure{errc::malformed, "has the answer " + quote(printable(text, 100)) + ", " + std::string{why}};
    };
    const auto equals = text.find('='), colon = text.rfind(':');
    if (equals == std::string_view::npos || colon == std::string_view::npos || colon < equals)
        return wrong("which is not ADDRESS=SYMBOL:SCORE");
    dns_list_answer answer;
    const auto what = text.substr(0, equals);
    answer.mask = what.starts_with('&');
    const auto value = answer.mask ? number<std::uint32_t>(what.substr(1)) : ipv4(what);
    if (!value || (answer.mask && (*value == 0 || *value > 255)))
        return wrong("which does not begin with an IPv4 address, or '&' and 1 to 255");
    if (!answer.mask && *value >> 24U != 127) return wrong("whose address is not in 127.0.0.0/8");
    answer.value = *value;
    answer.symbol = text.substr(equals + 1, colon - equals - 1);
    std::transform(answer.symbol.begin(), answer.symbol.end(), answer.symbol.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    if (!rules::name(answer.symbol).empty()) return wrong("whose symbol is not made of letters, digits and '_'");
    const auto score = number<double>(text.substr(colon + 1));
    if (!score || !std::isfinite(*score) || std::abs(*score) > 1000) return wrong("whose score is not -1000 to 1000");
    answer.score = *score;
    return answer;
}

} // namespace

result<dns_list> dns_list::parse(std::string_view text) {
    dns_list list;
    for (const auto word : split(text, ' ')) {
        if (word.empty()) continue;
        if (list.zone.empty()) {
            list.zone = to_lower(word.ends_with('.') ? word.substr(0, word.size() - 1) : word);
            if (!rules::domain(list.zone).empty()) return failure{errc::malformed, "does not begin with a DNS zone"};
            continue;
        }
        auto answer = parse_answer(word);
        if (!answer) return answer.error();
        list.answers.push_back(std::move(*answer));
    }
    if (list.answers.empty() || list.answers.size() > max_answers)
        return failure{errc::malformed, "does not name 1 to " + std::to_string(max_answers) + " answers"};
    return list;
}

} // namespace postsluice::config
