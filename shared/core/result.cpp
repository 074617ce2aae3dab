// SPDX-License-Identifier: Apache-2.0
#include "shared/core/result.hpp"

#include <ostream>

namespace postsluice {

std::string failure::message() const {
    if (detail.empty()) return std::string{sentence(code)};
    return detail + ": " + std::string{sentence(code)};
}

std::ostream& operator<<(std::ostream& out, const failure& f) {
    return out << f.message();
}

void throw_exception_from_error(const failure& f, const boost::source_location&) {
    throw std::runtime_error{f.message()};
}

} // namespace postsluice
