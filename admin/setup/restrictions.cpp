// SPDX-License-Identifier: Apache-2.0
// Restriction lists as text: our `$postsluice_policy` in and out, everything else as it was written.
#include "admin/setup/plan.hpp"

#include "shared/core/text.hpp"

namespace postsluice::admin::setup {
namespace {

constexpr std::string_view separators = ", \t\r\n";

bool is_policy(std::string_view element) {
    return element == "$postsluice_policy" || element == "${postsluice_policy}" || element == "$(postsluice_policy)";
}

/// The element that begins at `at`: to the next separator outside of braces.
std::size_t end_of_element(std::string_view list, std::size_t at) {
    int depth = 0;
    for (; at < list.size(); ++at) {
        if (depth == 0 && separators.find(list[at]) != std::string_view::npos) break;
        if (list[at] == '{') ++depth;
        if (list[at] == '}') --depth;
    }
    return at;
}

} // namespace

std::string without_policy(std::string_view list) {
    std::string out{list};
    for (std::size_t at = out.find_first_not_of(separators); at != std::string::npos && at < out.size();) {
        const auto end = end_of_element(out, at);
        if (is_policy(std::string_view{out}.substr(at, end - at))) {
            const auto next = out.find_first_not_of(separators, end);
            out.erase(at, (next == std::string::npos ? out.size() : next) - at);
        } else {
            at = out.find_first_not_of(separators, end);
        }
    }
    if (out == list) return out;
    const auto last = out.find_last_not_of(separators);
    out.resize(last == std::string::npos ? 0 : last + 1);
    return out;
}

} // namespace postsluice::admin::setup
