// SPDX-License-Identifier: Apache-2.0
// Whether something outside that a check asks (a scanner, a DNS list) answers, as an alarm of its own: the first
// failure is logged as "scanner-down" (error), the first success after it as "scanner-up", so that the log tells when,
// and not a thousand times. One thread.
#pragma once

#include "shared/core/result.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace postsluice::contentfilter {

class scanner_alarm {
public:
    /// As the log names them: "clamd", "unix:/run/clamav/clamd.ctl".
    scanner_alarm(std::string scanner, std::string endpoint)
        : scanner_{std::move(scanner)}
        , endpoint_{std::move(endpoint)} {}
    /// Tells how a request ended.
    void note(const result<void>& outcome);

private:
    std::string scanner_, endpoint_;
    std::optional<std::chrono::steady_clock::time_point> down_since_;
};

} // namespace postsluice::contentfilter
