// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/reinject.hpp"

#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <stdexcept>

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

struct next_hop::slot {
    slot(const asio::any_io_executor& executor, const net::endpoint& where, const smtp::client_options& options,
         const relay::deadlines& limits)
        : strand{asio::make_strand(executor)}
        , connection{where, options, limits} {}
    asio::strand<asio::any_io_executor> strand;
    relay::relay_connection connection; ///< touched on the strand only
    steady::time_point last_used = steady::now();
};

result<service_address> service_address::parse(std::string_view text, smtp::protocol otherwise) {
    service_address out;
    out.speaks = otherwise;
    if (istarts_with(text, "lmtp:") || istarts_with(text, "smtp:")) {
        out.speaks = istarts_with(text, "lmtp:") ? smtp::protocol::lmtp : smtp::protocol::smtp;
        text.remove_prefix(5);
    }
    auto where = net::endpoint::parse(text);
    if (!where) return where.error();
    out.where = std::move(*where);
    return out;
}

next_hop::next_hop(asio::any_io_executor executor, const config::settings& settings, const std::string& address)
    : executor_{std::move(executor)} {
    const auto& filter = settings.contentfilter;
    auto where = service_address::parse(address, smtp::protocol::smtp);
    if (!where) throw std::runtime_error("next hop " + address + ": " + where.error().message());
    where_ = std::move(*where);
    options_.speaks = where_.speaks;
    options_.hostname = settings.hostname;
    // Each phase has at most half of the time that we have for a message, so that one begun in time ends in time.
    const std::chrono::milliseconds half = std::chrono::milliseconds{filter.deadline} / 2;
    const std::chrono::milliseconds reply = filter.next_hop_reply_timeout;
    limits_.connect = std::min<std::chrono::milliseconds>(filter.next_hop_connect_timeout, half);
    limits_.hello = std::min({limits_.hello, reply, half});
    limits_.envelope = limits_.dot = std::min(reply, half);
    limits_.content = std::min(limits_.content, half);
    keep_idle_ = filter.next_hop_idle;
    capabilities_ = {"PIPELINING", "SIZE " + std::to_string(filter.max_message_size.value),
                     "8BITMIME",   "DSN",
                     "SMTPUTF8",   "ENHANCEDSTATUSCODES"};
}

next_hop::slot_ptr next_hop::take() {
    {
        const std::lock_guard guard{mutex_};
        // The one used last: the others grow old and are closed when the load falls.
        if (!idle_.empty()) {
            auto out = std::move(idle_.back());
            idle_.pop_back();
            return out;
        }
    }
    return std::make_shared<slot>(executor_, where_.where, options_, limits_);
}

void next_hop::give_back(slot_ptr used) {
    if (!used->connection.reusable()) return;
    used->last_used = steady::now();
    const std::lock_guard guard{mutex_};
    idle_.push_back(std::move(used));
}

void next_hop::learn(const slot& from, const std::string& error) {
    const std::lock_guard guard{mutex_};
    if (error != error_ && !error.empty())
        log::warning("next hop").kv("address", where_.where.to_string()).kv("error", error);
    if (error.empty() && !error_.empty()) log::info("next hop is back").kv("address", where_.where.to_string());
    error_ = error;
    if (!error.empty()) return;
    reached_ = std::chrono::system_clock::now();
    if (!from.connection.capabilities().empty()) capabilities_ = from.connection.capabilities();
}

asio::awaitable<smtp::transaction_result> next_hop::run(std::shared_ptr<next_hop> self, slot_ptr on,
                                                        std::shared_ptr<relay::mail> what) {
    auto out = co_await on->connection.deliver(std::move(*what));
    // Trouble that has to do with the message, or that we made ourselves, says nothing about the next hop.
    const bool hops = out.failure && (out.failure_code == errc::unavailable || out.failure_code == errc::timed_out ||
                                      out.failure_code == errc::denied || out.failure_code == errc::not_found ||
                                      out.failure_code == errc::protocol || out.failure_code == errc::closed);
    if (!out.failure || hops) self->learn(*on, out.failure.value_or(""));
    self->give_back(std::move(on));
    co_return out;
}

