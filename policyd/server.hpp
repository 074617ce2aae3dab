// SPDX-License-Identifier: Apache-2.0
// Accepts policy connections and owns their sessions: listeners, the bound on connections, the one clock that all
// sessions are held against, and the clean stop. One event loop, one thread.
//
// On Debian smtpd is chrooted, so a unix socket lies below the queue directory. Its own mode is 0666; who may come near
// is the directory's business, which is 2750 postsluice:postfix: smtpd runs as user postfix and cannot be in a group of
// ours.
#pragma once

#include "policyd/session.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <unordered_map>

namespace postsluice::policyd {

inline constexpr mode_t socket_mode = 0666;

class server {
public:
    /// Bounds are taken from the settings at the start; listeners and max_connections do not change at a reload.
    server(boost::asio::io_context& context, pipeline& asks, const config::policyd_settings& settings);
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Takes over a listening descriptor (net::open_listener with socket_mode).
    void listen(int descriptor);
    void start();
    /// Answers what is there, closes, calls `done` once all sessions are over, at the latest after stop_timeout.
    void stop(std::function<void()> done);
    /// net::ready_set::end_of_turn() of the connections.
    [[nodiscard]] auto end_of_turn() const { return ready_.end_of_turn(); }
    [[nodiscard]] std::size_t connections() const noexcept { return sessions_.size(); }
    [[nodiscard]] std::size_t most() const noexcept { return most_; }

private:
    boost::asio::awaitable<void> accept_all(std::shared_ptr<net::acceptor> from);
    void begin(net::stream connection);
    boost::asio::awaitable<void> run_session(std::shared_ptr<session> what);
    boost::asio::awaitable<void> count_seconds();
    void turn_away(net::stream connection);
    void finish();

    boost::asio::io_context& context_;
    pipeline& asks_;
    session::bounds bounds_;
    std::size_t most_;
    seconds stop_timeout_;
    boost::asio::steady_timer timer_;
    tick now_ = 0;
    tick complained_ = 0;
    std::uint64_t next_number_;
    std::vector<std::shared_ptr<net::acceptor>> acceptors_;
    net::ready_set ready_; // of the sessions
    std::unordered_map<std::uint64_t, std::shared_ptr<session>> sessions_;
    std::function<void()> done_;
    tick give_up_ = ~tick{0};
};

} // namespace postsluice::policyd
