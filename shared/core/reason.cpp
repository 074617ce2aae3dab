// SPDX-License-Identifier: Apache-2.0
#include "shared/core/reason.hpp"

#include <array>
#include <ostream>
#include <string>
#include <vector>

namespace postsluice {
namespace {

struct row {
    std::string name;
    std::string_view text;
};

std::string dashed(std::string_view name) {
    std::string out{name};
    for (char& c : out)
        if (c == '_') c = '-';
    return out;
}

const std::vector<row>& rows() {
    static const std::vector<row> table = {
#define POSTSLUICE_REASON(name, text) {dashed(#name), text},
#include "shared/core/reason.def"
#undef POSTSLUICE_REASON
    };
    return table;
}

} // namespace

std::string_view to_string(reason r) noexcept {
    return rows()[static_cast<std::size_t>(r)].name;
}
std::string_view sentence(reason r) noexcept {
    return rows()[static_cast<std::size_t>(r)].text;
}

std::span<const reason> all_reasons() noexcept {
    static constexpr reason all[] = {
#define POSTSLUICE_REASON(name, text) reason::name,
#include "shared/core/reason.def"
#undef POSTSLUICE_REASON
    };
    return all;
}

std::optional<reason> parse_reason(std::string_view name) noexcept {
    for (const reason r : all_reasons())
        if (to_string(r) == name) return r;
    return std::nullopt;
}

std::ostream& operator<<(std::ostream& out, reason r) {
    return out << to_string(r);
}

} // namespace postsluice
