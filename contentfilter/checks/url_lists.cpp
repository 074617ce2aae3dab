// SPDX-License-Identifier: Apache-2.0
// url_lists (urls): the hosts of a message's links in the list "bad-domains" of the rule files; their organisational
// domains, asked about at the DNS lists of url_lists.lists: what their answers mean stands there. The client's address
// is never asked about. docs/checks/url_lists.md.
//   LISTED_DOMAIN                   the site's own list has the host, or a domain that it is below
//   LISTED_URL                      the site's own list "bad-urls" has the URL, or one that it begins with
//   (symbols of the configuration)  a domain is listed
//   URL_LISTS_BOUND                 more domains than url_lists.max_domains: the rest was not asked about
#include "contentfilter/checks/case_fold.hpp"
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/external_scanners.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/checks/url_list_client.hpp"
#include "contentfilter/mime/content.hpp"
#include "shared/core/text.hpp"

#include <set>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

bool is_exempt(const std::string& domain, const std::vector<std::string>& exempt) {
    return std::any_of(exempt.begin(), exempt.end(), [&](const std::string& e) {
        const auto parent = to_lower(e);
        return domain == parent || domain.ends_with("." + parent);
    });
}

/// Distinct, those without a scheme last: some of these are no links, and must not push out others at the bound.
std::vector<std::string> domains_of(const mime::content& content, const config::url_list_settings& settings) {
    std::vector<std::string> out;
    std::set<std::string> known;
    for (const auto* all : {&content.urls(), &content.bare_urls()}) {
        std::set<std::string> found;
        for (const auto& url : *all) {
            auto domain = listed_domain(url.to);
            if (!domain.empty() && !known.contains(domain) && !is_exempt(domain, settings.exempt))
                found.insert(std::move(domain));
        }
        out.insert(out.end(), found.begin(), found.end());
        known.merge(found);
    }
    return out;
}

bool is_listed(std::string_view host, const word_list& bad) {
    for (;;) {
        if (bad.contains(host)) return true;
        const auto dot = host.find('.');
        if (dot == std::string_view::npos) return false;
        host.remove_prefix(dot + 1);
    }
}

/// The host, and what is written behind it.
std::string address_of(const mime::url& url) {
    // Two slashes may also stand further back: "www.example.com/a//b".
    const auto slash = url.text.find_first_of("/\\?#");
    const bool scheme = slash != std::string::npos && url.text.find("//") == slash;
    const auto behind = scheme ? url.text.find_first_of("/\\?#", slash + 2) : slash;
    std::string out = url.host;
    if (behind != std::string::npos) out += url.text.substr(behind);
    std::replace(out.begin(), out.end(), '\\', '/');
    return folded(out);
}

constexpr std::size_t most_levels = 32; // of a URL, whose beginnings are looked up

/// The whole of it, or its beginning up to a '/', '?' or '#', with that or without.
bool is_listed_url(const std::string& address, const word_list& bad) {
    if (bad.contains(address)) return true;
    auto at = address.find_first_of("/?#");
    for (std::size_t level = 0; level < most_levels && at != std::string::npos; ++level) {
        const std::string_view before{address.data(), at};
        if (bad.contains(before) || bad.contains(std::string_view{address.data(), at + 1})) return true;
        at = address.find_first_of("/?#", at + 1);
    }
    return false;
}

void look_up_here(const mime::content& content, const rule_set& rules, finding_list& to) {
    const auto& domains = rules.list("bad-domains");
    const auto& addresses = rules.list("bad-urls");
    if (domains.empty() && addresses.empty()) return;
    const auto look_up = [&](const mime::found_url& url) {
        if (is_listed(url.to.host, domains) || (!url.to.readable.empty() && is_listed(url.to.readable, domains)))
            to.add("LISTED_DOMAIN", 6, url.to.host + " in " + url.where).why = reason::spam;
        if (!addresses.empty() && is_listed_url(address_of(url.to), addresses))
            to.add("LISTED_URL", 8, url.to.text + " in " + url.where).why = reason::phish;
    };
    for (const auto* all : {&content.urls(), &content.bare_urls()})
        std::for_each(all->begin(), all->end(), look_up);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> url_lists(check_context context) {
    finding_list found{"urls"};
    if (context.resources->rules) look_up_here(*context.content, *context.resources->rules, found);
    const auto scanners = context.resources->scanners;
    if (!scanners || !scanners->url_lists()) co_return found.take();
    const auto settings = context.message->settings;
    auto domains = domains_of(*context.content, settings->url_lists);
    if (domains.size() > settings->url_lists.max_domains) {
        found.add("URL_LISTS_BOUND", 0, std::to_string(domains.size()) + " domains");
        domains.resize(settings->url_lists.max_domains);
    }
    if (domains.empty()) co_return found.take();
    const auto listings = co_await scanners->url_lists()->look_up(std::move(domains));
    if (!listings) {
        if (auto here = found.take(); !here.empty())
            co_return here; // as where one DNS list is silent and another speaks
        throw std::runtime_error{listings.error().message()};
    }
    for (const auto& l : *listings) {
        auto& f = found.add(l.symbol, l.score, l.domain + " at " + l.zone);
        f.why = reason::spam;
    }
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
