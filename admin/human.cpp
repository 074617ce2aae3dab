// SPDX-License-Identifier: Apache-2.0
#include "admin/human.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

namespace postsluice::admin {

using nlohmann::json;

namespace {

const json* find(const json& object, std::string_view member) {
    if (!object.is_object()) return nullptr;
    const auto at = object.find(member);
    return at == object.end() ? nullptr : &*at;
}

std::string format(const char* pattern, double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), pattern, value);
    return text.data();
}

} // namespace

std::string text_of(const json& object, std::string_view member, std::string_view otherwise) {
    const json* value = find(object, member);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string{otherwise};
}

std::int64_t number_of(const json& object, std::string_view member, std::int64_t otherwise) {
    const json* value = find(object, member);
    if (value == nullptr || !value->is_number()) return otherwise;
    if (value->is_number_float()) {
        const double number = value->get<double>();
        return number > -9e15 && number < 9e15 ? static_cast<std::int64_t>(number) : otherwise;
    }
    return value->get<std::int64_t>();
}

bool flag_of(const json& object, std::string_view member) {
    const json* value = find(object, member);
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

const json& part_of(const json& object, std::string_view member) {
    static const json nothing = json::array();
    const json* value = find(object, member);
    return value != nullptr && value->is_structured() ? *value : nothing;
}

std::optional<instant> time_of(const json& object, std::string_view member) {
    return parse_iso8601(text_of(object, member));
}

std::string say_duration(seconds duration) {
    struct unit {
        std::int64_t length;
        const char* name;
    };
    constexpr std::array<unit, 4> units = {{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}};
    std::int64_t left = std::max<std::int64_t>(duration.count(), 0);
    if (left == 0) return "0 s";
    std::string out;
    for (std::size_t i = 0; i < units.size(); ++i) {
        if (left < units[i].length) continue;
        out = std::to_string(left / units[i].length) + " " + units[i].name;
        left %= units[i].length;
        const bool more = i + 1 < units.size() && left >= units[i + 1].length;
        if (more) out += " " + std::to_string(left / units[i + 1].length) + " " + units[i + 1].name;
        break;
    }
    return out;
}

std::string say_distance(instant t, instant now) {
    // Rounded up towards the future: who comes back at the stated time is not early.
    if (t > now) return "in " + say_duration(std::chrono::ceil<seconds>(t - now));
    const auto past = std::chrono::floor<seconds>(now - t);
    return past == seconds::zero() ? "now" : say_duration(past) + " ago";
}

std::string say_time(std::optional<instant> t, instant now) {
    if (!t) return "-";
    std::string text = to_iso8601(*t);
    std::replace(text.begin(), text.end(), 'T', ' ');
    return text + " (" + say_distance(*t, now) + ")";
}

std::string say_size(std::uint64_t octets) {
    constexpr std::array<const char*, 4> units = {" KiB", " MiB", " GiB", " TiB"};
    if (octets < 1024) return std::to_string(octets) + " B";
    double value = static_cast<double>(octets) / 1024;
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit)
        value /= 1024;
    return format("%.1f", value) + units[unit];
}

std::string say_count(std::int64_t count, std::string_view noun) {
    return std::to_string(count) + " " + std::string{noun} + (count == 1 ? "" : "s");
}

std::string say_score(double score) {
    std::string text = format("%.2f", score);
    while (text.back() == '0')
        text.pop_back();
    if (text.back() == '.') text.pop_back();
    return text == "-0" ? "0" : text;
}

std::string say_use(const json& use) {
    const std::string what = text_of(use, "subject");
    const std::int64_t used = number_of(use, "used");
    const std::int64_t count = number_of(use, "count", -1);
    if (count < 0) return std::to_string(used) + " of unlimited " + what;
    std::string text = std::to_string(used) + " of " + std::to_string(count) + " " + what;
    const std::int64_t wait = number_of(use, "frees_in");
    if (used >= count && wait > 0) text += " (next in " + say_duration(seconds{wait}) + ")";
    return text;
}

std::string say_uses(const json& uses) {
    struct entry {
        double part;
        std::string text;
    };
    std::vector<entry> entries;
    for (const auto& use : uses) {
        const std::int64_t used = number_of(use, "used");
        const std::int64_t count = number_of(use, "count", -1);
        if (used <= 0 || count < 0) continue;
        entries.push_back(
            {static_cast<double>(used) / static_cast<double>(std::max<std::int64_t>(count, 1)), say_use(use)});
    }
    std::stable_sort(entries.begin(), entries.end(), [](const entry& a, const entry& b) { return a.part > b.part; });
    std::string out;
    for (const auto& e : entries)
        out += (out.empty() ? "" : ", ") + e.text;
    return out;
}

std::string say_lock(const json& lock, instant now) {
    if (!flag_of(lock, "locked")) return "open";
    const std::string kind = text_of(lock, "kind");
    std::string text = "locked";
    if (const auto scope = text_of(lock, "scope"); !scope.empty()) text = scope + " is locked";
    if (kind == "timed") text += " until " + say_time(time_of(lock, "until"), now);
    if (kind == "permanent") text += " until somebody unlocks it";
    if (kind == "manual") {
        const auto until = time_of(lock, "until");
        text += " by " + text_of(lock, "actor", "a person");
        text += until ? " until " + say_time(until, now) : " until somebody unlocks it";
    }
    if (const auto cause = text_of(lock, "cause"); !cause.empty()) text += ": " + cause;
    if (const auto reference = text_of(lock, "reference"); !reference.empty()) text += ", ref " + reference;
    return text;
}

std::string join(const json& strings, std::string_view between, std::size_t most) {
    std::string out;
    std::size_t count = 0;
    for (const auto& value : strings) {
        if (!value.is_string()) continue;
        if (count++ == most) return out + std::string{between} + "...";
        if (count > 1) out += between;
        out += value.get<std::string>();
    }
    return out;
}

} // namespace postsluice::admin
