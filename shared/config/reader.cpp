// SPDX-License-Identifier: Apache-2.0
#include "shared/config/reader.hpp"

#include "shared/core/text.hpp"

namespace postsluice::config {

namespace {

/// The section of which `key` is an option, where an operator forgot its header; empty where there is none or more than
/// one.
std::string home_of(const std::string& key) {
    std::string home;
    for (const auto& one : describe_options()) {
        const auto dot = one.key.rfind('.');
        if (dot == std::string::npos ? one.key != key : one.key.substr(dot + 1) != key) continue;
        if (!home.empty()) return {};
        home =
            dot == std::string::npos ? "the top of the file, before any [section]" : "[" + one.key.substr(0, dot) + "]";
    }
    return home;
}

} // namespace

void report_unknown(const std::string& key, const node& where, const std::vector<std::string>& known,
                    const report& to) {
    const std::vector<std::string_view> names{known.begin(), known.end()};
    const auto near = did_you_mean(key, names);
    const auto what = where.is(node::kind::table) ? "is not a section here; " : "is not an option here; ";
    std::string right = "`postsluice config defaults` lists them all";
    if (!near.empty())
        right = "did you mean " + quote(near) + "?";
    else if (const auto home = home_of(key); !home.empty())
        right = "it belongs to " + home;
    to.at(printable(key, 60)).add(where, what + right);
}

bool expect_table(const node& from, std::string_view written, const report& to) {
    if (from.is(node::kind::table)) return true;
    to.add(from, "must be a table, not " + std::string{from.describe()} + "; write " + std::string{written});
    return false;
}

} // namespace postsluice::config
