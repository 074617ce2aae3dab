// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/published.hpp"

#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {

constexpr std::size_t due_at_once = 500; // names of one round of questions; the others come in the next
constexpr milliseconds time_of_a_round{20'000};

/// One line where a key's state is another than before.
void tell(const auth::published_keys::entry& one) {
    const bool good = auth::usable(one.last.state);
    const bool expected = good || one.role == auth::key_role::next; // which waits to be published
    const auto why = one.last.differences.empty() ? std::string{} : one.last.differences.front();
    (expected ? log::info("dkim key") : log::warning("dkim key is not published as it signs"))
        .kv("domain", one.key.domain)
        .kv("selector", one.key.selector)
        .kv("role", auth::to_string(one.role))
        .kv("published", auth::to_string(one.last.state))
        .kv("why", printable(why));
}

} // namespace

key_publication::key_publication(asio::any_io_executor executor, const clock& time, txt_lookup look_up)
    : strand_{asio::make_strand(executor)}
    , time_{time}
    , look_up_{std::move(look_up)} {
    if (look_up_) return;
    look_up_ = [executor](config::dns_settings how, std::vector<std::string> names, milliseconds at_most) {
        return dns::txt_batch(executor, std::move(how), std::move(names), at_most);
    };
}

void key_publication::watch(const auth::key_table& keys, const config::dkim_settings& settings) {
    auto all = keys.listed();
    const auto oldest = time_.now() - settings.retired_for;
    std::erase_if(all, [&](const auth::listed_key& one) { return one.since && *one.since < oldest; });
    known_.watch(all);
}

void key_publication::learn(const std::vector<std::string>& names, const std::vector<dns::txt_records>& answers) {
    const auto now = time_.now();
    std::size_t failed = 0;
    std::string why;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (!answers[i]) {
            ++failed;
            why = answers[i].error().message();
        }
        if (const auto changed = known_.learn(names[i], answers[i], now)) tell(*changed);
    }
    if (failed > 0)
        log::warning("dkim: the DNS did not say whether keys are published").kv("keys", failed).kv("why", why);
}

/// On the strand. Names that are being asked for already are waited for.
asio::awaitable<void> key_publication::resolve(config::settings_ptr settings, std::vector<std::string> names,
                                               milliseconds at_most) {
    std::vector<std::string> mine;
    std::vector<std::shared_ptr<asio::steady_timer>> others;
    const auto answered = std::make_shared<asio::steady_timer>(strand_, steady::time_point::max());
    for (auto& name : names) {
        const auto [at, fresh] = under_way_.try_emplace(name, answered);
        if (fresh)
            mine.push_back(std::move(name));
        else if (at->second != answered)
            others.push_back(at->second);
    }
    if (!mine.empty()) {
        std::vector<dns::txt_records> answers;
        std::string trouble = "no answer";
        try {
            answers = co_await look_up_(settings->dns, mine, at_most);
        } catch (const std::exception& e) {
            trouble = e.what();
        }
        answers.resize(mine.size(), failure{errc::unavailable, trouble});
        learn(mine, answers);
        for (const auto& name : mine)
            under_way_.erase(name);
        answered->expires_at(steady::time_point::min()); // for those who will wait, too
    }
    for (const auto& other : others)
        (void)co_await other->async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> key_publication::ask_due(config::settings_ptr settings) {
    const auto& dkim = settings->dkim;
    if (dkim.check_published == config::published_policy::off) co_return;
    auto names = known_.due(time_.now(), dkim.check_interval, dkim.check_retry, due_at_once);
    if (names.empty()) co_return;
    auto asking = resolve(settings, std::move(names), time_of_a_round);
    co_await asio::co_spawn(strand_, std::move(asking), asio::use_awaitable);
}

asio::awaitable<std::vector<auth::published_keys::entry>>
key_publication::ask(config::settings_ptr settings, std::vector<auth::signing_key> keys, milliseconds at_most) {
    std::vector<std::string> names;
    for (const auto& key : keys) {
        (void)known_.state(key); // known from now on
        names.push_back(auth::record_name(key.domain, key.selector));
    }
    auto asking = resolve(settings, names, at_most);
    co_await asio::co_spawn(strand_, std::move(asking), asio::use_awaitable);
    std::vector<auth::published_keys::entry> out;
    for (std::size_t i = 0; i < names.size(); ++i) {
        auto found = known_.find(names[i]);
        if (!found) found.emplace().key = keys[i];
        out.push_back(std::move(*found));
    }
    co_return out;
}

asio::awaitable<signing_plan> key_publication::admit(config::settings_ptr settings, signing_plan plan) {
    const auto& dkim = settings->dkim;
    if (plan.keys.empty() || dkim.check_published == config::published_policy::off) co_return plan;
    std::vector<auth::signing_key> unknown;
    for (const auto& key : plan.keys)
        if (known_.to_be_asked(key, time_.now(), dkim.check_retry)) unknown.push_back(key);
    if (dkim.check_published == config::published_policy::warn) co_return plan; // asked for in the background
    if (!unknown.empty()) (void)co_await ask(settings, std::move(unknown), settings->dns.timeout);
    std::erase_if(plan.keys, [this](const auth::signing_key& key) {
        const auto state = known_.state(key);
        return state != auth::publication::unknown && !auth::usable(state);
    });
    if (plan.keys.empty()) plan.why = unsigned_reason::not_published;
    co_return plan;
}

} // namespace postsluice::contentfilter::act
