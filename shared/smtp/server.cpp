// SPDX-License-Identifier: Apache-2.0
// The stream side of the server machine: lines, content, the end. The commands are in server_commands.cpp.
#include "shared/smtp/server.hpp"

#include <algorithm>
#include <cassert>

namespace postsluice::smtp {

namespace {
constexpr std::size_t content_piece = 65536; // octets taken per content action: what one message may hold in memory
}

server::server(server_options options)
    : options_{std::move(options)} {
    say(220, "", options_.hostname + (options_.speaks == protocol::lmtp ? " LMTP Postsluice" : " ESMTP Postsluice"));
}

void server::feed(std::string_view octets) {
    if (state_ == state::closed) return;
    in_.erase(0, at_);
    at_ = 0;
    in_.append(octets);
}

void server::feed_end() {
    eof_ = true;
}

server_action server::step() {
    for (;;) {
        std::optional<server_action> next;
        switch (state_) {
        case state::closed:
            return action::bye{};
        case state::command:
            next = command_step();
            break;
        case state::content:
            next = content_step();
            break;
        case state::deciding:
            assert(!begun_ && "begin_message is answered before the next step");
            begun_ = true;
            return action::begin_message{};
        case state::finishing:
            assert(false && "end_of_message is answered before the next step");
            return action::bye{};
        }
        if (next) return *next;
    }
}

std::optional<server_action> server::command_step() {
    if (stopping_) {
        say(421, "4.3.2", "Service shutting down, try again later");
        state_ = state::closed;
        return action::bye{};
    }
    const auto line = next_line();
    if (line) {
        execute(*line);
        return std::nullopt;
    }
    if (state_ == state::closed) return std::nullopt;
    if (!eof_) return action::want_input{};
    state_ = state::closed;
    return action::bye{};
}

// A line ends at CRLF and nowhere else. It is over-long as soon as no CRLF begins within the first max_command_line
// octets and one.
std::optional<std::string_view> server::next_line() {
    const std::size_t most = options_.max_command_line;
    while (state_ == state::command) {
        if (skipping_) {
            skip_line();
            if (skipping_) return std::nullopt;
            continue;
        }
        const auto octets = pending();
        const auto end = octets.find("\r\n");
        if (end <= most) {
            at_ += end + 2;
            return octets.substr(0, end);
        }
        if (end == std::string_view::npos && octets.size() <= most + 1) return std::nullopt;
        skipping_ = true;
        skipped_ = 0;
        error(500, "5.5.2", "Error: line too long");
    }
    return std::nullopt;
}

// Drops an over-long line through its CRLF. A line without end counts as one more error for each further
// max_command_line octets, so it comes to an end too.
void server::skip_line() {
    const auto octets = pending();
    const auto end = octets.find("\r\n");
    const bool whole = end != std::string_view::npos;
    const std::size_t used = whole ? end + 2 : octets.size() - (octets.ends_with('\r') ? 1 : 0);
    at_ += used;
    skipped_ += used;
    for (const std::size_t more = std::max<std::size_t>(options_.max_command_line, 1); skipped_ > 2 * more;
         skipped_ -= more) {
        if (state_ == state::command) count_error();
    }
    skipping_ = !whole;
}

std::optional<server_action> server::content_step() {
    if (ended_) {
        state_ = state::finishing;
        return action::end_of_message{too_large_};
    }
    if (pending().empty()) {
        if (!eof_) return action::want_input{};
        state_ = state::closed;
        const bool quit = reader_.last_line_is_quit();
        return action::abort_message{quit ? "the client said QUIT inside the content"
                                          : "the client went away inside the content"};
    }
    content_.clear();
    const auto progress = reader_.feed(pending().substr(0, content_piece), content_);
    at_ += progress.consumed;
    ended_ = progress.ended;
    if (const auto most = options_.max_message_size; most > 0 && content_size_ + content_.size() > most) {
        too_large_ = true;
        content_.resize(static_cast<std::size_t>(most - content_size_)); // the rest is read and dropped
    }
    content_size_ += content_.size();
    if (content_.empty()) return std::nullopt;
    return action::content{content_};
}

void server::accept_data() {
    assert(state_ == state::deciding && begun_);
    say(354, "", "End data with <CR><LF>.<CR><LF>");
    state_ = state::content;
    reader_.reset();
    content_size_ = 0;
    ended_ = too_large_ = false;
}

void server::refuse_data(const reply& why) {
    assert(state_ == state::deciding && begun_);
    output_ += to_wire(why);
    state_ = state::command;
}

void server::finish(const std::vector<reply>& replies) {
    assert(state_ == state::finishing);
    assert(replies.size() == (options_.speaks == protocol::lmtp ? envelope_.recipients.size() : 1));
    for (const auto& r : replies)
        output_ += to_wire(r);
    errors_ = 0;
    state_ = state::command;
    reset_transaction();
}

void server::shut_down() {
    stopping_ = true;
}

bool server::in_transaction() const noexcept {
    return mail_ && state_ != state::closed;
}

void server::say(int code, std::string enhanced, std::string text) {
    output_ += to_wire(make_reply(code, std::move(enhanced), std::move(text)));
}

void server::error(int code, std::string enhanced, std::string text) {
    say(code, std::move(enhanced), std::move(text));
    count_error();
}

void server::count_error() {
    if (++errors_ < options_.max_errors) return;
    say(421, "4.7.0", "Error: too many errors");
    state_ = state::closed;
}

void server::reset_transaction() {
    envelope_.sender = {};
    envelope_.recipients.clear();
    envelope_.xforward.clear();
    mail_ = mail_failed_ = false;
}

} // namespace postsluice::smtp
