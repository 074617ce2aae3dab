// SPDX-License-Identifier: Apache-2.0
#include "shared/core/errc.hpp"

#include <ostream>

namespace postsluice {

std::string_view sentence(errc code) noexcept {
    switch (code) {
    case errc::malformed:
        return "the input breaks its grammar";
    case errc::too_large:
        return "the input is over a configured bound";
    case errc::not_found:
        return "it was not found";
    case errc::exists:
        return "it exists already";
    case errc::denied:
        return "access was denied";
    case errc::timed_out:
        return "the deadline passed";
    case errc::unavailable:
        return "it cannot be reached now";
    case errc::disk_full:
        return "no room is left on the device";
    case errc::corrupt:
        return "stored data is damaged";
    case errc::newer_schema:
        return "stored data was written by a newer version";
    case errc::closed:
        return "the connection is closed";
    case errc::protocol:
        return "the peer broke the protocol";
    case errc::unsupported:
        return "the operation is not offered here";
    case errc::internal:
        return "internal error";
    }
    return "internal error";
}

std::ostream& operator<<(std::ostream& out, errc code) {
    return out << sentence(code);
}

} // namespace postsluice
