// SPDX-License-Identifier: Apache-2.0
// The course of a connection in the client machine. The lines it sends are made in client_commands.cpp.
#include "shared/smtp/client.hpp"

#include <algorithm>
#include <cassert>

namespace postsluice::smtp {

namespace {

// Pipelined commands go out in batches, the next when all of the last are answered: with thousands of recipients both
// sides could otherwise block in a write, each waiting for the other to read (RFC 2920 section 3.1).
constexpr std::size_t batch_commands = 100;
constexpr std::size_t batch_octets = 16384;

} // namespace

client::client(client_options options)
    : options_{std::move(options)}
    , parser_{options_.max_reply_lines, options_.max_reply_line} {}

void client::feed(std::string_view octets) {
    if (!broken_) parser_.feed(octets);
}

void client::feed_end() {
    eof_ = true;
}

bool client::reusable() const noexcept {
    return !broken_ && !eof_ && parser_.idle() && (state_ == state::idle || state_ == state::over);
}

client_action client::step() {
    for (;;) {
        if (auto next = advance()) return *next;
    }
}

std::optional<client_action> client::advance() {
    switch (state_) {
    case state::over:
        return action::finished{};
    case state::idle:
    case state::content: // nothing is expected now: whatever comes is out of turn
        if (!parser_.idle()) {
            fail(errc::protocol,
                 state_ == state::idle ? "the peer spoke out of turn" : "the peer spoke before the end of the content");
        } else if (eof_) {
            lost();
        } else if (state_ == state::idle) {
            return action::ready{};
        } else {
            return action::send_content{};
        }
        return std::nullopt;
    default:
        return waiting_step();
    }
}

std::optional<client_action> client::waiting_step() {
    const auto next = parser_.next();
    if (!next) {
        fail(next.error().code, next.error().detail);
    } else if (*next) {
        take(**next);
    } else if (eof_) {
        lost();
    } else {
        return action::want_input{};
    }
    return std::nullopt;
}

void client::take(const reply& r) {
    switch (state_) {
    case state::greeting:
        return take_greeting(r);
    case state::hello:
    case state::helo:
        return take_hello(r);
    case state::envelope:
        return take_envelope(r);
    case state::dots:
        return take_dot(r);
    default: // quitting: any answer will do
        broken_ = true;
        state_ = state::over;
    }
}

void client::take_greeting(const reply& r) {
    if (r.code != 220) return fail(errc::unavailable, "the greeting is " + r.text());
    if (!parser_.idle()) return fail(errc::protocol, "the peer spoke out of turn");
    result_.stage = client_stage::greeted;
    state_ = state::hello;
    output_ += (options_.speaks == protocol::lmtp ? "LHLO " : "EHLO ") + options_.hostname + "\r\n";
}

void client::take_hello(const reply& r) {
    if (state_ == state::hello && r.klass() == 5 && options_.speaks == protocol::smtp) {
        if (!parser_.idle()) return fail(errc::protocol, "the peer spoke out of turn");
        state_ = state::helo;
        output_ += "HELO " + options_.hostname + "\r\n";
        return;
    }
    if (r.code != 250) return fail(errc::unavailable, "the answer to the hello is " + r.text());
    extended_ = state_ == state::hello;
    if (extended_) capabilities_.assign(r.lines.begin() + 1, r.lines.end());
    pipelining_ = capability("PIPELINING") != nullptr;
    result_.stage = client_stage::ready;
    state_ = state::idle;
}

void client::begin(const envelope& what, std::uint64_t size) {
    assert(reusable());
    used_ = state_ == state::over;
    result_ = transaction_result{};
    result_.recipients.resize(what.recipients.size());
    result_.stage = client_stage::ready;
    steps_.clear();
    sent_ = answered_ = 0;
    heard_ = false;
    if (what.recipients.empty()) return refuse_to_begin(errc::malformed, "an envelope without recipients");
    if (what.sender.parameter("SMTPUTF8") && !capability("SMTPUTF8")) {
        return refuse_to_begin(errc::unsupported, "the peer does not offer SMTPUTF8, which the message needs");
    }
    if (needs_reset_) steps_.push_back({command::rset, 0, "RSET\r\n"});
    queue_xforward(what);
    steps_.push_back({command::mail, 0, path_line("MAIL FROM:", what.sender, size)});
    for (std::size_t i = 0; i < what.recipients.size(); ++i) {
        steps_.push_back({command::rcpt, i, path_line("RCPT TO:", what.recipients[i], std::nullopt)});
    }
    steps_.push_back({command::data, 0, "DATA\r\n"});
    // A CR or LF inside would be a second command. Nothing that was parsed holds one; a defect of ours must not send it
    // either.
    for (const auto& s : steps_) {
        const auto line = std::string_view{s.line}.substr(0, s.line.size() - 2);
        if (line.find_first_of(std::string_view{"\r\n\0", 3}) != std::string_view::npos) {
            return refuse_to_begin(errc::malformed, "control characters in the envelope");
        }
    }
    result_.stage = client_stage::envelope;
    state_ = state::envelope;
    pump();
}

void client::refuse_to_begin(errc code, std::string why) { // nothing was sent: the connection stays usable
    result_.failure = std::move(why);
    result_.failure_code = code;
    state_ = state::over;
}

void client::pump() {
    if (sent_ != answered_) return;
    if (sent_ == steps_.size()) return decide_content();
    const bool refused = result_.mail && !result_.mail->ok();
    if (refused || (steps_[sent_].what == command::data && result_.accepted() == 0)) return complete(true);
    if (!parser_.idle()) return fail(errc::protocol, "the peer answered more than it was asked");
    std::size_t octets = 0;
    do {
        octets += steps_[sent_].line.size();
        output_ += steps_[sent_++].line;
    } while (pipelining_ && sent_ < steps_.size() && sent_ - answered_ < batch_commands && octets < batch_octets);
}

void client::take_envelope(const reply& r) {
    const auto& step = steps_[answered_++];
    if (r.code == 421 && used_ && !heard_) { // said while the connection lay idle: it is gone, but nothing was lost
        result_.reused_connection_died = true;
        return fail(errc::closed, "the peer had given the connection up: " + r.text());
    }
    heard_ = true;
    const bool refused = result_.mail && !result_.mail->ok();
    const bool fits = step.what == command::data ? r.code == 354 || r.klass() > 3 : r.klass() != 3;
    switch (step.what) {
    case command::rset:
        if (!r.ok()) return fail(errc::protocol, "the answer to RSET is " + r.text());
        break;
    case command::xforward:
        if (!r.ok() && !result_.xforward_refused) result_.xforward_refused = r;
        break;
    case command::mail:
        if (fits) result_.mail = r;
        break;
    case command::rcpt:
        if (fits && !refused) result_.recipients[step.recipient] = r;
        break;
    case command::data:
        if (refused && r.code == 354) return fail(errc::protocol, "DATA is accepted, MAIL was not");
        if (fits && !refused) result_.data = r;
        break;
    }
    if (!fits && !(refused && r.klass() != 3))
        return fail(errc::protocol, "an answer does not fit its command: " + r.text());
    if (r.code == 421) return fail(errc::closed, "the peer is closing: " + r.text());
    pump();
}

void client::decide_content() {
    if (!result_.data || result_.data->code != 354) return complete(true);
    if (result_.accepted() == 0) return fail(errc::protocol, "DATA is accepted, no recipient was");
    result_.stage = client_stage::content;
    state_ = state::content;
}

void client::content_sent() {
    if (state_ != state::content) return; // it has failed meanwhile
    result_.dot.resize(options_.speaks == protocol::lmtp ? result_.accepted() : 1);
    result_.stage = client_stage::dot_sent;
    state_ = state::dots;
    answered_ = 0;
}

void client::take_dot(const reply& r) {
    if (r.klass() == 3) return fail(errc::protocol, "an answer does not fit the final dot: " + r.text());
    result_.dot[answered_++] = r;
    const bool all = answered_ == result_.dot.size();
    if (r.code == 421) {
        if (!all) return fail(errc::closed, "the peer is closing: " + r.text());
        broken_ = true;
    }
    if (all) complete(false);
}

void client::complete(bool needs_reset) {
    needs_reset_ = needs_reset;
    result_.stage = client_stage::done;
    state_ = state::over;
}

void client::abort_content(std::string why) {
    fail(errc::closed, std::move(why));
}

void client::fail(errc code, std::string why) {
    if (state_ != state::over) {
        result_.failure = std::move(why);
        result_.failure_code = code;
        state_ = state::over;
    }
    broken_ = true;
    output_.clear(); // nothing more is said
}

void client::lost() {
    if (state_ == state::quitting) {
        state_ = state::over;
        broken_ = true;
        return;
    }
    result_.reused_connection_died = used_ && !heard_ && state_ == state::envelope;
    fail(errc::closed, "the connection was lost");
}

void client::quit() {
    if (broken_ || eof_) return;
    output_ += "QUIT\r\n";
    state_ = state::quitting;
}

} // namespace postsluice::smtp
