// SPDX-License-Identifier: Apache-2.0
// What the filter makes of policyd's answers to its questions (refunds, bounces).
#pragma once

#include "shared/control/control.hpp"

namespace postsluice::contentfilter {

/// Of an answer that is no "ok", by its code: asking again does not change it.
[[nodiscard]] inline bool is_final(std::string_view code) {
    const auto what = control::parse_code(code);
    return what == errc::denied || what == errc::not_found || what == errc::malformed || what == errc::unsupported;
}

} // namespace postsluice::contentfilter
