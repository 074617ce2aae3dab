// SPDX-License-Identifier: Apache-2.0
// One SMTP dialogue, blocking, for a trial: a command, its reply. Each reply may take reply_timeout. errc::unavailable:
// nobody there; timed_out, closed, protocol.
#pragma once

#include "shared/smtp/reply_parser.hpp"

#include <chrono>
#include <filesystem>

namespace postsluice::admin::setup {

class smtp_talk {
public:
    static constexpr std::chrono::seconds reply_timeout{60}, greeting_timeout{15};

    [[nodiscard]] static result<smtp_talk> over_unix(const std::filesystem::path& socket);
    /// `port`: a number, or a name of services(5).
    [[nodiscard]] static result<smtp_talk> over_tcp(const std::string& host, const std::string& port);
    /// Whether a server greets within greeting_timeout; it is told QUIT.
    [[nodiscard]] bool greets();
    smtp_talk(smtp_talk&& other) noexcept;
    smtp_talk& operator=(smtp_talk&&) = delete;
    ~smtp_talk();

    [[nodiscard]] result<smtp::reply> read(std::chrono::seconds most = reply_timeout);
    /// Sends `text` with CRLF, and reads the reply.
    [[nodiscard]] result<smtp::reply> say(std::string text);

private:
    explicit smtp_talk(int fd)
        : fd_{fd} {}
    int fd_;
    smtp::reply_parser replies_{100, 2048};
};

} // namespace postsluice::admin::setup
