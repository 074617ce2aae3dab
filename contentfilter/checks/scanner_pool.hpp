// SPDX-License-Identifier: Apache-2.0
// Connections to one scanner outside (clamd, spamd, Rspamd): at most so many at a time, more wait; those that can be
// used again are kept for a while. Everything runs on the executor of one single-threaded context. Whether the scanner
// answers is an alarm of its own (scanner_alarm.hpp). Leases end before the pool does.
#pragma once

#include "contentfilter/checks/scanner_alarm.hpp"
#include "shared/net/endpoint.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace postsluice::contentfilter {

class scanner_pool {
public:
    using steady = std::chrono::steady_clock;
    struct options {
        std::string name; ///< "clamd", for the log
        net::endpoint where;
        std::chrono::milliseconds connect_timeout{3000};
        std::chrono::milliseconds timeout{15000}; ///< from the wish for a connection to the end of its use
        std::size_t connections = 5;
        std::chrono::milliseconds idle{0}; ///< how long one is kept; 0: each is used once
    };
    explicit scanner_pool(options how)
        : how_{std::move(how)}
        , alarm_{how_.name, how_.where.to_string()} {}
    ~scanner_pool();
    scanner_pool(const scanner_pool&) = delete;

    struct connection {
        net::stream socket;
        unsigned requests = 0; ///< that were made on it before
        steady::time_point idle_since{};
    };
    /// A connection in use; its place is free again when the object ends.
    class lease {
    public:
        lease(scanner_pool& pool, steady::time_point due)
            : pool_{&pool}
            , due_{due} {
            ++pool.busy_;
        }
        lease(lease&& other) noexcept;
        lease& operator=(lease&&) = delete;
        ~lease();
        [[nodiscard]] connection& at() noexcept { return *held_; }
        [[nodiscard]] bool reused() const noexcept { return held_->requests > 0; }
        /// Of the time for this request; never less than 1 ms, so that the wait itself says that it is over.
        [[nodiscard]] std::chrono::milliseconds left() const;
        /// The connection is good for another request.
        void keep();

    private:
        friend class scanner_pool;
        scanner_pool* pool_;
        steady::time_point due_;
        std::optional<connection> held_;
    };

    /// errc::unavailable, errc::timed_out. `fresh`: not one that was used before.
    net::asio::awaitable<result<lease>> take(bool fresh);
    /// Tells how a request ended.
    void note(const result<void>& outcome) { alarm_.note(outcome); }
    [[nodiscard]] std::size_t busy() const noexcept { return busy_; }

private:
    static constexpr std::size_t max_waiting = 1000;
    [[nodiscard]] std::optional<connection> take_idle();

    options how_;
    std::deque<connection> idle_;
    std::deque<net::asio::steady_timer*> waiting_;
    std::size_t busy_ = 0;
    scanner_alarm alarm_;
};

} // namespace postsluice::contentfilter
