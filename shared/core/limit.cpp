// SPDX-License-Identifier: Apache-2.0
#include "shared/core/limit.hpp"

#include "shared/core/units.hpp"

#include <array>
#include <ostream>

namespace postsluice {
namespace {

// In the order of the enumerations.
constexpr std::array<std::string_view, 12> unit_names = {
    "messages",           "recipients",    "distinct recipients",  "new recipients",   "external recipients",
    "invalid recipients", "bytes",         "null-sender messages", "client addresses", "client networks",
    "sender addresses",   "sender domains"};
constexpr std::array<std::string_view, 8> scope_names = {
    "account", "domain", "customer", "client address", "client network", "sender address", "sender domain", "server"};
constexpr std::array<std::string_view, 5> action_names = {"defer", "reject", "hold", "warn", "lock"};

template <class Names, class Enum>
std::string_view name_of(const Names& names, Enum value) noexcept {
    const auto index = static_cast<std::size_t>(value);
    return index < names.size() ? names[index] : "?";
}

} // namespace

std::string_view to_string(limit_unit unit) noexcept {
    return name_of(unit_names, unit);
}
std::ostream& operator<<(std::ostream& out, limit_unit unit) {
    return out << to_string(unit);
}
std::string_view to_string(limit_scope scope) noexcept {
    return name_of(scope_names, scope);
}
std::ostream& operator<<(std::ostream& out, limit_scope scope) {
    return out << to_string(scope);
}
std::string_view to_string(limit_action action) noexcept {
    return name_of(action_names, action);
}
std::ostream& operator<<(std::ostream& out, limit_action action) {
    return out << to_string(action);
}

std::string subject(const limit& l) {
    std::string period = l.period.count() == 0 ? "message" : to_string(l.period);
    if (period.starts_with("1 ")) period.erase(0, 2);
    auto out = std::string{to_string(l.unit)} + " per " + period;
    if (l.scope != limit_scope::account) out.append(" per ").append(to_string(l.scope));
    return out;
}

std::string to_string(const limit& l) {
    auto out = (l.count == limit::unlimited ? std::string{"unlimited"} : std::to_string(l.count)) + " " + subject(l);
    if (l.then != limit_action::defer) out.append(" then ").append(to_string(l.then));
    for (std::size_t i = 0; i < l.except_to.size(); ++i)
        out.append(i == 0 ? " except to " : ", ").append(l.except_to[i]);
    return out;
}
std::ostream& operator<<(std::ostream& out, const limit& l) {
    return out << to_string(l);
}

} // namespace postsluice
