// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/refunds.hpp"

#include "contentfilter/policyd_answer.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;
using nlohmann::json;

bool puts_off(const std::vector<smtp::reply>& replies) noexcept {
    return !replies.empty() &&
           std::all_of(replies.begin(), replies.end(), [](const auto& r) { return r.klass() == 4; });
}

refunds::refunds(const clock& time, const config::settings& settings)
    : clock_{time}
    , file_{settings.state.directory / "refunds"} {
    waiting_ = file_.read(settings.contentfilter.max_refunds);
    const auto latest = clock_.now() + settings.policyd.lease;
    for (auto& one : waiting_)
        one.until = std::min(one.until, latest); // the clock may have been wrong
    if (!waiting_.empty()) log::info("charges wait to be taken back").kv("charges", waiting_.size());
    forget_settled();
}

asio::awaitable<void> refunds::ask(sender_identity sender, config::settings_ptr settings) {
    if (!sender.ticket || sender.ticket->server.empty() || sender.account == "-") co_return;
    refund_claim one{sender.sealed, sender.account, clock_.now() + settings->policyd.lease};
    auto copy = one; // named, and moved: g++ 12 destroys a temporary in a co_await expression twice
    const bool done = co_await try_once(std::move(copy), settings, false);
    if (!done) keep(std::move(one), settings->contentfilter.max_refunds);
}

asio::awaitable<void> refunds::ask_again(config::settings_ptr settings) {
    while (auto one = next()) {
        auto copy = *one;
        const bool done = co_await try_once(std::move(copy), settings, true);
        asked(*one, done);
        if (!done) co_return;
    }
}

asio::awaitable<bool> refunds::try_once(refund_claim one, config::settings_ptr settings, bool before) {
    json request{{"verb", "refund"}, {"ticket", one.sealed}};
    auto socket = settings->control.directory / "policyd.sock";
    const std::chrono::milliseconds patience = settings->contentfilter.refund_timeout;
    const auto answer = co_await control::ask(std::move(socket), std::move(request), patience);
    if (!answer) {
        log::warning("charge not taken back yet").kv("account", one.account).kv("why", answer.error().message());
        co_return false;
    }
    if (answer->value("ok", false)) {
        const bool refunded = answer->value("refunded", false);
        // A question that was answered too late for us to hear, or a file from before a kill: nothing was missed.
        if (before && !refunded)
            log::debug("put off").kv("account", one.account).kv("charge", "was taken back before, or its time is over");
        else
            log::info("put off")
                .kv("account", one.account)
                .kv("charge", refunded ? "taken back" : "nothing to take back");
        co_return true;
    }
    const auto code = answer->value("code", std::string{});
    log::warning("charge not taken back")
        .kv("account", one.account)
        .kv("code", code)
        .kv("why", answer->value("error", std::string{}));
    co_return is_final(code);
}

void refunds::keep(refund_claim one, std::size_t most) {
    const std::lock_guard guard{mutex_};
    while (waiting_.size() >= most) {
        log::warning("charge not taken back: too many wait").kv("account", waiting_.front().account);
        waiting_.pop_front();
    }
    waiting_.push_back(std::move(one));
    const auto written = file_.lines() < 2 * most ? file_.add(waiting_.back()) : file_.replace(waiting_);
    if (written) return;
    log::warning("a charge to be taken back is not on disk: a restart would forget it")
        .kv("account", waiting_.back().account)
        .kv("why", written.error().message());
}

std::optional<refund_claim> refunds::next() {
    const std::lock_guard guard{mutex_};
    while (!waiting_.empty()) {
        if (waiting_.front().until > clock_.now()) return waiting_.front();
        log::warning("charge not taken back: its time is over").kv("account", waiting_.front().account);
        waiting_.pop_front();
        forget_settled();
    }
    return std::nullopt;
}

// Behind the others, where it is to be asked for again: they need not wait for what is wrong with it alone.
void refunds::asked(const refund_claim& one, bool done) {
    const std::lock_guard guard{mutex_};
    const auto at = std::ranges::find(waiting_, one.sealed, &refund_claim::sealed);
    if (at == waiting_.end()) return; // given up meanwhile: too many wait
    auto held = std::move(*at);
    waiting_.erase(at);
    if (!done) waiting_.push_back(std::move(held));
    forget_settled();
}

void refunds::forget_settled() {
    if (!waiting_.empty()) return;
    if (const auto gone = file_.replace(waiting_); !gone)
        log::warning("charges that were taken back stay on disk").kv("why", gone.error().message());
}

std::size_t refunds::waiting() const {
    const std::lock_guard guard{mutex_};
    return waiting_.size();
}

} // namespace postsluice::contentfilter::act
