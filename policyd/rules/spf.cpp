// SPDX-License-Identifier: Apache-2.0
// Will receivers take mail of the sender's domain from us? (`spf = "warn"` or "require".) For each of
// outbound_addresses (of a network, its first and its last) the domain's SPF record (RFC 7208) must say "pass". "warn"
// never waits: it speaks once the answer is known, which the first request sets off. "require" waits for the answer; a
// temperror is trouble (on_error). The null sender has no domain and passes.
#include "policyd/rules/rule.hpp"

#include "shared/auth/spf.hpp"
#include "shared/core/mail_address.hpp"

#include <boost/asio/awaitable.hpp>

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
    for (const auto& address : addresses) {
        auth::spf_question what{domain, address, {}, {}};
        const auto verdict = co_await checker.check(std::move(what));
        if (verdict.result == auth::spf_result::temperror) {
            co_return failure{errc::unavailable, "SPF of " + domain + ": " + verdict.explanation};
        }
        if (auto found = judge(verdict, domain, address); found.refuses()) {
            co_return found;
        }
    }
    co_return decision{};
}

} // namespace postsluice::policyd::rules
