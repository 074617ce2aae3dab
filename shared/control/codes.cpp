// SPDX-License-Identifier: Apache-2.0
#include "shared/control/control.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace postsluice::control {
namespace {

constexpr std::array<std::pair<errc, std::string_view>, 14> names = {{
    {errc::malformed, "malformed"},
    {errc::too_large, "too-large"},
    {errc::not_found, "not-found"},
    {errc::exists, "exists"},
    {errc::denied, "denied"},
    {errc::timed_out, "timed-out"},
    {errc::unavailable, "unavailable"},
    {errc::disk_full, "disk-full"},
    {errc::corrupt, "corrupt"},
    {errc::newer_schema, "newer-schema"},
    {errc::closed, "closed"},
    {errc::protocol, "protocol"},
    {errc::unsupported, "unsupported"},
    {errc::internal, "internal"},
}};

} // namespace

std::string_view code_name(errc code) noexcept {
    for (const auto& [value, name] : names)
        if (value == code) return name;
    return "internal";
}

std::optional<errc> parse_code(std::string_view name) noexcept {
    for (const auto& [value, text] : names)
        if (text == name) return value;
    return std::nullopt;
}

result<nlohmann::json> success(nlohmann::json members) {
    return result<nlohmann::json>{boost::system::in_place_value, std::move(members)};
}

} // namespace postsluice::control
