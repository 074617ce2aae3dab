// SPDX-License-Identifier: Apache-2.0
// Can this recipient exist? (`valid_recipients = "reject"`, or "count", which refuses nothing.) Its domain must have an
// MX or an address and no null MX (RFC 7505 section 4.1). Who writes to many that cannot exist uses an old or made-up
// list: the reason recipient_invalid is what is counted against the account. Local domains, address literals, U-labels
// and addresses without a domain are not asked about. Trouble with the DNS is never an invalid recipient: it passes.
#include "policyd/rules/rule.hpp"

#include "shared/core/mail_address.hpp"
#include "shared/core/text.hpp"
#include "shared/dns/mail_domain.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/awaitable.hpp>

namespace postsluice::policyd::rules {

namespace {

decision invalid(const rule_context& context, refusal_code code, std::string domain, std::string text) {
    auto out = refuse(code, reason::recipient_invalid, std::move(domain), std::move(text));
    if (context.profile.valid_recipients == config::recipient_policy::count) {
        out.kind = decision_kind::warn;
    }
    return out;
}

decision judge(const rule_context& context, dns::mail_domain what, const std::string& domain) {
    const std::string shown = "the recipient's domain " + domain;
    switch (what) {
    case dns::mail_domain::takes_mail:
        break;
    case dns::mail_domain::no_such_domain:
        return invalid(context, refusal_code::recipient_domain, domain, shown + " does not exist");
    case dns::mail_domain::no_mail:
        return invalid(context, refusal_code::recipient_domain, domain,
                       shown + " takes no mail: it has neither MX nor address");
    case dns::mail_domain::null_mx:
        return invalid(context, refusal_code::recipient_null_mx, domain, shown + " takes no mail: it has a null MX");
    }
    return {};
}

} // namespace

bool valid_recipient_asks(const rule_context& context) noexcept {
    return context.profile.valid_recipients != config::recipient_policy::ignore && context.helpers.resolver != nullptr;
}

boost::asio::awaitable<rule_answer> valid_recipient(const rule_context& context) {
    const std::string domain = mail_address::from_internal(context.what.recipient).domain;
    if (dns::needs_no_dns(context.settings.local_domains, domain)) {
        co_return decision{};
    }
    const auto found = co_await dns::ask_mail_domain(*context.helpers.resolver, domain);
    decision out;
    if (found) {
        out = judge(context, *found, domain);
    } else if (found.error().code == errc::malformed) {
        const std::string shown = printable(domain, 100);
        out = invalid(context, refusal_code::recipient_syntax, shown,
                      "\"" + shown + "\" is no domain a recipient can have");
    } else {
        log::debug("recipient not looked up").kv("domain", domain).kv("why", found.error().message());
    }
    if (out.kind == decision_kind::dunno) {
        co_return out;
    }
    const auto counted = co_await count_invalid_recipient(context);
    if (!counted) { // it is refused all the same
        log::warning("invalid recipient not counted")
            .kv("account", context.who.account)
            .kv("why", counted.error().message());
    }
    co_return out;
}

} // namespace postsluice::policyd::rules
