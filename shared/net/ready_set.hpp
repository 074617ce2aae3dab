// SPDX-License-Identifier: Apache-2.0
// Many connections that are asked little and often, on one event loop: an edge-triggered epoll set of their own, which
// the loop sees as one descriptor. With Asio's sockets each request costs a read that finds nothing: it looks whether
// there is more before it waits. Here a reader that got less than it had room for knows that there is no more
// (epoll(7), questions and answers), and waits for the next event at once: a request is one recv() and one send(), and
// the event comes with those of other connections.
//
// A member is added with its descriptor and removed when it ends, before the descriptor is closed. One thread: that of
// the executor. The set is the loop's work only while a member waits; with the set end the waits, unanswered.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace postsluice::net {

namespace asio = boost::asio;

class ready_set {
    struct core;

public:
    /// Throws std::system_error where the system gives no epoll descriptor.
    explicit ready_set(const asio::any_io_executor& executor);
    ~ready_set();
    ready_set(const ready_set&) = delete;
    ready_set& operator=(const ready_set&) = delete;

    /// Takes work for the time when all that are ready now have been told: it is done then, before the loop looks at
    /// anything else, which saves a call of the system in each turn. Outside of such a turn it is posted. May outlive
    /// the set.
    [[nodiscard]] std::function<void(std::function<void()>)> end_of_turn() const;

    class member {
    public:
        /// `fd`: of a socket that its owner reads and writes without blocking. Throws std::system_error.
        member(ready_set& set, int fd);
        ~member();
        member(const member&) = delete;
        member& operator=(const member&) = delete;

        /// Has something happened since the last that was taken: something to read, room to write after there was none,
        /// the end of the stream, an error? At first something has.
        [[nodiscard]] bool take() noexcept { return std::exchange(happened_, false); }
        /// Until something has, and takes it. False: cancelled. One wait at a time.
        asio::awaitable<bool> wait();
        /// Until there is room to write, or the connection has ended. Dearer, for the rare reader that is slow: a
        /// socket that has room says so again each time the peer has read.
        asio::awaitable<bool> wait_for_room();
        /// Ends the wait, not at once but in a later turn of the loop; nothing where there is none.
        void cancel();
        /// The peer has ended its side: there is something to read, if only the end.
        [[nodiscard]] bool hung_up() const noexcept { return hung_up_; }

    private:
        friend struct core;
        using handler = asio::async_result<asio::use_awaitable_t<>, void(bool)>::handler_type;
        void ask_for(std::uint32_t events) const;
        void begin(handler given);
        [[nodiscard]] handler end();
        void happened(std::uint32_t events);

        std::shared_ptr<core> set_;
        int fd_;
        bool happened_ = true, hung_up_ = false;
        std::optional<handler> waiting_;
        member *before_ = nullptr, *after_ = nullptr; // of those that wait
    };

private:
    std::shared_ptr<core> core_;
};

} // namespace postsluice::net
