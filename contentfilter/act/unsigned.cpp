// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/unsigned.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace postsluice::contentfilter::act {

namespace {

struct row {
    std::string name;
    std::string_view text;
};

std::string dashed(std::string name) {
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

const row& row_of(unsigned_reason r) {
    static const std::vector<row> rows = {
        {"signed", ""},
#define POSTSLUICE_UNSIGNED(name, sentence) {dashed(#name), sentence},
#include "contentfilter/act/unsigned.def"
#undef POSTSLUICE_UNSIGNED
    };
    return rows[static_cast<std::size_t>(r)];
}

} // namespace

std::string_view to_string(unsigned_reason r) noexcept {
    return row_of(r).name;
}

std::string_view sentence(unsigned_reason r) noexcept {
    return row_of(r).text;
}

std::span<const unsigned_reason> all_unsigned_reasons() noexcept {
    static constexpr unsigned_reason all[] = {
#define POSTSLUICE_UNSIGNED(name, sentence) unsigned_reason::name,
#include "contentfilter/act/unsigned.def"
#undef POSTSLUICE_UNSIGNED
    };
    return all;
}

} // namespace postsluice::contentfilter::act
