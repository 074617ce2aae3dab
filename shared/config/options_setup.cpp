// SPDX-License-Identifier: Apache-2.0
// The rows of [setup].
#include "shared/config/options.hpp"

namespace postsluice::config {

const options<setup_settings>& setup_options() {
    using s = setup_settings;
    using std::chrono::minutes;
    static const options<s> rows = {
        row<s>("connect_timeout", &s::connect_timeout, durations(seconds{1}, minutes{1}),
               "For a connection to an SMTP server of this machine."),
        row<s>("greeting_timeout", &s::greeting_timeout, durations(seconds{1}, minutes{5}),
               "For its greeting; postscreen may take its time."),
        row<s>("reply_timeout", &s::reply_timeout, durations(seconds{1}, minutes{10}),
               "For each of its other replies."),
        row<s>("start_timeout", &s::start_timeout, durations(seconds{1}, minutes{10}),
               "For the private Postfix of the trial to take connections."),
        row<s>("message_timeout", &s::message_timeout, durations(seconds{1}, minutes{30}),
               "For the trial message to go through the filter and to come back."),
        row<s>("reload_timeout", &s::reload_timeout, durations(seconds{1}, minutes{10}),
               "For Postfix's services to answer after a reload; then the change is taken back."),
        row<s>(
            "drain_timeout", &s::drain_timeout, durations(seconds{1}, minutes{30}),
            "For sessions and messages under way at --undo; what takes longer keeps the transport and the way back."),
        row<s>("stop_timeout", &s::stop_timeout, durations(seconds{1}, minutes{1}),
               "For the private Postfix of the trial to stop; then it is killed."),
    };
    return rows;
}

} // namespace postsluice::config
