// SPDX-License-Identifier: Apache-2.0
// Could anybody answer this envelope sender? (`valid_sender = true`.) Its domain must have an MX or an address and no
// null MX (RFC 7505 section 4.2), or bounces and answers are lost, and receivers that ask the same refuse the mail.
// Local domains, address literals, U-labels and the null sender are not asked about. Trouble with the DNS says nothing
// about the domain: on_error.
#include "policyd/rules/rule.hpp"

#include "shared/core/mail_address.hpp"
#include "shared/core/text.hpp"
#include "shared/dns/mail_domain.hpp"

#include <boost/asio/awaitable.hpp>

namespace postsluice::policyd::rules {

namespace {

decision judge(dns::mail_domain what, const std::string& domain) {
    const std::string shown = "the sender's domain " + domain;
    switch (what) {
    case dns::mail_domain::takes_mail:
        break;
    case dns::mail_domain::no_such_domain:
        return refuse(refusal_code::sender_domain, reason::sender_domain_invalid, domain, shown + " does not exist");
    case dns::mail_domain::no_mail:
        return refuse(refusal_code::sender_domain, reason::sender_domain_invalid, domain,
                      shown + " takes no mail: it has neither MX nor address");
    case dns::mail_domain::null_mx:
        return refuse(refusal_code::sender_null_mx, reason::sender_domain_invalid, domain,
                      shown + " takes no mail: it has a null MX");
    }
    return {};
}

} // namespace

bool valid_sender_asks(const rule_context& context) noexcept {
    return context.profile.valid_sender && context.helpers.resolver != nullptr;
}

boost::asio::awaitable<rule_answer> valid_sender(const rule_context& context) {
    const std::string domain = mail_address::from_internal(context.what.sender).domain;
    if (dns::needs_no_dns(context.settings.local_domains, domain)) {
        co_return decision{};
    }
    const auto found = co_await dns::ask_mail_domain(*context.helpers.resolver, domain);
    if (found) {
        co_return judge(*found, domain);
    }
    switch (found.error().code) {
    case errc::unsupported: // U-labels
        co_return decision{};
    case errc::malformed:
        co_return judge(dns::mail_domain::no_such_domain, printable(domain, 100));
    default:
        co_return found.error();
    }
}

} // namespace postsluice::policyd::rules
