// SPDX-License-Identifier: Apache-2.0
// One policy connection: the shell around protocol_machine, a loop that reads, asks the pipeline and writes each reply
// in one write. Owned by the server; runs on its event loop, and waits in its ready set.
//
// How a connection ends decides what happens to the transaction it spoke for. Closed by Postfix (end of stream, reset):
// aborted, its reservation is released. Closed by us (a violation, idle_timeout, stopping): nothing is released,
// Postfix asks again on another connection. No timer per request: a session notes by when it must have moved, and the
// server looks once a second.
#pragma once

#include "policyd/pipeline.hpp"
#include "policyd/protocol.hpp"
#include "shared/core/descriptor.hpp"
#include "shared/net/endpoint.hpp"
#include "shared/net/ready_set.hpp"

namespace postsluice::policyd {

/// Seconds since the server's start; counted by the server.
using tick = std::uint32_t;

class session {
public:
    struct bounds {
        protocol_bounds protocol;
        tick idle = 1200;   ///< without a request: never less than 1100, or Postfix pays a second on its next one
        tick stalled = 120; ///< in the middle of a request, or not taking a reply
    };
    session(net::stream socket, net::ready_set& all, std::uint64_t number, pipeline& asks, const bounds& within,
            const tick& now);

    /// Until the connection is closed.
    boost::asio::awaitable<void> run();
    /// Answers what is there, then closes.
    void stop();
    /// Closes where the session has not moved in time. The server calls it every second.
    void look_at_clock();
    [[nodiscard]] std::uint64_t number() const noexcept { return speaker_.number; }

private:
    enum class ending : std::uint8_t { by_postfix, by_us };
    enum class outcome : std::uint8_t { go_on, nothing, by_postfix, by_us };
    boost::asio::awaitable<ending> serve();
    boost::asio::awaitable<outcome> read();
    void start_clock(tick patience) noexcept;
    void stop_clock() noexcept;
    outcome read_at_once();
    outcome reply_at_once(std::string_view& wire);
    boost::asio::awaitable<outcome> reply_rest(std::string_view rest);
    outcome late();
    ending violated(const failure& why);

    static constexpr tick never = ~tick{0};
    descriptor socket_;
    std::optional<net::ready_set::member> ready_; // of the socket
    pipeline& asks_;
    const bounds& within_;
    const tick& now_;
    protocol_machine input_;
    speaker speaker_;
    tick deadline_ = never;
    bool readable_ = true; // as far as is known
    bool stopping_ = false, reading_ = false, expired_ = false;
};

} // namespace postsluice::policyd
