// SPDX-License-Identifier: Apache-2.0
#include "shared/core/units.hpp"

#include "shared/core/text.hpp"

#include <array>
#include <charconv>
#include <ostream>

namespace postsluice {
namespace {

struct quantity {
    std::uint64_t number;
    std::string unit; // lower case
};

result<quantity> split(std::string_view text) {
    text = trim(text);
    quantity q{};
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), q.number);
    if (ec != std::errc{})
        return failure{errc::malformed, "\"" + std::string{text} + "\" does not begin with a number"};
    q.unit = to_lower(trim(text.substr(static_cast<std::size_t>(end - text.data()))));
    return q;
}

struct unit_row {
    std::string_view name;
    std::uint64_t factor;
};
constexpr std::uint64_t kib = 1024;
constexpr std::array size_units = {unit_row{"", 1},
                                   unit_row{"b", 1},
                                   unit_row{"bytes", 1},
                                   unit_row{"kb", kib},
                                   unit_row{"kib", kib},
                                   unit_row{"k", kib},
                                   unit_row{"mb", kib* kib},
                                   unit_row{"mib", kib* kib},
                                   unit_row{"m", kib* kib},
                                   unit_row{"gb", kib* kib* kib},
                                   unit_row{"gib", kib* kib* kib},
                                   unit_row{"g", kib* kib* kib}};
constexpr std::array time_units = {
    unit_row{"s", 1},         unit_row{"second", 1},     unit_row{"seconds", 1},     unit_row{"m", 60},
    unit_row{"minute", 60},   unit_row{"minutes", 60},   unit_row{"h", 3600},        unit_row{"hour", 3600},
    unit_row{"hours", 3600},  unit_row{"d", 86400},      unit_row{"day", 86400},     unit_row{"days", 86400},
    unit_row{"week", 604800}, unit_row{"weeks", 604800}, unit_row{"month", 2592000}, unit_row{"months", 2592000}};

template <std::size_t N>
result<std::uint64_t> scale(std::string_view text, const std::array<unit_row, N>& units, std::string_view known) {
    const auto q = split(text);
    if (!q) return q.error();
    for (const auto& u : units) {
        if (u.name != q->unit) continue;
        constexpr std::uint64_t ceiling = std::uint64_t{1} << 53;
        if (q->number > ceiling / u.factor) return failure{errc::too_large, "\"" + std::string{text} + "\""};
        return q->number * u.factor;
    }
    return failure{errc::malformed, "\"" + q->unit + "\" is not a unit; use " + std::string{known}};
}

} // namespace

result<byte_count> parse_bytes(std::string_view text) {
    const auto n = scale(text, size_units, "B, KiB, MiB or GiB");
    if (!n) return n.error();
    return byte_count{*n};
}

std::string to_string(byte_count size) {
    if (size.value != 0 && size.value % (kib * kib * kib) == 0)
        return std::to_string(size.value / (kib * kib * kib)) + " GiB";
    if (size.value != 0 && size.value % (kib * kib) == 0) return std::to_string(size.value / (kib * kib)) + " MiB";
    if (size.value != 0 && size.value % kib == 0) return std::to_string(size.value / kib) + " KiB";
    return std::to_string(size.value) + " B";
}

std::ostream& operator<<(std::ostream& out, byte_count b) {
    return out << to_string(b);
}

result<seconds> parse_duration(std::string_view text) {
    const auto n = scale(text, time_units, "seconds, minutes, hours, days, weeks or months");
    if (!n) return n.error();
    return seconds{static_cast<std::int64_t>(*n)};
}

std::string to_string(seconds duration) {
    const auto n = duration.count();
    const auto say = [](std::int64_t count, std::string_view unit) {
        return std::to_string(count) + " " + std::string{unit} + (count == 1 ? "" : "s");
    };
    if (n != 0 && n % 86400 == 0) return say(n / 86400, "day");
    if (n != 0 && n % 3600 == 0) return say(n / 3600, "hour");
    if (n != 0 && n % 60 == 0) return say(n / 60, "minute");
    return say(n, "second");
}

} // namespace postsluice
