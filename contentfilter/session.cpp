// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/session.hpp"

#include "contentfilter/act/refuse.hpp"
#include "contentfilter/intake/local_mail.hpp"
#include "contentfilter/intake/matched_settings.hpp"
#include "contentfilter/intake/received.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <poll.h>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {
constexpr std::chrono::milliseconds last_patience{2000}; // with a client that came when we were asked to stop
}

session::session(net::stream connection, entrance through, service& of)
    : stream_{std::move(connection)}
    , service_{of}
    , speaks_{through.speaks}
    , in_{through.in}
    , timeout_{of.settings()->contentfilter.command_timeout} {}

smtp::server_options server_options_for(const config::settings& settings, smtp::protocol speaks,
                                        std::vector<std::string> capabilities) {
    smtp::server_options out;
    out.speaks = speaks;
    out.hostname = settings.hostname;
    out.capabilities = std::move(capabilities);
    out.max_recipients = settings.contentfilter.max_recipients;
    out.max_message_size = settings.contentfilter.max_message_size.value;
    return out;
}

asio::awaitable<bool> session::admit() {
    const auto who = net::peer_of(stream_);
    const auto decided = may_connect(who, service_.of().mail_owner, service_.settings()->contentfilter.trusted);
    local_ = decided.local;
    if (decided.allowed) co_return true;
    ++service_.of().counts.connections_refused;
    log::warning("connection refused").kv("address", who.address).kv("why", decided.why);
    const auto refusal =
        smtp::to_wire(smtp::make_reply(554, "5.7.1", "Access denied: this listener is for the mail server alone"));
    (void)co_await net::write_all(stream_, asio::buffer(refusal), timeout_);
    co_return false;
}

asio::awaitable<void> session::run() {
    const auto self = shared_from_this();
    if (!co_await admit()) co_return;
    machine_.emplace(server_options_for(*service_.settings(), speaks_, service_.hop()->capabilities()));
    for (;;) {
        const auto next = machine_->step();
        if (std::holds_alternative<smtp::action::want_input>(next)) {
            if (!co_await flush() || !co_await read()) break;
        } else if (std::holds_alternative<smtp::action::begin_message>(next)) {
            begin_message();
        } else if (const auto* piece = std::get_if<smtp::action::content>(&next)) {
            content_->add(piece->bytes);
        } else if (const auto* end = std::get_if<smtp::action::end_of_message>(&next)) {
            co_await end_message(end->too_large);
        } else if (const auto* gone = std::get_if<smtp::action::abort_message>(&next)) {
            abort_message(gone->why);
        } else {
            co_await flush();
            break;
        }
    }
    if (content_) abort_message("the connection ended inside the content");
}

// A client that has just come and had no message yet would put the whole destination on hold for a 421: it may send
// one.
void session::stop() {
    if (!machine_ || !served_)
        last_ = true;
    else
        machine_->shut_down();
    if (!reading_ || content_) return;
    interrupted_ = true;
    boost::system::error_code ignored;
    stream_.cancel(ignored);
}

asio::awaitable<bool> session::flush() {
    if (machine_->output().empty()) co_return true;
    const auto written = co_await net::write_all(stream_, asio::buffer(machine_->output()), timeout_);
    machine_->output().clear();
    co_return written.has_value();
}

// False: the connection is over, without another word.
asio::awaitable<bool> session::read() {
    const auto patience = last_ && !content_ ? std::min<std::chrono::milliseconds>(timeout_, last_patience) : timeout_;
    reading_ = true;
    interrupted_ = false;
    const auto got = co_await net::read_some(stream_, asio::buffer(input_), patience);
    reading_ = false;
    if (got) {
        machine_->feed({input_.data(), *got});
        co_return true;
    }
    if (got.error().code == errc::timed_out) {
        if (content_) co_return false;
        const auto late = smtp::to_wire(smtp::make_reply(421, "4.4.2", "Timeout, closing"));
        (void)co_await net::write_all(stream_, asio::buffer(late), timeout_);
        co_return false;
    }
    // After stop() the machine says 421 by itself, or the client gets its last chance. What else ends a read is the
    // peer.
    if (!interrupted_) machine_->feed_end();
    co_return true;
}

void session::begin_message() {
    settings_ = service_.settings();
    content_.emplace(settings_);
    machine_->accept_data();
}

void session::abort_message(std::string_view why) {
    content_.reset();
    ++service_.of().counts.aborted;
    const auto& envelope = machine_->current();
    log::info("message broken off")
        .kv("queue_id", queue_id_of(envelope))
        .kv("from", envelope.sender.path)
        .kv("why", why);
}

// A full close of a unix socket shows as POLLHUP; a peer that only has nothing more to say (QUIT was pipelined) does
// not. Over TCP the two look alike, so there only a reset counts. Called from the next hop's strand while run() waits
// for the pipeline and touches nothing.
bool session::client_is_there() {
    pollfd watched{stream_.native_handle(), 0, 0};
    return ::poll(&watched, 1, 0) <= 0 || (watched.revents & (POLLHUP | POLLERR)) == 0;
}