asio::awaitable<smtp::transaction_result> next_hop::deliver(relay::mail what) {
    auto on = take();
    auto mail = std::make_shared<relay::mail>(std::move(what));
    const auto strand = on->strand;
    co_return co_await asio::co_spawn(strand, run(shared_from_this(), std::move(on), std::move(mail)),
                                      asio::use_awaitable);
}

asio::awaitable<void> next_hop::greet(std::shared_ptr<next_hop> self, slot_ptr on) {
    const auto opened = co_await on->connection.open();
    self->learn(*on, opened ? "" : opened.error().message());
    self->give_back(std::move(on));
}

asio::awaitable<void> next_hop::probe() {
    auto on = take();
    const auto strand = on->strand;
    co_await asio::co_spawn(strand, greet(shared_from_this(), std::move(on)), asio::use_awaitable);
}

namespace {
asio::awaitable<void> say_goodbye(std::shared_ptr<relay::relay_connection> to) {
    co_await to->quit();
}
} // namespace

void next_hop::tend(bool all) {
    std::vector<slot_ptr> old;
    {
        const std::lock_guard guard{mutex_};
        const auto limit = steady::now() - keep_idle_;
        const auto kept =
            std::partition(idle_.begin(), idle_.end(), [&](const slot_ptr& s) { return !all && s->last_used > limit; });
        old.assign(std::make_move_iterator(kept), std::make_move_iterator(idle_.end()));
        idle_.erase(kept, idle_.end());
    }
    for (auto& s : old)
        asio::co_spawn(s->strand, say_goodbye({s, &s->connection}), asio::detached);
}

next_hop::standing next_hop::status() const {
    const std::lock_guard guard{mutex_};
    return {where_.where.to_string(), capabilities_, reached_, error_, idle_.size()};
}

std::vector<std::string> next_hop::capabilities() const {
    const std::lock_guard guard{mutex_};
    return capabilities_;
}

std::string queued_as(const smtp::reply& r) {
    constexpr std::string_view words = "queued as ";
    for (const auto& line : r.lines) {
        const auto at = line.find(words);
        if (at == std::string::npos) continue;
        const auto id = std::string_view{line}.substr(at + words.size());
        const auto end = std::min(id.find_first_of(" \t<>"), id.size());
        if (end > 0) return printable(id.substr(0, end), 64);
    }
    return "-";
}

namespace {

/// One reply for all, where all were refused: the worst that may pass, and a chance for all (4xx) as long as one has
/// it.
smtp::reply combine(const std::vector<smtp::reply>& replies) {
    const auto temporary =
        std::find_if(replies.begin(), replies.end(), [](const smtp::reply& r) { return !r.ok() && r.klass() != 5; });
    if (temporary != replies.end()) return *temporary;
    const auto refused = std::find_if(replies.begin(), replies.end(), [](const smtp::reply& r) { return !r.ok(); });
    return refused != replies.end() ? *refused : replies.front();
}

} // namespace

relayed relay_outcome(const smtp::transaction_result& from, smtp::protocol to_client) {
    relayed out;
    out.next_queue_id = "-";
    out.replies = smtp::outcomes(from);
    for (const auto& r : out.replies) {
        if (!r.ok()) continue;
        if (out.delivered++ == 0) out.next_queue_id = queued_as(r);
    }
    if (from.failure) out.trouble = *from.failure;
    if (to_client == smtp::protocol::lmtp || out.replies.empty()) return out;
    const auto refused =
        std::count_if(from.recipients.begin(), from.recipients.end(), [](const auto& r) { return r && !r->ok(); });
    // A next hop that speaks LMTP may also refuse some after the content; one reply cannot say so, and a retry repeats
    // it for the others.
    const bool mixed = out.delivered > 0 && out.delivered < out.replies.size();
    out.partly_refused = mixed || (refused > 0 && static_cast<std::size_t>(refused) < from.recipients.size());
    const auto one =
        out.partly_refused
            ? smtp::make_reply(451, "4.3.0", "Some recipients were refused by the next mail server, try again later")
            : combine(out.replies);
    out.replies.assign(1, one);
    return out;
}

} // namespace postsluice::contentfilter::act
