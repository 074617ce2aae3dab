// SPDX-License-Identifier: Apache-2.0
#include "shared/maps/socketmap.hpp"

#include "shared/core/text.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::maps {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

milliseconds left(std::chrono::steady_clock::time_point due) {
    return std::chrono::ceil<milliseconds>(due - std::chrono::steady_clock::now());
}

/// Whatever way the asking ends, the next in the queue has its turn.
template <class End>
struct at_end {
    End end;
    explicit at_end(End e)
        : end{std::move(e)} {}
    at_end(const at_end&) = delete;
    at_end& operator=(const at_end&) = delete;
    ~at_end() { end(); }
};

} // namespace

std::string to_netstring(std::string_view text) {
    return std::to_string(text.size()) + ":" + std::string{text} + ",";
}

result<bool> netstring_reader::feed(std::string_view bytes) {
    const auto wrong = [](const char* what) { return failure{errc::protocol, what}; };
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char c = bytes[i];
        if (at_ == part::length && c >= '0' && c <= '9') {
            if (++digits_ > 9) return wrong("a netstring's length has too many digits");
            length_ = 10 * length_ + static_cast<std::size_t>(c - '0');
        } else if (at_ == part::length) {
            if (c != ':' || digits_ == 0) return wrong("the reply is no netstring");
            if (length_ > max_) return failure{errc::too_large, "the reply has " + std::to_string(length_) + " octets"};
            at_ = length_ == 0 ? part::comma : part::text;
        } else if (at_ == part::text) {
            const auto take = std::min(length_ - text_.size(), bytes.size() - i);
            text_.append(bytes.substr(i, take));
            i += take - 1;
            if (text_.size() == length_) at_ = part::comma;
        } else if (at_ == part::comma) {
            if (c != ',') return wrong("a netstring does not end with a comma");
            at_ = part::done;
        } else {
            return wrong("octets after the reply");
        }
    }
    return at_ == part::done;
}

answer read_socketmap_reply(std::string_view reply) {
    const auto blank = reply.find(' ');
    const auto word = reply.substr(0, blank);
    const auto rest = blank == std::string_view::npos ? std::string_view{} : reply.substr(blank + 1);
    if (word == "OK") return std::optional{std::string{rest}};
    if (word == "NOTFOUND") return std::optional<std::string>{};
    const auto why = "the server says " + printable(reply, 200);
    if (word == "TIMEOUT") return failure{errc::timed_out, why};
    if (word == "TEMP" || word == "PERM") return failure{errc::unavailable, why};
    return failure{errc::protocol, why};
}

result<std::shared_ptr<socketmap>> socketmap::make(std::string_view name, strand on) {
    const auto colon = name.rfind(':');
    if (colon == std::string_view::npos || colon + 1 == name.size())
        return failure{errc::malformed, "socketmap:" + std::string{name} + " names no map after its address"};
    auto where = std::string{name.substr(0, colon)};
    if (where.starts_with("inet:localhost:")) where.replace(5, 9, "127.0.0.1");
    auto parsed = net::endpoint::parse(where);
    if (!parsed) return parsed.error();
    return std::make_shared<socketmap>(std::move(*parsed), std::string{name.substr(colon + 1)}, std::move(on));
}

asio::awaitable<bool> socketmap::wait_for_turn(clock::time_point due) {
    if (busy_ < max_connections) {
        ++busy_;
        co_return true;
    }
    const auto timer = std::make_shared<asio::steady_timer>(strand_, due);
    waiting_.push_back(timer);
    (void)co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
    // Out of the queue: the turn was handed over, busy_ counts it already.
    const auto at = std::find(waiting_.begin(), waiting_.end(), timer);
    if (at == waiting_.end()) co_return true;
    waiting_.erase(at);
    co_return false;
}

void socketmap::end_turn() {
    if (waiting_.empty()) {
        --busy_;
        return;
    }
    const auto next = std::move(waiting_.front());
    waiting_.pop_front();
    next->cancel();
}

asio::awaitable<answer> socketmap::ask(std::string key, milliseconds timeout) {
    const auto self = shared_from_this();
    const auto due = clock::now() + timeout;
    const bool mine = co_await wait_for_turn(due);
    if (!mine) co_return failure{errc::timed_out, "every connection to the server is busy"};
    const at_end turn{[&] { self->end_turn(); }};
    auto question = to_netstring(map_ + " " + key);
    co_return co_await ask_in_turn(std::move(question), due);
}

asio::awaitable<answer> socketmap::ask_in_turn(std::string question, clock::time_point due) {
    while (!idle_.empty()) {
        std::list<net::stream> mine;
        mine.splice(mine.begin(), idle_, std::prev(idle_.end())); // the one used last: others may rest and be closed
        if (net::is_readable(mine.front())) continue;
        bool unheard = false;
        auto got = co_await ask_on(mine.front(), question, due, unheard);
        if (unheard) continue;
        if (got || got.error().code == errc::unavailable || got.error().code == errc::timed_out) {
            // What timed out on our side may still answer: that connection is not used again.
            if (clock::now() < due) idle_.splice(idle_.end(), mine);
        }
        co_return got;
    }
    auto opened = co_await net::connect(where_, std::max(left(due), milliseconds{1}));
    if (!opened) co_return opened.error();
    std::list<net::stream> mine;
    mine.push_back(std::move(*opened));
    bool unheard = false;
    auto got = co_await ask_on(mine.front(), question, due, unheard);
    const bool whole = got || got.error().code == errc::unavailable || got.error().code == errc::timed_out;
    if (whole && !unheard && clock::now() < due) idle_.splice(idle_.end(), mine);
    co_return got;
}

// `unheard`: the connection ended before any octet of a reply; on a kept connection that is how a restarted server
// looks.
asio::awaitable<answer> socketmap::ask_on(net::stream& connection, const std::string& question, clock::time_point due,
                                          bool& unheard) {
    const auto late = failure{errc::timed_out, "the server does not answer in time"};
    const auto out = asio::buffer(question);
    const auto sent = co_await net::write_all(connection, out, std::max(left(due), milliseconds{1}));
    if (!sent) {
        unheard = sent.error().code == errc::closed;
        co_return sent.error();
    }
    netstring_reader reader{max_reply};
    std::array<char, 4096> bytes{};
    for (bool first = true;; first = false) {
        if (left(due) <= milliseconds{0}) co_return late;
        const auto in = asio::buffer(bytes);
        const auto n = co_await net::read_some(connection, in, left(due));
        if (!n && n.error().code == errc::timed_out) co_return late;
        if (!n) {
            unheard = first && n.error().code == errc::closed;
            co_return failure{errc::closed, "the server closed the connection without an answer"};
        }
        const auto whole = reader.feed({bytes.data(), *n});
        if (!whole) co_return whole.error();
        if (*whole) co_return read_socketmap_reply(reader.text());
    }
}

} // namespace postsluice::maps
