// SPDX-License-Identifier: Apache-2.0
#include "shared/dns/mail_domain.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::dns {

namespace asio = boost::asio;

std::ostream& operator<<(std::ostream& out, mail_domain what) {
    switch (what) {
    case mail_domain::takes_mail:
        return out << "takes mail";
    case mail_domain::no_such_domain:
        return out << "no such domain";
    case mail_domain::no_mail:
        return out << "no mail";
    case mail_domain::null_mx:
        break;
    }
    return out << "null MX";
}

asio::awaitable<result<mail_domain>> ask_mail_domain(resolver& whom, std::string domain) {
    const auto mx = co_await whom.mx(domain);
    if (!mx) {
        co_return mx.error();
    }
    if (mx->what == outcome::no_such_name) {
        co_return mail_domain::no_such_domain;
    }
    if (mx->what == outcome::records) { // RFC 7505 section 3: the null MX stands alone
        const bool null = mx->records.size() == 1 && mx->records.front().host.empty();
        co_return null ? mail_domain::null_mx : mail_domain::takes_mail;
    }
    const auto v4 = co_await whom.query(domain, record_type::a);
    if (v4 && v4->what == outcome::records) {
        co_return mail_domain::takes_mail;
    }
    const auto v6 = co_await whom.query(std::move(domain), record_type::aaaa);
    if (v6 && v6->what == outcome::records) {
        co_return mail_domain::takes_mail;
    }
    if (!v4 || !v6) {
        co_return !v4 ? v4.error() : v6.error();
    }
    co_return mail_domain::no_mail;
}

bool needs_no_dns(const std::vector<std::string>& local_domains, std::string_view domain) {
    if (domain.empty() || domain.front() == '[') {
        return true;
    }
    return std::ranges::any_of(local_domains, [domain](const std::string& one) {
        return one.starts_with("*.") ? domain.size() + 1 > one.size() &&
                                           iequals(domain.substr(domain.size() - one.size() + 1), one.substr(1))
                                     : iequals(one, domain);
    });
}

} // namespace postsluice::dns
