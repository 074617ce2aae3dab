// SPDX-License-Identifier: Apache-2.0
#include "shared/core/limit.hpp"

#include "shared/core/units.hpp"

#include <ostream>

namespace postsluice {

std::string_view to_string(limit_unit unit) noexcept {
    switch (unit) {
    case limit_unit::messages:
        return "messages";
    case limit_unit::recipients:
        return "recipients";
    }
    return "?";
}
std::ostream& operator<<(std::ostream& out, limit_unit unit) {
    return out << to_string(unit);
}

std::string subject(const limit& l) {
    std::string period = to_string(l.period);
    if (period.starts_with("1 ")) period.erase(0, 2);
    return std::string{to_string(l.unit)} + " per " + period;
}

std::string to_string(const limit& l) {
    return (l.count == limit::unlimited ? std::string{"unlimited"} : std::to_string(l.count)) + " " + subject(l);
}
std::ostream& operator<<(std::ostream& out, const limit& l) {
    return out << to_string(l);
}

} // namespace postsluice