asio::awaitable<void> session::end_message(bool too_large) {
    const auto recipients = machine_->current().recipients.size();
    std::vector<smtp::reply> replies;
    sender_ = {};
    try {
        replies = co_await answer(too_large);
    } catch (const std::exception& e) {
        log::error("message failed").kv("queue_id", queue_id_of(machine_->current())).kv("why", e.what());
        replies.clear();
    }
    content_.reset();
    if (replies.size() != (speaks_ == smtp::protocol::lmtp ? recipients : 1))
        replies = act::for_all(act::later(), speaks_, recipients);
    if (in_ == way::before_queue && act::puts_off(replies)) co_await give_charge_back();
    machine_->finish(replies);
    served_ = true;
    if (last_) machine_->shut_down();
}

asio::awaitable<void> session::give_charge_back() {
    auto settings = settings_;
    try {
        co_await service_.refunds().ask(std::move(sender_), std::move(settings));
    } catch (const std::exception& e) { // the client hears its reply all the same
        log::error("charge not taken back").kv("why", e.what());
    }
}

// Before the queue the ticket has to be found, for the charge to be given back.
std::vector<smtp::reply> session::no_room(const failure& why) {
    const auto& envelope = machine_->current();
    ++service_.of().counts.tempfailed;
    log::error("message not spooled").kv("queue_id", queue_id_of(envelope)).kv("why", why.message());
    if (in_ == way::before_queue) {
        try_mark mark{service_.of().tries, key_without_content(envelope)};
        if (is_deadly(mark.deaths(), settings_->contentfilter))
            mark.remember_deaths();
        else
            sender_ = identify(content_->header_so_far());
    }
    return act::for_all(act::no_room(), speaks_, envelope.recipients.size());
}

/// Under its mark, and as far as those that died over it let us.
result<void> session::look_at_header(message& what, const try_mark& mark) {
    if (is_header_deadly(mark.deaths(), settings_->contentfilter)) {
        what.sender = sender_of(*settings_, "-");
        return {};
    }
    if (auto read = collector::read_header(what); !read) return read;
    what.sender = identify(what.header);
    name_local_mail(what, {*settings_, service_.of().tickets, service_.of().mail_owner, local_, in_});
    match_settings(what);
    return {};
}

// Postfix keeps the IDENT of what it queues again, but does not tell it pipe(8).
std::string session::id_of_an_earlier_pass(const message& what) const {
    const auto owner = service_.of().mail_owner;
    if (in_ != way::pipe || !owner) return what.queue_id;
    return queue_id_before_requeue(what.header, *owner).value_or(what.queue_id);
}

sender_identity session::identify(const header_block& header) {
    return identify_sender(header, machine_->current(),
                           {*settings_, service_.of().tickets, service_.of().mail_owner, local_, in_});
}

asio::awaitable<std::vector<smtp::reply>> session::answer(bool too_large) {
    const auto& envelope = machine_->current();
    const auto recipients = envelope.recipients.size();
    if (too_large) {
        log::warning("message too large")
            .kv("queue_id", queue_id_of(envelope))
            .kv("from", envelope.sender.path)
            .kv("limit", settings_->contentfilter.max_message_size.value);
        co_return act::for_all(act::too_large(), speaks_, recipients);
    }
    auto what = content_->close(envelope);
    if (!what) co_return no_room(what.error());
    (*what)->in = in_;
    // Two messages may not share a verdict or a memory by an IDENT that is not of our queue.
    if (in_ == way::before_queue) (*what)->queue_id.assign(1, '-');
    auto key = key_of_try(**what);
    if (!key) co_return no_room(key.error());
    auto mark = std::make_unique<try_mark>(service_.of().tries, std::move(*key));
    if (is_deadly(mark->deaths(), settings_->contentfilter)) mark->remember_deaths();
    if (const auto looked = look_at_header(**what, *mark); !looked) co_return no_room(looked.error());
    if (in_ == way::bounces) {
        feedback::bounces reader{*service_.of().handed_over, service_.of().counts};
        const auto said = co_await reader.take(std::move(*what));
        co_return act::for_all(said, speaks_, recipients);
    }
    pipeline::job job;
    job.passed_as = id_of_an_earlier_pass(**what);
    job.what = std::move(*what);
    job.mark = std::move(mark);
    job.speaks = speaks_;
    const auto& filter = settings_->contentfilter;
    const bool before = in_ == way::before_queue;
    job.deadline = std::chrono::steady_clock::now() + (before ? filter.deadline_before_queue : filter.deadline);
    if (before) {
        job.next_hop_phase = std::chrono::milliseconds{filter.deadline_before_queue} / 3;
        sender_ = job.what->sender;
    }
    job.client_is_there = [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self && self->client_is_there();
    };
    co_return co_await service_.flow().process(std::move(job));
}

} // namespace postsluice::contentfilter
