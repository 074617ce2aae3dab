// SPDX-License-Identifier: Apache-2.0
// The configuration as it was written, before it means anything: a tree of values, each with its file and line. The
// only place that knows toml++ is document.cpp. Several files become one tree by merge(): tables merge, arrays of
// tables append, anything else that is set twice is an error. Bounds: 4 MiB a file, and toml++'s own bound on nesting.
#pragma once

#include "shared/config/load.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::config {

inline constexpr std::size_t max_file_size = 4U << 20U;

struct node {
    enum class kind { string, integer, real, boolean, array, table, date };
    kind what = kind::table;
    std::string text;
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::vector<node> items;
    std::map<std::string, node, std::less<>> members;
    std::shared_ptr<const std::string> file;
    unsigned line = 0; ///< of the key, for a member of a table; of the value, for one of an array

    [[nodiscard]] const node* find(std::string_view key) const;
    [[nodiscard]] bool is(kind k) const noexcept { return what == k; }
    /// "a string", "a table": what an operator is told that he wrote.
    [[nodiscard]] std::string_view describe() const noexcept;
};

/// Where errors go, with the key that they are about.
class report {
public:
    report(std::vector<config_error>& into, std::string key)
        : into_{&into}
        , key_{std::move(key)} {}
    void add(const node& where, std::string text) const {
        into_->push_back({where.file ? *where.file : "", where.line, key_, std::move(text)});
    }
    /// The same for a key below this one.
    [[nodiscard]] report at(std::string_view key) const;
    [[nodiscard]] const std::string& key() const noexcept { return key_; }
    [[nodiscard]] std::size_t count() const noexcept { return into_->size(); }

private:
    std::vector<config_error>* into_;
    std::string key_;
};

/// Absent, and one error more, where the text is not TOML.
[[nodiscard]] std::optional<node> parse_document(std::string_view text, const std::string& file,
                                                 std::vector<config_error>& errors);
void merge(node& into, node&& from, const report& to);

} // namespace postsluice::config
