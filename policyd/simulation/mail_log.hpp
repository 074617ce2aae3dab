// SPDX-License-Identifier: Apache-2.0
// Postfix's mail log as messages: who submitted what, when, to how many. Reads the lines (syslog's and RFC 3339's time)
//
//     postfix/smtpd[12]: QUEUEID: client=name[192.0.2.7], sasl_method=PLAIN, sasl_username=alice@example.org
//     postfix/qmgr[3]: QUEUEID: from=<alice@example.org>, size=1234, nrcpt=2 (queue active)
//     postfix/smtp[4]: QUEUEID: to=<friend@example.net>, ...
//
// under any syslog_name, in the order of the log. What came back from a filter (`orig_queue_id=`) is the same message
// again and is left out. Recipients that no to= names are placeholders, one address each. Syslog's times have no year
// and no zone: they are of the machine's zone and of the latest year in which the log would not end in the future. A
// log cannot tell what it does not say: recipients that were refused at RCPT, transactions that were given up. Bounds:
// most_messages; of a line the first 4 KiB. Pure but for the clock's zone; no exceptions of its own.
#pragma once

#include "shared/core/clock.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::policyd::simulation {

struct logged_message {
    instant at{};
    std::string queue_id, client_address, sasl_username, sender;
    std::uint64_t size = 0;
    std::uint32_t recipient_count = 0;
    std::vector<std::string> recipients; ///< those that the log names; may be fewer than recipient_count
};

class mail_log {
public:
    static constexpr std::size_t most_messages = 2'000'000;

    /// `now`: what syslog's years are guessed by.
    explicit mail_log(instant now)
        : now_{now} {}
    void line(std::string_view text);
    /// All messages that reached the queue, by time.
    [[nodiscard]] std::vector<logged_message> take();
    [[nodiscard]] std::uint64_t lines() const noexcept { return lines_; }
    [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; } ///< messages over most_messages

private:
    struct under_way {
        logged_message what;
        bool queued = false;
        bool dated_by_syslog = false;
    };
    void smtpd(const std::string& id, std::string_view rest, instant at, bool by_syslog);
    void qmgr(under_way& of, std::string_view rest);
    void finish(std::map<std::string, under_way>::iterator one);
    instant syslog_time(std::string_view text);

    instant now_;
    int years_back_ = -1; // of syslog's times; -1: none seen
    instant latest_{};
    std::map<std::string, under_way> open_;
    std::vector<under_way> done_;
    std::uint64_t lines_ = 0, left_out_ = 0;
};

} // namespace postsluice::policyd::simulation
