// SPDX-License-Identifier: Apache-2.0
// Will receivers take mail of the sender's domain from us? (`spf = "warn"` or "require".) For each of
// outbound_addresses (of a network, its first and its last) the domain's SPF record (RFC 7208) must say "pass". "warn"
// never waits: it speaks once the answer is known, which the first request sets off. What "require" wants to know is
// remembered, and renewed before it is forgotten: the reply to a domain in use waits for nothing. Only for a domain
// that is new, or was long unused, it waits for the evaluation, on purpose: a 450 at once and the answer next time
// would show an error to each user of a new domain, since what submits mail seldom queues it. At most spf.wait, since
// Postfix does not wait for ever either, and this connection alone; the evaluation goes on, so that the next try finds
// its result. No answer yet and a temperror are trouble (on_error). The null sender has no domain and passes.
#include "policyd/rules/rule.hpp"

#include "shared/auth/spf.hpp"
#include "shared/core/mail_address.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::policyd::rules {

namespace {

decision judge(const auth::spf_verdict& verdict, const std::string& domain, const ip_address& address) {
    if (verdict.result == auth::spf_result::pass) {
        return {};
    }
    return refuse(refusal_code::sender_spf, reason::spf_fail, domain,
                  "the SPF record of " + domain + " does not permit mail from " + address.to_string() + " (" +
                      std::string{to_string(verdict.result)} + "): others would refuse it");
}

decision warn(auth::spf_checker& spf, const std::string& domain, const std::vector<ip_address>& addresses) {
    decision out;
    for (const auto& address : addresses) { // all of them are set off
        const auto known = spf.recall(domain, address);
        if (!known || known->result == auth::spf_result::temperror || out.kind != decision_kind::dunno) {
            continue;
        }
        if (auto found = judge(*known, domain, address); found.refuses()) {
            out = std::move(found);
            out.kind = decision_kind::warn;
        }
    }
    return out;
}

namespace asio = boost::asio;

/// What one reply waits for, and how long yet.
struct pending {
    explicit pending(const asio::any_io_executor& on)
        : late{on} {}
    asio::steady_timer late;
    std::optional<auth::spf_verdict> said;
};

asio::awaitable<void> evaluate(auth::spf_checker& spf, auth::spf_question what, std::shared_ptr<pending> waits) {
    waits->said = co_await spf.check(std::move(what));
    waits->late.cancel();
}

/// nullopt: not by `until`.
asio::awaitable<std::optional<auth::spf_verdict>> answer_by(auth::spf_checker& spf, auth::spf_question what,
                                                            std::chrono::steady_clock::time_point until) {
    if (auto known = spf.recall(what.domain, what.address)) {
        co_return known;
    }
    const auto executor = co_await asio::this_coro::executor;
    const auto waits = std::make_shared<pending>(executor);
    waits->late.expires_at(until);
    asio::co_spawn(executor, evaluate(spf, std::move(what), waits), asio::detached);
    if (!waits->said) {
        (void)co_await waits->late.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return waits->said;
}

} // namespace

bool spf_asks(const rule_context& context) noexcept {
    return context.profile.spf != config::spf_policy::ignore && context.helpers.spf != nullptr;
}

boost::asio::awaitable<rule_answer> spf(const rule_context& context) {
    const auto policy = context.profile.spf;
    const std::string domain = mail_address::from_internal(context.what.sender).domain;
    const auto addresses = auth::spf_probes(context.settings.outbound_addresses);
    if (domain.empty() || addresses.empty()) {
        co_return decision{};
    }
    auth::spf_checker& checker = *context.helpers.spf;
    auto warning = warn(checker, domain, addresses);
    if (policy == config::spf_policy::warn) {
        co_return warning;
    }
    const auto until = std::chrono::steady_clock::now() + context.settings.spf.wait;
    for (const auto& address : addresses) {
        auth::spf_question what{domain, address, {}, {}};
        const auto verdict = co_await answer_by(checker, std::move(what), until);
        if (!verdict) {
            co_return failure{errc::timed_out, "SPF of " + domain + ": no result yet"};
        }
        if (verdict->result == auth::spf_result::temperror) {
            co_return failure{errc::unavailable, "SPF of " + domain + ": " + verdict->explanation};
        }
        if (auto found = judge(*verdict, domain, address); found.refuses()) {
            co_return found;
        }
    }
    co_return decision{};
}

} // namespace postsluice::policyd::rules
