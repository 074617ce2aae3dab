// SPDX-License-Identifier: Apache-2.0
#include "shared/config/codec.hpp"
#include "shared/config/dns_list.hpp"
#include "shared/core/account_name.hpp"
#include "shared/core/mail_address.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <charconv>

namespace postsluice::config::rules {
namespace {

std::string shown(std::string_view text) {
    return quote(printable(text, 100));
}

bool is_alnum(char c) noexcept {
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}
bool is_control(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}
bool has_blank_or_control(std::string_view text) noexcept {
    return std::any_of(text.begin(), text.end(), [](char c) { return c == ' ' || is_control(c); });
}

// U-labels are let through: what is in UTF-8 there, a log or a reply shows as it is.
bool is_domain(std::string_view text) noexcept {
    if (text.empty() || text.size() > 253) return false;
    for (const auto label : split(text, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
        for (const char c : label)
            if (!is_alnum(c) && c != '-' && c != '_' && static_cast<unsigned char>(c) < 0x80) return false;
    }
    return true;
}

const auto& checks_and_groups() {
    static const std::vector<std::pair<std::string_view, std::string_view>> all{
#define POSTSLUICE_CHECK(name, group) {#name, #group},
#include "shared/core/checks.def"
#undef POSTSLUICE_CHECK
    };
    return all;
}

std::string wrong_host_and_port(std::string_view text) {
    const auto colon = text.rfind(':');
    auto host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
    const auto port = text.substr(colon == std::string_view::npos ? 0 : colon + 1);
    const bool v6 = host.starts_with('[') && host.ends_with(']');
    if (v6) host = host.substr(1, host.size() - 2);
    const auto address = ip_address::parse(host);
    if (!address || istarts_with(host, "IPv6:") || v6 != (host.find(':') != std::string_view::npos))
        return "has no numeric address and port; as in \"inet:127.0.0.1:10025\" or \"inet:[::1]:10025\"";
    unsigned number = 0;
    const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (problem != std::errc{} || end != port.data() + port.size() || number == 0 || number > 65535)
        return "has no port from 1 to 65535 at its end";
    return {};
}

} // namespace

std::string line(std::string_view text) {
    if (text.size() > 400) return "is too long; 400 octets at most";
    if (std::any_of(text.begin(), text.end(), is_control))
        return "holds control characters; one printable line is meant";
    return {};
}

std::string name(std::string_view text) {
    const auto good = [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; };
    if (!text.empty() && text.size() <= 100 && std::all_of(text.begin(), text.end(), good)) return {};
    return shown(text) + " is not a name; use up to 100 letters, digits, '.', '_' and '-'";
}

// The names stand in shared/core beside the reasons: vocabulary of the configuration, which both daemons and the
// operator's command check alike.
std::string policy_rule(std::string_view text) {
    static const std::vector<std::string> known{
#define POSTSLUICE_RULE(name) #name,
#define POSTSLUICE_WAITING_RULE(name) #name,
#define POSTSLUICE_MAP_RULE(name) #name,
#include "shared/core/inbound.def"
#include "shared/core/rules.def"
#undef POSTSLUICE_RULE
#undef POSTSLUICE_WAITING_RULE
#undef POSTSLUICE_MAP_RULE
    };
    return std::find(known.begin(), known.end(), text) != known.end() ? std::string{} : not_one_of(text, known);
}
std::string check(std::string_view text) {
    std::vector<std::string> known;
    for (const auto& [name, group] : checks_and_groups())
        known.emplace_back(name);
    return std::find(known.begin(), known.end(), text) != known.end() ? std::string{} : not_one_of(text, known);
}

std::string check_group(std::string_view text) {
    std::vector<std::string> known;
    for (const auto& [check, group] : checks_and_groups())
        if (std::find(known.begin(), known.end(), group) == known.end()) known.emplace_back(group);
    return std::find(known.begin(), known.end(), text) != known.end() ? std::string{} : not_one_of(text, known);
}

std::string name_or_nothing(std::string_view text) {
    return text.empty() ? std::string{} : name(text);
}

std::string domain(std::string_view text) {
    return is_domain(text) ? std::string{} : shown(text) + R"( is not a domain; as in "example.org")";
}
std::string domain_or_nothing(std::string_view text) {
    return text.empty() ? std::string{} : domain(text);
}

std::string address(std::string_view text) {
    const auto parsed = mail_address::from_internal(text);
    if (!parsed.local.empty() && parsed.local.size() <= 256 && is_domain(parsed.domain) && !has_blank_or_control(text))
        return {};
    return shown(text) + R"( is not a mail address; as in "abuse@example.org")";
}
std::string address_or_nothing(std::string_view text) {
    return text.empty() ? std::string{} : address(text);
}

std::string login(std::string_view text) {
    if (text.empty()) return "an empty login matches nobody; leave it out";
    if (text.size() > 256 || std::any_of(text.begin(), text.end(), is_control))
        return shown(text) + R"( is not a login; as in "user@example.org" or "*@example.org")";
    return {};
}

std::string account_name(std::string_view text) {
    if (text.empty()) return "a name is needed";
    if (text.size() > 200 || text != trim(text) || std::any_of(text.begin(), text.end(), is_control))
        return shown(text) + " is not a name; one printable word of up to 200 octets is meant";
    if (!is_reserved_name(text)) return {};
    const auto colon = text.find(':');
    return shown(text) + " means something else already; choose a name that " +
           (colon == std::string_view::npos ? R"(is not "-")"
                                            : "does not begin with " + quote(to_lower(text.substr(0, colon + 1))));
}

std::string endpoint(std::string_view text) {
    if (text.starts_with("unix:")) {
        const auto path = text.substr(5);
        if (!path.starts_with('/'))
            return shown(text) + " has no absolute path; as in \"unix:/run/postsluice/policyd\"";
        if (path.size() > 107) return shown(text) + " is too long for a unix socket; 107 octets at most";
        return path.find('\0') == std::string_view::npos ? std::string{} : shown(text) + " holds a NUL";
    }
    if (text.starts_with("inet:") || text.starts_with("tcp:")) {
        const auto wrong = wrong_host_and_port(text.substr(text.find(':') + 1));
        return wrong.empty() ? wrong : shown(text) + " " + wrong;
    }
    return shown(text) + R"( is not an endpoint; as in "unix:/run/postsluice/policyd" or "inet:127.0.0.1:10025")";
}

std::string endpoint_or_nothing(std::string_view text) {
    return text.empty() ? std::string{} : endpoint(text);
}

std::string dns_list(std::string_view text) {
    const auto read = config::dns_list::parse(text);
    return read ? std::string{}
                : shown(text) + " " + read.error().detail + R"(; as in "dbl.example.org 127.0.1.2=DBL_SPAM:6")";
}

std::string service(std::string_view text) {
    if (istarts_with(text, "lmtp:") || istarts_with(text, "smtp:")) text.remove_prefix(5);
    return endpoint(text);
}

std::string header_name(std::string_view text) {
    const auto good = [](char c) { return c > 0x20 && c < 0x7F && c != ':'; };
    if (!text.empty() && text.size() <= 100 && std::all_of(text.begin(), text.end(), good)) return {};
    return shown(text) + R"( is not the name of a header field; as in "X-Mailer", without the colon)";
}

std::string domain_or_below(std::string_view text) {
    return domain(text.starts_with("*.") ? text.substr(2) : text);
}

std::string map(std::string_view text) {
    const auto colon = text.find(':');
    const auto type = text.substr(0, colon);
    const auto name = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    const std::string example = R"(; as in "lmdb:/etc/postfix/sender_login_maps")";
    if (std::any_of(text.begin(), text.end(), is_control)) return shown(text) + " holds control characters" + example;
    if (type == "socketmap") {
        const bool unix = name.starts_with("unix:/"), inet = name.starts_with("inet:");
        if ((unix || inet) && name.rfind(':') > 4 && name.rfind(':') + 1 < name.size()) return {};
        return shown(text) +
               R"( is no socketmap; as in "socketmap:unix:/run/maps.sock:logins" or "socketmap:inet:127.0.0.1:7777:logins")";
    }
    if (type != "lmdb" && type != "texthash" && type != "regexp")
        return shown(text) + " is not a map of a type that is read here: lmdb, texthash, regexp or socketmap" + example;
    return name.starts_with('/') ? std::string{} : shown(text) + " has no absolute path" + example;
}

std::string address_or_map(std::string_view text) {
    const auto at = text.find('@'), colon = text.find(':');
    if (colon != std::string_view::npos && (at == std::string_view::npos || colon < at)) return map(text);
    if (at == 0) return domain_or_below(text.substr(1));
    const auto wrong = address(text);
    return wrong.empty()
               ? wrong
               : shown(text) +
                     R"( is no address, domain or map; as in "user@example.org", "@example.org", "@*.example.org" or "lmdb:/path")";
}

std::string address_list_entry(std::string_view text) {
    if (text == "<>") return {};
    const auto wrong = text.starts_with('@') ? domain_or_below(text.substr(1)) : address(text);
    return wrong.empty()
               ? wrong
               : shown(text) +
                     R"( is no address or domain; as in "user@example.org", "@example.org", "@*.example.org" or "<>")";
}

std::string header_match(std::string_view text) {
    const auto colon = text.find(':');
    const std::string example = R"(; as in "List-Id: *news.example.org*")";
    if (colon == std::string_view::npos || trim(text.substr(colon + 1)).empty())
        return shown(text) + " is not the name of a header field, a colon and a pattern" + example;
    if (const auto wrong = line(text); !wrong.empty()) return shown(text) + " " + wrong;
    const auto wrong = header_name(text.substr(0, colon));
    return wrong.empty() ? wrong : wrong + example;
}

std::string fingerprint(std::string_view text) {
    const auto hex = [](char c) { return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f'); };
    std::size_t octets = 0;
    for (const auto octet : split(text, ':')) {
        if (octet.size() != 2 || !hex(octet[0]) || !hex(octet[1])) octets = 1000;
        ++octets;
    }
    if (octets >= 16 && octets <= 64) return {};
    return shown(text) + " is no fingerprint; write it as Postfix does, hex octets with colons between";
}

std::string enhanced_status(std::string_view text) {
    const auto parts = split(text, '.');
    const bool good =
        parts.size() == 3 && parts.front() == "5" && std::ranges::all_of(parts, [](std::string_view one) {
            return !one.empty() && one.size() <= 3 && one.find_first_not_of("0123456789") == std::string_view::npos;
        });
    return good ? std::string{} : shown(text) + R"( is no status of a failure for good; as in "5.1.1")";
}

std::string name_server(std::string_view text) {
    const auto at = text.find('@');
    const auto port = at == std::string_view::npos ? std::string_view{"53"} : text.substr(at + 1);
    unsigned number = 0;
    const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool good = problem == std::errc{} && end == port.data() + port.size() && number > 0 && number < 65536;
    if (good && ip_address::parse(text.substr(0, at))) return {};
    return shown(text) + R"( is no name server; as in "127.0.0.1" or "127.0.0.1@5353")";
}

std::string dkim_table(std::string_view text) {
    if (text.empty()) return {};
    auto path = text;
    for (const std::string_view kind : {"file:", "refile:"})
        if (path.starts_with(kind)) {
            path.remove_prefix(kind.size());
            break;
        }
    if (path.starts_with('/') && !std::any_of(path.begin(), path.end(), is_control)) return {};
    return shown(text) +
           R"( is not a table that can be read here; use a file, as in "refile:/etc/opendkim/signing.table")";
}

std::string lock_hook(std::string_view text) {
    if (text == "notify") return {};
    if (text.starts_with("exec:/") && text.size() <= 1000 && !std::any_of(text.begin(), text.end(), is_control))
        return {};
    return shown(text) +
           R"( is not what a lock can cause; as in "notify" or "exec:/usr/local/bin/disable-login {account}")";
}

} // namespace postsluice::config::rules

namespace postsluice::config {

std::vector<std::string> checks_of(std::string_view group) {
    std::vector<std::string> out;
    for (const auto& [name, of] : rules::checks_and_groups())
        if (of == group) out.emplace_back(name);
    return out;
}

} // namespace postsluice::config
