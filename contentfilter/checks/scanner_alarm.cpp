// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/scanner_alarm.hpp"

#include "shared/log/log.hpp"

namespace postsluice::contentfilter {

void scanner_alarm::note(const result<void>& outcome) {
    const auto now = std::chrono::steady_clock::now();
    if (!outcome && !down_since_) {
        down_since_ = now;
        log::error("scanner-down")
            .kv("scanner", scanner_)
            .kv("endpoint", endpoint_)
            .kv("detail", outcome.error().message());
    }
    if (outcome && down_since_) {
        const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - *down_since_);
        log::info("scanner-up").kv("scanner", scanner_).kv("endpoint", endpoint_).kv("after_seconds", silent.count());
        down_since_.reset();
    }
}

} // namespace postsluice::contentfilter
