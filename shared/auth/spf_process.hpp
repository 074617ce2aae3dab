// SPDX-License-Identifier: Apache-2.0
// Private to shared/auth: one SPF helper process and the dialogue with it (spf_helper/protocol.hpp). Whatever goes
// wrong kills it; the next evaluation starts another. One evaluation at a time, on the event loop's thread.
#pragma once

#include "shared/auth/spf.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <chrono>

namespace postsluice::auth {

class spf_process {
public:
    spf_process(boost::asio::any_io_executor executor, const config::spf_settings& how, const spf_lookup& lookup);
    ~spf_process() { end(); }
    spf_process(const spf_process&) = delete;
    spf_process& operator=(const spf_process&) = delete;

    bool busy = false; ///< the caller's mark

    /// errc::timed_out, errc::protocol (it crashed or talked garbage), errc::unavailable (it cannot be started).
    boost::asio::awaitable<result<spf_verdict>> evaluate(spf_question what, std::chrono::milliseconds timeout);
    /// Starts it where it does not run, and waits until it is confined.
    boost::asio::awaitable<result<void>> ensure_running(std::chrono::milliseconds timeout);
    void end();
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    result<void> spawn();
    boost::asio::awaitable<result<void>> greet();
    boost::asio::awaitable<result<std::string>> receive();
    boost::asio::awaitable<result<void>> send(std::string text);
    boost::asio::awaitable<result<void>> answer(std::string question);
    boost::asio::awaitable<result<spf_verdict>> dialogue(spf_question what);

    boost::asio::any_io_executor executor_;
    const config::spf_settings& how_;
    const spf_lookup& lookup_;
    boost::asio::local::stream_protocol::socket socket_;
    pid_t pid_ = 0;
};

} // namespace postsluice::auth
