// SPDX-License-Identifier: Apache-2.0
// Private to shared/net: the deadline of one operation on a stream. While the object lives the operation is watched;
// when it is late the socket's operations are cancelled, and expired() says so. See endpoint.hpp for why this is cheap.
#pragma once

#include "shared/net/endpoint.hpp"

#include <boost/asio/steady_timer.hpp>

namespace postsluice::net {

struct stream::watch : std::enable_shared_from_this<stream::watch> {
    explicit watch(const asio::any_io_executor& executor)
        : timer{executor} {}
    void arm();
    void fired();

    asio::steady_timer timer;
    stream* waiting = nullptr;                       // the stream whose operation is watched; null between operations
    std::chrono::steady_clock::time_point due;       // of that operation
    std::chrono::steady_clock::time_point armed_for; // when the timer will fire, where it is armed
    bool armed = false;
    bool expired = false;
};

class deadline_scope {
public:
    deadline_scope(stream& socket, std::chrono::milliseconds timeout);
    ~deadline_scope() { watch_.waiting = nullptr; }
    deadline_scope(const deadline_scope&) = delete;
    deadline_scope& operator=(const deadline_scope&) = delete;
    [[nodiscard]] bool expired() const noexcept { return watch_.expired; }

private:
    static stream::watch& watch_of(stream& socket);
    stream::watch& watch_;
};

} // namespace postsluice::net
