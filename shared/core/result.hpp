// SPDX-License-Identifier: Apache-2.0
// result<T>: the outcome of something that depends on input, a peer or the machine's state. A failure carries its
// class (errc) and a private detail for the log; what a client may see is chosen elsewhere, never taken from here.
// Broken environment at start-up throws std::runtime_error instead; broken invariants assert.
#pragma once

#include "shared/core/errc.hpp"

#include <boost/system/result.hpp>

#include <iosfwd>
#include <stdexcept>
#include <string>

namespace postsluice {

struct failure {
    errc code = errc::internal;
    std::string detail; ///< private: for the log and the operator
    /// "detail: sentence" or the sentence alone.
    [[nodiscard]] std::string message() const;
    bool operator==(const failure&) const = default;
};
std::ostream& operator<<(std::ostream& out, const failure& f);

/// Found by boost::system::result<T, failure>::value() on an error.
[[noreturn]] void throw_exception_from_error(const failure& f, const boost::source_location& where);

template <class T>
using result = boost::system::result<T, failure>;

} // namespace postsluice
