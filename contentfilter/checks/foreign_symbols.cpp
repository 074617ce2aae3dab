// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/foreign_symbols.hpp"

#include "shared/core/text.hpp"

#include <cmath>

namespace postsluice::contentfilter {

namespace {
constexpr double most = 1000; // as much as the configuration could give
constexpr std::size_t max_name = 90;
} // namespace

std::string symbol_name(std::string_view prefix, std::string_view name) {
    std::string out{prefix};
    for (const char c : name.substr(0, max_name)) {
        const bool lower = c >= 'a' && c <= 'z';
        const bool good = lower || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out += lower ? static_cast<char>(c - 'a' + 'A') : good ? c : '_';
    }
    return out;
}

std::vector<finding> not_asked(std::string_view symbol, std::string_view why) {
    finding f;
    f.symbol = symbol;
    f.group = "external";
    f.evidence = why;
    return {std::move(f)};
}

std::vector<finding> findings_of(const foreign_answer& answer, std::string_view prefix, double factor) {
    finding_list found{"external"};
    for (const auto& s : answer.symbols) {
        const auto score = std::isfinite(s.score) ? std::min(std::max(s.score * factor, -most), most) : 0.0;
        found.add(symbol_name(prefix, s.name), score, printable(s.detail, 200));
    }
    if (answer.cut) found.add(symbol_name(prefix, "MORE_SYMBOLS"), 0, "more symbols than max_symbols");
    return found.take();
}

} // namespace postsluice::contentfilter
