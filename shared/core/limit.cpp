// SPDX-License-Identifier: Apache-2.0
#include "shared/core/limit.hpp"

#include "shared/core/units.hpp"

#include <algorithm>
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

namespace {

constexpr std::uint64_t kb = 1024;
struct byte_unit {
    std::uint64_t size;
    std::string_view name;
};
constexpr std::array<byte_unit, 3> byte_units = {byte_unit{kb * kb * kb, " GB"}, byte_unit{kb * kb, " MB"},
                                                 byte_unit{kb, " KB"}};

std::string say_period(seconds period) {
    constexpr std::int64_t week = 604800, month = 2592000;
    const auto n = period.count();
    const auto times = [n](std::int64_t length, const std::string& name) {
        return n == length ? name : std::to_string(n / length) + " " + name + "s";
    };
    if (n == 0) return "message";
    if (n % month == 0) return times(month, "month");
    if (n % week == 0) return times(week, "week");
    std::string text = to_string(period);
    if (text.starts_with("1 ")) text.erase(0, 2);
    return text;
}

std::string behind_unit(const limit& l) {
    std::string out = " per " + say_period(l.period);
    if (l.scope != limit_scope::account) out.append(" per ").append(to_string(l.scope));
    return out;
}

} // namespace

std::string say_amount(limit_unit unit, std::uint64_t amount) {
    if (unit != limit_unit::bytes) return std::to_string(amount);
    for (const auto& u : byte_units) {
        if (amount < u.size) continue;
        if (amount % u.size == 0) return std::to_string(amount / u.size).append(u.name);
        if (amount < 10 * u.size) continue; // the next smaller unit says it better
        return std::to_string(amount / u.size).append(u.name);
    }
    return std::to_string(amount) + " bytes";
}

std::string subject(const limit& l) {
    return std::string{to_string(l.unit)} + behind_unit(l);
}

std::string to_string(const limit& l) {
    std::string out;
    if (l.count == limit::unlimited || l.unit != limit_unit::bytes) {
        out = (l.count == limit::unlimited ? std::string{"unlimited"} : std::to_string(l.count)) + " " + subject(l);
    } else {
        const auto fits = std::find_if(byte_units.begin(), byte_units.end(),
                                       [&](const byte_unit& u) { return l.count != 0 && l.count % u.size == 0; });
        out = fits == byte_units.end() ? std::to_string(l.count) + " bytes"
                                       : std::to_string(l.count / fits->size).append(fits->name);
        out += behind_unit(l);
    }
    if (l.then != limit_action::defer) out.append(" then ").append(to_string(l.then));
    for (std::size_t i = 0; i < l.except_to.size(); ++i)
        out.append(i == 0 ? " except to " : ", ").append(l.except_to[i]);
    return out;
}
std::ostream& operator<<(std::ostream& out, const limit& l) {
    return out << to_string(l);
}

} // namespace postsluice
