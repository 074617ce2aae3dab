// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/main_cf.hpp"

#include "shared/core/text.hpp"

namespace postsluice::admin::setup {

std::string parameter_name(const piece& p) {
    if (!p.entry) return {};
    const auto line = joined(p.raw);
    const auto equals = line.find('=');
    return equals == std::string::npos ? std::string{} : std::string{trim(std::string_view{line}.substr(0, equals))};
}

std::string parameter_value(const piece& p) {
    const auto line = normalized(p.raw);
    const auto equals = line.find('=');
    return equals == std::string::npos ? std::string{} : std::string{trim(std::string_view{line}.substr(equals + 1))};
}

std::optional<std::size_t> find_parameter(const logical_lines& main, std::string_view name) {
    for (auto i = main.pieces.size(); i > 0; --i)
        if (parameter_name(main.pieces[i - 1]) == name) return i - 1;
    return std::nullopt;
}

std::optional<std::string> value_of(const logical_lines& main, std::string_view name) {
    const auto at = find_parameter(main, name);
    return at ? std::optional{parameter_value(main.pieces[*at])} : std::nullopt;
}

void set_parameter(logical_lines& main, std::string_view name, std::string_view value) {
    std::string line{name};
    line.append(" =").append(value.empty() ? "" : " ").append(value).append("\n");
    if (const auto at = find_parameter(main, name))
        main.pieces[*at].raw = line;
    else
        main.append({}, line);
}

} // namespace postsluice::admin::setup
