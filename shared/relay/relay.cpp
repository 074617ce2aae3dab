// SPDX-License-Identifier: Apache-2.0
#include "shared/relay/relay.hpp"

#include <algorithm>
#include <array>
#include <variant>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::relay {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t block = 65536; // content goes out in writes of about this size

std::chrono::milliseconds left_until(clock::time_point until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now());
    return std::max(left, std::chrono::milliseconds{0});
}

std::chrono::milliseconds capped(std::chrono::milliseconds limit, std::optional<std::chrono::milliseconds> at_most) {
    return std::min(limit, at_most.value_or(limit));
}

// Before there is a connection to say more.
smtp::transaction_result not_connected(const mail& what, const failure& why) {
    smtp::transaction_result out;
    out.recipients.resize(what.envelope.recipients.size());
    out.failure = why.message();
    out.failure_code = why.code;
    return out;
}

} // namespace

struct relay_connection::session {
    session(net::stream connected, const smtp::client_options& options)
        : socket{std::move(connected)}
        , client{options} {}
    net::stream socket;
    smtp::client client;
    std::array<char, 8192> input{};
};

relay_connection::relay_connection(net::endpoint where, smtp::client_options client, deadlines limits)
    : where_{std::move(where)}
    , options_{std::move(client)}
    , limits_{limits} {}
relay_connection::relay_connection(relay_connection&&) noexcept = default;
relay_connection& relay_connection::operator=(relay_connection&&) noexcept = default;
relay_connection::~relay_connection() = default;

bool relay_connection::reusable() {
    return session_ && session_->client.reusable() && !net::is_readable(session_->socket);
}

void relay_connection::close() noexcept {
    session_.reset();
}

// Writes what the machine has to say and feeds it what comes, until it wants something else than input.
asio::awaitable<smtp::client_action> relay_connection::converse(clock::time_point until) {
    auto& s = *session_;
    for (;;) {
        auto next = s.client.step();
        if (!s.client.output().empty()) {
            const auto wrote = co_await net::write_all(s.socket, asio::buffer(s.client.output()), left_until(until));
            s.client.output().clear();
            // A peer that closes may have said why: that is read before the end of the stream is.
            if (!wrote && wrote.error().code == errc::timed_out)
                s.client.fail(errc::timed_out, "the peer does not read");
        }
        if (!std::holds_alternative<smtp::action::want_input>(next)) co_return next;
        if (clock::now() >= until) {
            s.client.fail(errc::timed_out, "the peer did not answer in time");
            continue;
        }
        const auto got = co_await net::read_some(s.socket, asio::buffer(s.input), left_until(until));
        if (got)
            s.client.feed({s.input.data(), *got});
        else if (got.error().code == errc::timed_out)
            s.client.fail(errc::timed_out, "the peer did not answer in time");
        else
            s.client.feed_end();
    }
}

asio::awaitable<result<void>> relay_connection::open(std::optional<std::chrono::milliseconds> at_most) {
    if (reusable()) co_return result<void>{};
    close();
    auto socket = co_await net::connect(where_, capped(limits_.connect, at_most));
    if (!socket) co_return socket.error();
    session_ = std::make_unique<session>(*std::move(socket), options_);
    const auto next = co_await converse(clock::now() + capped(limits_.hello, at_most));
    if (std::holds_alternative<smtp::action::ready>(next)) {
        capabilities_ = session_->client.capabilities();
        co_return result<void>{};
    }
    const auto& said = session_->client.result();
    const failure why{said.failure_code, where_.to_string() + ": " + said.failure.value_or("no greeting")};
    close();
    co_return why;
}

asio::awaitable<smtp::transaction_result> relay_connection::deliver(mail what) {
    for (int attempt = 0;; ++attempt) {
        const bool kept = reusable();
        const auto opened = co_await open(what.at_most);
        if (!opened) co_return not_connected(what, opened.error());
        const bool finished = co_await run_transaction(what);
        auto result = session_->client.result();
        if (!finished || !session_->client.reusable()) close();
        if (kept && attempt == 0 && result.reused_connection_died) continue;
        co_return result;
    }
}

// False: the connection is of no more use.
asio::awaitable<bool> relay_connection::run_transaction(mail& what) {
    auto& client = session_->client;
    client.begin(what.envelope, what.size);
    auto next = co_await converse(clock::now() + capped(limits_.envelope, what.at_most));
    if (std::holds_alternative<smtp::action::send_content>(next)) {
        if (what.go_ahead && !what.go_ahead(client.result())) {
            client.abort_content("the message was given up before its content");
        } else {
            co_await send_content(what);
        }
        if (client.stage() == smtp::client_stage::dot_sent)
            next = co_await converse(clock::now() + capped(limits_.dot, what.at_most));
    }
    co_return !client.result().failure;
}

// The dot goes out in one write with the last of the content, after the last look at everything that speaks against it.
// A write that fails has not written its last octet, so a failure here is always one before the dot.
asio::awaitable<void> relay_connection::send_content(mail& what) {
    auto& s = *session_;
    smtp::dot_stuffer stuffer;
    std::string out;
    for (bool last = false; !last;) {
        const auto piece = what.content();
        if (!piece)
            co_return s.client.fail(piece.error().code, "the content cannot be read: " + piece.error().message());
        last = piece->empty();
        stuffer.feed(*piece, out);
        if (!last && out.size() < block) continue;
        auto patience = capped(limits_.content, what.at_most);
        if (what.dot_before) patience = std::min(patience, left_until(*what.dot_before));
        if (patience.count() == 0) co_return s.client.fail(errc::timed_out, "too late for the final dot");
        if (last) {
            if (net::is_readable(s.socket))
                co_return s.client.fail(errc::protocol, "the peer spoke or closed inside the content");
            if (what.still_wanted && !what.still_wanted())
                co_return s.client.abort_content("nobody waits for the message any more");
            stuffer.finish(out);
        }
        const auto wrote = co_await net::write_all(s.socket, asio::buffer(out), patience);
        if (!wrote)
            co_return s.client.fail(wrote.error().code, "the content cannot be written: " + wrote.error().message());
        out.clear();
    }
    s.client.content_sent();
}

asio::awaitable<void> relay_connection::quit() {
    if (reusable()) {
        session_->client.quit();
        co_await converse(clock::now() + limits_.quit);
    }
    close();
}

} // namespace postsluice::relay
