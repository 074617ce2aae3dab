// SPDX-License-Identifier: Apache-2.0
// All pattern rules compiled into one Hyperscan database (the only file that knows Hyperscan is the .cpp). Immutable
// after the constructor and used from many threads; working memory is lent per scan. A rule matches only in the places
// that it names. The database is compiled for streams, so that a match that spans two pieces is found.
#pragma once

#include "contentfilter/checks/rule_files.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter {

class pattern_database {
public:
    /// Throws std::runtime_error with one line per rule that cannot be compiled ("file:line: why").
    explicit pattern_database(std::vector<pattern_rule> rules);
    ~pattern_database();
    pattern_database(const pattern_database&) = delete;

    [[nodiscard]] const std::vector<pattern_rule>& rules() const noexcept { return rules_; }
    /// The places that any rule looks at.
    [[nodiscard]] std::uint8_t places() const noexcept { return places_; }

    /// One input, fed in pieces.
    class scan {
    public:
        scan(const pattern_database& database, std::uint8_t where);
        ~scan();
        scan(const scan&) = delete;
        void feed(std::string_view piece);
        /// The indexes of the rules that matched and look at this place, ascending.
        [[nodiscard]] std::vector<std::size_t> finish();

    private:
        struct impl;
        std::unique_ptr<impl> impl_;
    };

private:
    struct compiled;
    std::vector<pattern_rule> rules_;
    std::uint8_t places_ = 0;
    std::unique_ptr<compiled> compiled_; // null: no rules
};

} // namespace postsluice::contentfilter
