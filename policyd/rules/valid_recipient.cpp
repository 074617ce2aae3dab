// SPDX-License-Identifier: Apache-2.0
// Can this recipient exist? (`valid_recipients = "reject"`, or "count", which refuses nothing.) Its domain must have an
// MX or an address and no null MX (RFC 7505 section 4.1). A local part must be one: not empty, without control
// characters. Its length is the receiver's matter: bounce addresses are longer than the 64 octets of RFC 5321. Who
// writes to many that cannot exist uses an old or made-up list: the reason recipient_invalid is what is counted against
// the account. Local domains, address literals, U-labels and addresses without a domain are not asked about. Trouble
// with the DNS is never an invalid recipient: it passes.
#include "policyd/rules/rule.hpp"

#include "shared/core/mail_address.hpp"
#include "shared/core/text.hpp"
#include "shared/dns/mail_domain.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/awaitable.hpp>

#include <algorithm>

namespace postsluice::policyd::rules {

namespace {

decision invalid(const rule_context& context, refusal_code code, std::string domain, std::string text) {
    auto out = refuse(code, reason::recipient_invalid, std::move(domain), std::move(text));
    if (context.profile.valid_recipients == config::recipient_policy::count) {
        out.kind = decision_kind::warn;
    }
    return out;
}

bool is_local_part(std::string_view text) {
    return !text.empty() && std::ranges::none_of(text, [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return u < 0x20 || u == 0x7f;
    });
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

namespace {

boost::asio::awaitable<decision> ask_dns(const rule_context& context, const std::string& domain) {
    const auto found = co_await dns::ask_mail_domain(*context.helpers.resolver, domain);
    if (found) {
        co_return judge(context, *found, domain);
    }
    if (found.error().code == errc::malformed) {
        const std::string shown = printable(domain, 100);
        co_return invalid(context, refusal_code::recipient_syntax, shown,
                          "\"" + shown + "\" is no domain a recipient can have");
    }
    log::debug("recipient not looked up").kv("domain", domain).kv("why", found.error().message());
    co_return decision{};
}

} // namespace

boost::asio::awaitable<rule_answer> valid_recipient(const rule_context& context) {
    const auto address = mail_address::from_internal(context.what.recipient);
    if (dns::needs_no_dns(context.settings.local_domains, address.domain)) {
        co_return decision{};
    }
    decision out;
    if (is_local_part(address.local)) {
        out = co_await ask_dns(context, address.domain);
    } else {
        const std::string shown = printable(address.local, 100);
        out = invalid(context, refusal_code::recipient_syntax, shown,
                      "\"" + shown + "\" is no name a recipient can have at " + printable(address.domain, 100));
    }
    if (!out.refuses()) { // "count": what else refuses it is not known yet, and only one that is taken is counted
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
