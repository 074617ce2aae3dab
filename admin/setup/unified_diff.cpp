// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/unified_diff.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace postsluice::admin::setup {
namespace {

constexpr std::size_t context = 3; // lines around a change, as diff(1) has them

using lines = std::vector<std::string_view>;

lines lines_of(std::string_view text) {
    lines out;
    while (!text.empty()) {
        const auto length = std::min(text.find('\n'), text.size() - 1) + 1;
        out.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return out;
}

struct step {
    char mark; ///< ' ', '-', '+'
    std::string_view line;
};

/// The shortest way from `a` to `b`, by the longest common subsequence of what lies between their common ends.
std::vector<step> steps(const lines& a, const lines& b) {
    std::size_t head = 0, tail = 0;
    while (head < a.size() && head < b.size() && a[head] == b[head])
        ++head;
    while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
        ++tail;
    const auto n = a.size() - head - tail, m = b.size() - head - tail;
    std::vector<std::uint32_t> common((n + 1) * (m + 1)); // of a[head+i..] and b[head+j..]
    const auto at = [&](std::size_t i, std::size_t j) -> std::uint32_t& { return common[i * (m + 1) + j]; };
    for (auto i = n; i-- > 0;)
        for (auto j = m; j-- > 0;)
            at(i, j) = a[head + i] == b[head + j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
    std::vector<step> out;
    for (std::size_t i = 0; i < head; ++i)
        out.push_back({' ', a[i]});
    std::size_t i = 0, j = 0;
    while (i < n || j < m) {
        if (i < n && j < m && a[head + i] == b[head + j])
            out.push_back({' ', a[head + i++]}), ++j;
        else if (i < n && (j == m || at(i + 1, j) >= at(i, j + 1)))
            out.push_back({'-', a[head + i++]});
        else
            out.push_back({'+', b[head + j++]});
    }
    for (i = a.size() - tail; i < a.size(); ++i)
        out.push_back({' ', a[i]});
    return out;
}

std::string range(std::size_t first, std::size_t count) {
    return std::to_string(count == 0 ? first : first + 1) + ',' + std::to_string(count);
}

void print_hunk(std::string& out, const std::vector<step>& all, std::size_t from, std::size_t to) {
    const auto count = [&](std::size_t begin, std::size_t end, char not_this) {
        return static_cast<std::size_t>(std::count_if(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                                      all.begin() + static_cast<std::ptrdiff_t>(end),
                                                      [&](const step& s) { return s.mark != not_this; }));
    };
    out += "@@ -" + range(count(0, from, '+'), count(from, to, '+')) + " +" +
           range(count(0, from, '-'), count(from, to, '-')) + " @@\n";
    for (auto i = from; i < to; ++i) {
        out.append(1, all[i].mark).append(all[i].line);
        if (!all[i].line.ends_with('\n')) out += "\n\\ No newline at end of file\n";
    }
}

} // namespace

std::string unified_diff(std::string_view before, std::string_view after, std::string_view name) {
    if (before == after) return {};
    const auto all = steps(lines_of(before), lines_of(after));
    std::string out = "--- " + std::string{name} + "\n+++ " + std::string{name} + "\n";
    for (std::size_t i = 0; i < all.size();) {
        if (all[i].mark == ' ') {
            ++i;
            continue;
        }
        auto last = i; // of the changes that lie near enough to share a hunk
        for (auto j = i; j < all.size() && j <= last + 2 * context + 1; ++j)
            if (all[j].mark != ' ') last = j;
        const auto to = std::min(last + 1 + context, all.size());
        print_hunk(out, all, i < context ? 0 : i - context, to);
        i = to;
    }
    return out;
}

} // namespace postsluice::admin::setup
