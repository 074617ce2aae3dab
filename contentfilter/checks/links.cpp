// SPDX-License-Identifier: Apache-2.0
// links (urls): where the links of a message lead, and what they say about it. docs/checks/links.md.
//   LINK_OTHER_HOST  the text of a link is a host or URL of another organisation than the one it leads to
//   LINK_ADDRESS     leads to a public IP address instead of a name
//   LINK_DISGUISED   an address written as no person writes it: 0x7f.1, 2130706433
//   LINK_USER        a host before the '@', the real one behind it
//   LINK_LOOK_ALIKE  a host in letters made to be taken for others
//   LINK_PUNYCODE    a host with letters beyond ASCII
//   LINK_SHORTENER   a host of the list "shorteners"
//   MANY_URLS        more than content.many_urls distinct URLs
//   LINK_BOUND       more links or URLs than are looked at
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/look_alikes.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/mime/content.hpp"
#include "shared/auth/dkim.hpp"
#include "shared/core/ip_network.hpp"

#include <array>

namespace postsluice::contentfilter::checks {

namespace {

using namespace std::string_view_literals;

// Top-level domains for which a bare word counts as a host; others ("readme.md", "start.sh") may be names of files.
constexpr std::array common_domains{"com"sv, "net"sv, "org"sv, "edu"sv, "gov"sv, "mil"sv, "int"sv, "info"sv, "biz"sv};
constexpr std::array file_like{"md"sv, "py"sv, "sh"sv, "rs"sv, "pl"sv, "ps"sv, "so"sv, "cc"sv, "mk"sv, "ml"sv, "pm"sv};

template <class List>
bool is_in(const List& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_host_character(char c) {
    return static_cast<signed char>(c) < 0 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '.' || c == '-';
}

/// A word that a reader takes for a host: "paypal.com", "paypal.com/login".
bool names_host(std::string_view word) {
    const auto host = word.substr(0, word.find_first_of("/?#:"));
    const auto dot = host.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return false;
    if (!std::all_of(host.begin(), host.end(), is_host_character)) return false;
    const auto last = to_lower(host.substr(dot + 1));
    const bool letters = std::all_of(last.begin(), last.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    return is_in(common_domains, last) || (letters && last.size() == 2 && !is_in(file_like, last));
}

/// The host that a link's text names, where it is a URL or a host and nothing else.
std::string shown_host(std::string_view text) {
    text = trim(text);
    while (!text.empty() && std::string_view{"<([\"'"}.find(text.front()) != std::string_view::npos)
        text.remove_prefix(1);
    while (!text.empty() && std::string_view{">)]\"'.,;:!"}.find(text.back()) != std::string_view::npos)
        text.remove_suffix(1);
    if (text.empty() || text.find_first_of(" \t\n") != std::string_view::npos) return {};
    if (const auto whole = mime::read_url(text)) return whole->user.empty() ? whole->host : "";
    if (!names_host(text)) return {};
    const auto bare = mime::read_url("//" + std::string{text});
    return bare && bare->user.empty() ? bare->host : "";
}

bool same_organisation(const std::string& a, const std::string& b) {
    return auth::organisational_domain(a) == auth::organisational_domain(b);
}

/// Where only the own network leads, a mistake or a habit.
bool is_private(std::string_view address) {
    static constexpr std::array nets{"10.0.0.0/8"sv,     "172.16.0.0/12"sv, "192.168.0.0/16"sv, "127.0.0.0/8"sv,
                                     "169.254.0.0/16"sv, "fc00::/7"sv,      "fe80::/10"sv,      "::1/128"sv};
    const auto parsed = ip_address::parse(address);
    return parsed && std::any_of(nets.begin(), nets.end(), [&](std::string_view net) {
               return ip_network::parse(net).value().contains(*parsed);
           });
}

bool is_shortener(const std::string& host, const word_list& shorteners) {
    return shorteners.contains(host) || (host.starts_with("www.") && shorteners.contains(host.substr(4)));
}

void judge(const mime::url& to, const std::string& where, const word_list& shorteners, finding_list& out) {
    const auto evidence = to.host + " in " + where;
    if (to.address && to.disguised)
        out.add("LINK_DISGUISED", 4, evidence);
    else if (to.address && !is_private(to.host))
        out.add("LINK_ADDRESS", 1.5, evidence);
    if (to.user.find('.') != std::string::npos) out.add("LINK_USER", 3, to.user + "@" + evidence);
    if (!to.readable.empty()) {
        out.add("LINK_PUNYCODE", 0.5, evidence);
        if (is_look_alike(to.readable)) out.add("LINK_LOOK_ALIKE", 4, evidence);
    }
    if (is_shortener(to.host, shorteners)) out.add("LINK_SHORTENER", 1, evidence);
}

/// The domain that the message is from: its own links may say what they like.
std::string own_domain(const message& of) {
    const auto* from = of.header.find("From");
    const auto list = from ? mime::parse_mailboxes(from->value()) : failure{errc::not_found, "no From"};
    if (!list || list->empty()) return {};
    return mail_address::from_internal(list->front().address).domain;
}

} // namespace

boost::asio::awaitable<std::vector<finding>> links(check_context context) {
    finding_list out{"urls"};
    const auto& content = *context.content;
    static const word_list none;
    const auto& shorteners = context.resources->rules ? context.resources->rules->list("shorteners") : none;
    for (const auto* all : {&content.urls(), &content.bare_urls()})
        for (const auto& url : *all)
            judge(url.to, url.where, shorteners, out);
    const auto own = own_domain(*context.message);
    for (const auto& anchor : content.anchors()) {
        const auto shown = shown_host(anchor.text);
        if (shown.empty() || same_organisation(shown, anchor.to.host)) continue;
        if (!own.empty() && same_organisation(own, anchor.to.host)) continue;
        out.add("LINK_OTHER_HOST", 2.5, shown + " leads to " + anchor.to.host + " in " + anchor.where);
    }
    const auto many = context.message->settings->content.many_urls;
    if (content.urls().size() > many) out.add("MANY_URLS", 1, std::to_string(content.urls().size()) + " URLs");
    for (const auto& bound : content.links_beyond())
        out.add("LINK_BOUND", 2, bound);
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
