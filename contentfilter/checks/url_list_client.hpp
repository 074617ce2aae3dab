// SPDX-License-Identifier: Apache-2.0
// Asks DNS lists of domains (RFC 5782) about the domains that links lead to: all questions of a message at once, by
// shared/dns, within url_lists.timeout. Answers are remembered, by list and domain. Runs on one single-threaded
// executor, but look_up() may be awaited on any.
//
// Lists answer 127.255.255.x where they do not want to answer (a public resolver, too many questions): that says
// nothing about the domain, and is errc::unavailable. So is an answer outside of 127.0.0.0/8: somebody's resolver
// makes up addresses for names that do not exist. A list that answers nothing of what a message asks has an alarm of
// its own (scanner_alarm.hpp).
#pragma once

#include "contentfilter/checks/digest_cache.hpp"
#include "contentfilter/checks/scanner_alarm.hpp"
#include "contentfilter/mime/urls.hpp"
#include "shared/config/dns_list.hpp"
#include "shared/config/settings.hpp"
#include "shared/dns/resolver.hpp"

#include <memory>
#include <string>
#include <vector>

namespace postsluice::contentfilter {

struct url_listing {
    std::string domain, zone, symbol;
    double score = 0;
    bool operator==(const url_listing&) const = default;
};

class url_list_client {
public:
    /// Throws std::runtime_error where a list or the DNS settings cannot be read.
    url_list_client(boost::asio::any_io_executor executor, const config::url_list_settings& how,
                    const config::dns_settings& dns);
    /// `domains`: lower case, distinct. errc::timed_out, errc::unavailable: some list gave no answer.
    [[nodiscard]] boost::asio::awaitable<result<std::vector<url_listing>>> look_up(std::vector<std::string> domains);

private:
    using addresses = std::vector<std::uint32_t>;
    struct job;
    template <class T>
    using awaitable = boost::asio::awaitable<T>;
    static awaitable<result<std::vector<url_listing>>> serve(url_list_client* self, std::vector<std::string> domains);
    static awaitable<void> ask(url_list_client* self, std::shared_ptr<job> all, std::string domain, std::size_t list);
    void note(job& all);
    void judge(job& all, const std::string& domain, std::size_t list, const addresses& said) const;

    boost::asio::any_io_executor executor_;
    std::vector<config::dns_list> lists_;
    std::chrono::seconds timeout_;
    dns::resolver resolver_;
    digest_cache<addresses> remembered_;
    std::vector<scanner_alarm> alarms_; ///< one a list
};

/// The domain that lists know for a URL: the organisational domain of its host; empty where the host is an address, has
/// no dot, or is no name.
[[nodiscard]] std::string listed_domain(const mime::url& link);

} // namespace postsluice::contentfilter
