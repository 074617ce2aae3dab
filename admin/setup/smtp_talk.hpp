// SPDX-License-Identifier: Apache-2.0
// One SMTP dialogue, blocking, for a trial: a command, its reply. Time-outs are those of [setup]. errc::unavailable:
// nobody there; timed_out, closed, protocol.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/smtp/reply_parser.hpp"

#include <chrono>
#include <filesystem>

namespace postsluice::admin::setup {

class smtp_talk {
public:
    [[nodiscard]] static result<smtp_talk> over_unix(const std::filesystem::path& socket,
                                                     const config::setup_settings& bounds);
    /// `port`: a number, or a name of services(5).
    [[nodiscard]] static result<smtp_talk> over_tcp(const std::string& host, const std::string& port,
                                                    const config::setup_settings& bounds);
    /// Whether a server greets within greeting_timeout; it is told QUIT.
    [[nodiscard]] bool greets();
    smtp_talk(smtp_talk&& other) noexcept;
    smtp_talk& operator=(smtp_talk&&) = delete;
    ~smtp_talk();

    /// What a server says first.
    [[nodiscard]] result<smtp::reply> greeting() { return read(bounds_.greeting_timeout); }
    /// Sends `text` with CRLF, and reads the reply.
    [[nodiscard]] result<smtp::reply> say(std::string text);

private:
    smtp_talk(int fd, const config::setup_settings& bounds)
        : fd_{fd}
        , bounds_{bounds} {}
    [[nodiscard]] result<smtp::reply> read(seconds most);
    int fd_;
    config::setup_settings bounds_;
    smtp::reply_parser replies_{100, 2048};
};

} // namespace postsluice::admin::setup
