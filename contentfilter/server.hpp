// SPDX-License-Identifier: Apache-2.0
// Accepts connections and keeps track of their sessions: listeners, the bound on connections, the clean stop. Over
// max_connections nobody is refused, since Postfix would put the whole destination on hold for it: connections wait in
// the backlog until a session ends. Sessions run on strands of their own, on the threads of the context; the server has
// its own strand, and its public functions may be called from any thread.
#pragma once

#include "contentfilter/session.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <functional>
#include <map>

namespace postsluice::contentfilter {

/// Who may come near a unix socket is its directory's business (2750 postsluice:postfix: lmtp(8) cannot be in a group
/// of ours), and access.hpp's.
inline constexpr mode_t socket_mode = 0666;

class server : public std::enable_shared_from_this<server> {
public:
    server(boost::asio::any_io_executor executor, service& of);

    /// Takes over a listening descriptor. Before start().
    void listen(int descriptor, smtp::protocol speaks, way in = way::after_queue);
    void start();
    /// Messages that have begun are finished, and connections that wait in the backlog get one each, within
    /// stop_timeout; then `done` is called, once, on some thread.
    void stop(std::function<void()> done);
    [[nodiscard]] std::size_t connections() const noexcept { return open_; }
    [[nodiscard]] std::size_t most() const noexcept { return most_; }

private:
    struct listener {
        net::acceptor from;
        entrance through;
        int descriptor; ///< of `from`
    };
    using session_ptr = std::shared_ptr<session>;
    static boost::asio::awaitable<void> accept_all(std::shared_ptr<server> self, std::shared_ptr<listener> at);
    static boost::asio::awaitable<void> wait_for_room(std::shared_ptr<server> self);
    static boost::asio::awaitable<void> run_session(std::shared_ptr<server> self, std::uint64_t number,
                                                    session_ptr what);
    session_ptr make_session(net::stream connection, entrance through);
    void begin(session_ptr made, boost::asio::any_io_executor own);
    void serve_backlog(const listener& at);
    void ended(std::uint64_t number);
    void begin_stop(std::function<void()> done);
    void finish();

    boost::asio::any_io_executor executor_;
    boost::asio::strand<boost::asio::any_io_executor> strand_; // of what follows
    service& service_;
    std::size_t most_;
    std::vector<std::shared_ptr<listener>> listeners_;
    std::map<std::uint64_t, std::pair<session_ptr, boost::asio::any_io_executor>> sessions_;
    std::uint64_t next_number_ = 0;
    boost::asio::steady_timer room_, give_up_;
    std::function<void()> done_;
    bool stopping_ = false;
    std::atomic<std::size_t> open_{0};
};

} // namespace postsluice::contentfilter
