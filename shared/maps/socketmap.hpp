// SPDX-License-Identifier: Apache-2.0
// Private to shared/maps: a server that answers questions over a socket (socketmap_table(5)). One question and one
// reply a connection at a time, as Postfix asks; connections are kept and used again, up to max_connections side by
// side; more questions wait their turn within their time. A server that closed a kept connection is asked once more on
// a new one. All on one strand.
#pragma once

#include "shared/maps/map_set.hpp"
#include "shared/net/endpoint.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <deque>
#include <list>

namespace postsluice::maps {

/// "N:text,"
[[nodiscard]] std::string to_netstring(std::string_view text);

/// A netstring as it arrives. Octets in, verdict out; no socket.
class netstring_reader {
public:
    explicit netstring_reader(std::size_t max)
        : max_{max} {}
    /// True: text() is whole, and what came after it is an error (the server speaks when asked). errc::protocol,
    /// errc::too_large.
    result<bool> feed(std::string_view bytes);
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    std::size_t max_, length_ = 0, digits_ = 0;
    enum class part { length, text, comma, done } at_ = part::length;
    std::string text_;
};

/// "OK value", "NOTFOUND ", "TEMP why", "TIMEOUT why", "PERM why".
[[nodiscard]] answer read_socketmap_reply(std::string_view reply);

class socketmap : public std::enable_shared_from_this<socketmap> {
public:
    static constexpr std::size_t max_connections = 8;
    static constexpr std::size_t max_reply = 100'000; ///< as Postfix
    using strand = boost::asio::strand<boost::asio::any_io_executor>;

    /// `name`: "unix:/path:NAME" or "inet:ADDRESS:PORT:NAME". errc::malformed.
    static result<std::shared_ptr<socketmap>> make(std::string_view name, strand on);
    socketmap(net::endpoint where, std::string map, strand on)
        : where_{std::move(where)}
        , map_{std::move(map)}
        , strand_{std::move(on)} {}

    /// On the strand.
    boost::asio::awaitable<answer> ask(std::string key, std::chrono::milliseconds timeout);
    [[nodiscard]] const strand& on() const noexcept { return strand_; }

private:
    using clock = std::chrono::steady_clock;
    boost::asio::awaitable<bool> wait_for_turn(clock::time_point due);
    boost::asio::awaitable<answer> ask_in_turn(std::string question, clock::time_point due);
    boost::asio::awaitable<answer> ask_on(net::stream& connection, const std::string& question, clock::time_point due,
                                          bool& unheard);
    void end_turn();

    net::endpoint where_;
    std::string map_;
    strand strand_;
    std::list<net::stream> idle_;
    std::deque<std::shared_ptr<boost::asio::steady_timer>> waiting_;
    std::size_t busy_ = 0;
};

} // namespace postsluice::maps
