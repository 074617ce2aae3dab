// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/refunds.hpp"

#include "shared/control/control.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

/// What asking again does not change.
bool is_final(std::string_view code) {
    const auto what = control::parse_code(code);
    return what == errc::denied || what == errc::not_found || what == errc::malformed || what == errc::unsupported;
}

} // namespace

bool puts_off(const std::vector<smtp::reply>& replies) noexcept {
    return !replies.empty() &&
           std::all_of(replies.begin(), replies.end(), [](const auto& r) { return r.klass() == 4; });
}

asio::awaitable<void> refunds::ask(sender_identity sender, config::settings_ptr settings) {
    if (!sender.ticket || sender.ticket->server.empty() || sender.account == "-") co_return;
    claim one{sender.sealed, sender.account, clock_.now() + settings->policyd.lease};
    auto asked = one; // named, and moved: g++ 12 destroys a temporary in a co_await expression twice
    const bool done = co_await try_once(std::move(asked), settings);
    if (!done) keep(std::move(one), settings->contentfilter.max_refunds);
}

asio::awaitable<void> refunds::ask_again(config::settings_ptr settings) {
    while (auto one = take()) {
        auto asked = *one;
        const bool done = co_await try_once(std::move(asked), settings);
        if (done) continue;
        keep(std::move(*one), settings->contentfilter.max_refunds);
        co_return;
    }
}

asio::awaitable<bool> refunds::try_once(claim one, config::settings_ptr settings) {
    json request{{"verb", "refund"}, {"ticket", one.sealed}};
    auto socket = settings->control.directory / "policyd.sock";
    const std::chrono::milliseconds patience = settings->contentfilter.refund_timeout;
    const auto answer = co_await control::ask(std::move(socket), std::move(request), patience);
    if (!answer) {
        log::warning("charge not taken back yet").kv("account", one.account).kv("why", answer.error().message());
        co_return false;
    }
    if (answer->value("ok", false)) {
        log::info("put off")
            .kv("account", one.account)
            .kv("charge", answer->value("refunded", false) ? "taken back" : "nothing to take back");
        co_return true;
    }
    const auto code = answer->value("code", std::string{});
    log::warning("charge not taken back")
        .kv("account", one.account)
        .kv("code", code)
        .kv("why", answer->value("error", std::string{}));
    co_return is_final(code);
}

void refunds::keep(claim one, std::size_t most) {
    const std::lock_guard guard{mutex_};
    while (waiting_.size() >= most) {
        log::warning("charge not taken back: too many wait").kv("account", waiting_.front().account);
        waiting_.pop_front();
    }
    waiting_.push_back(std::move(one));
}

std::optional<refunds::claim> refunds::take() {
    const std::lock_guard guard{mutex_};
    while (!waiting_.empty()) {
        auto one = std::move(waiting_.front());
        waiting_.pop_front();
        if (one.until > clock_.now()) return one;
        log::warning("charge not taken back: its time is over").kv("account", one.account);
    }
    return std::nullopt;
}

std::size_t refunds::waiting() const {
    const std::lock_guard guard{mutex_};
    return waiting_.size();
}

} // namespace postsluice::contentfilter::act
