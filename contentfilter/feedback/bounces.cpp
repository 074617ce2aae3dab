// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/feedback/bounces.hpp"

#include "contentfilter/policyd_answer.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace postsluice::contentfilter::feedback {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

constexpr std::size_t shown = 100; // octets of a text, in the log

smtp::reply taken() {
    return smtp::make_reply(250, "2.0.0", "Taken note of");
}
smtp::reply later() {
    return smtp::make_reply(451, "4.3.0", "The bounce cannot be counted now, try again later");
}

constexpr std::size_t told_at_once = 1000; // recipients: far from the longest request that policyd reads

/// False: to be asked again.
asio::awaitable<bool> tell_policyd(config::settings_ptr settings, state::handover of, std::string queue_id,
                                   std::vector<std::string> recipients) {
    json request{{"verb", "bounced"},
                 {"queue_id", std::move(queue_id)},
                 {"account", of.account},
                 {"login", of.login},
                 {"client", of.client},
                 {"sender", of.sender},
                 {"recipients", json(std::move(recipients))}};
    auto socket = settings->control.directory / "policyd.sock";
    const std::chrono::milliseconds patience = settings->contentfilter.bounce_timeout;
    const auto answer = co_await control::ask(std::move(socket), std::move(request), patience);
    if (!answer) {
        log::warning("bounce not counted yet").kv("account", of.account).kv("why", answer.error().message());
        co_return false;
    }
    if (answer->value("ok", false)) co_return true;
    const auto code = answer->value("code", std::string{});
    log::warning("bounce not counted")
        .kv("account", of.account)
        .kv("code", code)
        .kv("why", answer->value("error", std::string{}));
    co_return is_final(code);
}

} // namespace

asio::awaitable<smtp::reply> bounces::take(message_ptr notice) {
    ++counts_.bounce_notices;
    auto settings = notice->settings;
    auto report = read_bounce_report(*notice, settings->contentfilter.bounce_statuses);
    if (!report) {
        const auto code = report.error().code;
        const bool foreign = code == errc::denied;
        log::warning(foreign ? "a notice of bounces that the mail server did not write: refused" : "bounces not read")
            .kv("from", printable(notice->envelope.sender.path, shown))
            .kv("why", report.error().message());
        if (foreign) co_return smtp::make_reply(550, "5.7.1", "This address is for the mail server's own notices");
        co_return code == errc::malformed || code == errc::too_large ? taken() : later(); // later: the spool's trouble
    }
    if (report->invalid.empty()) co_return taken();
    auto whose = known_.find(report->queue_id);
    if (!whose) {
        log::error("bounce not counted").kv("queue_id", report->queue_id).kv("why", whose.error().message());
        co_return later();
    }
    if (!*whose) { // of mail that no account of ours sent, or from before the feedback was on
        log::info("bounce of nobody we know").kv("queue_id", printable(report->queue_id, shown));
        co_return taken();
    }
    const auto& all = report->invalid;
    for (std::size_t at = 0; at < all.size(); at += told_at_once) {
        const auto from = all.begin() + static_cast<std::ptrdiff_t>(at);
        std::vector<std::string> some(from,
                                      from + static_cast<std::ptrdiff_t>(std::min(told_at_once, all.size() - at)));
        auto of = **whose;
        auto queue_id = report->queue_id;
        const bool done = co_await tell_policyd(settings, std::move(of), std::move(queue_id), std::move(some));
        if (!done) co_return later();
    }
    counts_.bounced += all.size();
    log::info("bounced")
        .kv("account", (*whose)->account)
        .kv("next_queue_id", printable(report->queue_id, shown))
        .kv("recipients", all.size());
    co_return taken();
}

} // namespace postsluice::contentfilter::feedback
